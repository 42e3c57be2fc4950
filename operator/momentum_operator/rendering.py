"""`momentum-operator render`: every object of a resource, and every file of its nodes, without a cluster.

momentum-operator render --nodes n1=198.18.0.1,n2=198.18.0.2 FILE              all objects as YAML on standard output
momentum-operator render --nodes … --output DIR FILE                           the files that a node mounts, into DIR
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml

from momentum_node.config.corosync import RingError
from momentum_operator import names, objects
from momentum_operator.acceptance import Surroundings, judge
from momentum_operator.fields import Problem
from momentum_operator.reading import read
from momentum_operator.render import digest, render
from momentum_operator.ring import RingMember
from momentum_operator.settings import Settings
from momentum_operator.spec import ClusterSpec


class RenderError(Exception):
    """The resource cannot be rendered; the text names every problem with its place."""


@dataclass(frozen=True)
class Rendered:
    """All objects in the order in which the operator applies them, and the files of the ConfigMap."""

    objects: tuple[dict[str, Any], ...]
    files: Mapping[str, str]
    notices: tuple[str, ...]


def read_resource(path: Path) -> dict[str, Any]:
    """The first MomentumCluster of a YAML file. Raises `RenderError`."""
    try:
        documents = list(yaml.safe_load_all(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise RenderError(f"{path}: {error}") from None
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "MomentumCluster":
            return document
    raise RenderError(f"{path}: there is no MomentumCluster in it")


def parse_nodes(text: str) -> tuple[RingMember, ...]:
    """`n1=198.18.0.1,n2=198.18.0.2` → ring members, numbered from 1 in that order. Raises `RenderError`."""
    members = []
    for number, part in enumerate(filter(None, text.split(",")), start=1):
        name, _, address = part.partition("=")
        try:
            members.append(RingMember(name, names.node_name(name), number, str(ip_address(address))))
        except ValueError:
            raise RenderError(f"--nodes: {part!r} is not NAME=ADDRESS") from None
    if not members:
        raise RenderError("--nodes: name at least one node, as n1=198.18.0.1")
    return tuple(members)


def render_resource(resource: Mapping[str, Any], ring: tuple[RingMember, ...], settings: Settings) -> Rendered:
    """What the operator would make of the resource with these nodes. Raises `RenderError` with every problem.

    Secrets hold keys that are made when they are first needed, so they are not part of it.
    """
    metadata = resource.get("metadata") or {}
    who = objects.Identity(
        str(metadata.get("namespace", "default")),
        str(metadata.get("name", "momentum")),
        str(metadata.get("uid", "local")),
    )
    spec, problems = read(resource.get("spec"))
    if spec is None:
        raise RenderError(_lines(problems))
    files = _files(spec, who.uid, ring)
    own = {member.address: member.kubernetes_name for member in ring}
    verdict = judge(spec, files, Surroundings(who.namespace, settings, own, checks_allowance=False))
    if verdict.problems:
        raise RenderError(_lines(verdict.problems))
    files["revision"] = digest(files)
    ids = {member.name: member.node_id for member in ring}
    built = [
        objects.state_map(who, ids, resource.get("spec")),
        objects.config_map(who, files),
        objects.daemon_set(who, spec, settings),
        *(objects.duravip(who, address) for address in verdict.addresses),
    ]
    return Rendered(tuple(built), files, verdict.notices)


def write_files(rendered: Rendered, folder: Path) -> None:
    """The files of the ConfigMap into `folder`, `revision` last: who watches that sees a whole set."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(rendered.files, key=lambda name: name == "revision"):
        (folder / name).write_text(rendered.files[name])


def as_yaml(rendered: Rendered) -> str:
    """All objects as one YAML stream."""
    return yaml.dump_all(rendered.objects, sort_keys=False, default_flow_style=False, allow_unicode=True)


def _files(spec: ClusterSpec, uid: str, ring: tuple[RingMember, ...]) -> dict[str, str]:
    try:
        return render(spec, uid, ring)
    except RingError as error:
        raise RenderError(f"spec.bus: {error}") from None


def _lines(problems: tuple[Problem, ...]) -> str:
    return "\n".join(str(problem) for problem in problems)
