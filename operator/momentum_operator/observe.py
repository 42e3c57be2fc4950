"""What there is, as values: read from the API's objects and the nodes' reports before anything is decided."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from momentum_node.status.report import Report
from momentum_operator import names
from momentum_operator.objects import Identity
from momentum_operator.roster import KubeNode
from momentum_operator.rotation import BusKey


@dataclass(frozen=True, slots=True)
class Pod:
    """A node's pod, or the arbiter's. `template` and `configuration`: what it was made from and last refreshed for."""

    name: str
    node: str
    address: str
    is_ready: bool
    is_ending: bool
    template: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Other:
    """Another MomentumCluster, raw; `since` orders who was first."""

    name: str  # namespace/name
    since: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class Observed:
    """One cluster and its surroundings at one moment. `now` is RFC 3339, `age_s` counts from the wish to delete."""

    who: Identity
    resource: Mapping[str, Any]
    now: str
    nodes: tuple[KubeNode, ...] = ()
    service_networks: tuple[str, ...] = ()
    pods: tuple[Pod, ...] = ()
    arbiter_pods: tuple[Pod, ...] = ()
    others: tuple[Other, ...] = ()
    claimed: Mapping[str, str] = field(default_factory=dict)
    """Address → other cluster, from the DuraVIP objects of other clusters."""
    reports: Mapping[str, Report] = field(default_factory=dict)
    """By name on the bus; only of nodes that answer."""
    config_map: Mapping[str, Any] | None = None
    state_map: Mapping[str, Any] | None = None
    daemon_set: Mapping[str, Any] | None = None
    arbiter: Mapping[str, Any] | None = None
    """The arbiter's DaemonSet."""
    duravips: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """This cluster's DuraVIP objects by address."""
    secrets_due: tuple[str, ...] = ()
    """Names of Secrets that are missing, damaged or near the end of their certificate."""
    bus_key: BusKey | None = None
    """Fingerprints of the bus key, and where its rotation stands."""
    jobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    deleting_for_s: float | None = None

    @property
    def generation(self) -> int:
        """Of the spec."""
        return int(self.resource["metadata"].get("generation", 0))

    @property
    def status(self) -> Mapping[str, Any]:
        """As it was last written."""
        return self.resource.get("status") or {}

    @property
    def has_finalizer(self) -> bool:
        """Whether deletion waits for us."""
        return names.FINALIZER in (self.resource["metadata"].get("finalizers") or [])

    @property
    def rotation_wish(self) -> str:
        """The value of the annotation that asks for another bus key; empty without one."""
        return str((self.resource["metadata"].get("annotations") or {}).get(names.ROTATE_ANNOTATION, ""))

    @property
    def given_ids(self) -> dict[str, int]:
        """Bus ids given before."""
        return {str(name): int(number) for name, number in self._state("ids.json").items()}

    @property
    def seen_ids(self) -> dict[str, int]:
        """Bus ids by what nodes tell, and by the node list that they mount."""
        mounted = _json(self.live_files, "nodes.json")
        entries = [*(mounted.get("nodes") or []), *filter(None, [mounted.get("arbiter")])]
        listed = {str(node["name"]): int(node["id"]) for node in entries}
        return {**listed, **{name: report["node"]["id"] for name, report in self.reports.items()}}

    @property
    def accepted_spec(self) -> dict[str, Any] | None:
        """The last spec that passed every check."""
        return self._state("accepted.json") or None

    @property
    def live_files(self) -> dict[str, str]:
        """What the ConfigMap that nodes mount holds now."""
        return dict((self.config_map or {}).get("data") or {})

    def _state(self, key: str) -> dict[str, Any]:
        return _json((self.state_map or {}).get("data") or {}, key)


def read_pod(value: Mapping[str, Any]) -> Pod:
    """A node pod from the API's object."""
    metadata, status = value["metadata"], value.get("status") or {}
    annotations = metadata.get("annotations") or {}
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    return Pod(
        name=metadata["name"],
        node=(value.get("spec") or {}).get("nodeName") or "",
        address=status.get("hostIP") or "",
        is_ready=conditions.get("Ready") == "True",
        is_ending="deletionTimestamp" in metadata,
        template=annotations.get(names.TEMPLATE_ANNOTATION, ""),
        configuration=annotations.get(names.REFRESH_ANNOTATION, ""),
    )


def read_other(value: Mapping[str, Any]) -> Other:
    """Another cluster from the API's object."""
    metadata = value["metadata"]
    return Other(
        f"{metadata['namespace']}/{metadata['name']}", metadata.get("creationTimestamp", ""), value.get("spec") or {}
    )


def _json(data: Mapping[str, str], key: str) -> dict[str, Any]:
    """A JSON object; an empty one when it is missing or damaged: what it held is rebuilt from what nodes tell."""
    try:
        value = json.loads(data.get(key, "{}"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
