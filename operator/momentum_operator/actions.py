"""What the operator may do to a cluster: values that `plan` returns in order and `kube` carries out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a whole object."""

    value: Mapping[str, Any]


@dataclass(frozen=True)
class ApplyStatus:
    """Server-side apply of an object's status; `value` has the identifying fields and the status only."""

    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IssueSecrets:
    """Make the keys and certificates of these Secrets anew."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RotateKey:
    """One step of replacing the bus key (`rotation.Step`); `wish`: the annotation's value that it serves."""

    step: str
    wish: str


@dataclass(frozen=True, slots=True)
class SetFinalizer:
    """Put our finalizer on the resource, or take it off."""

    is_wanted: bool


@dataclass(frozen=True, slots=True)
class RefreshPod:
    """Write the digest of the mounted files on a pod: the kubelet then refreshes its volumes at once."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete one object; that it is gone already is fine."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Emit:
    """An event on the resource. `is_warning` for what a person should look at."""

    reason: str
    message: str
    is_warning: bool = False


Action: TypeAlias = Apply | ApplyStatus | IssueSecrets | RotateKey | SetFinalizer | RefreshPod | Delete | Emit
