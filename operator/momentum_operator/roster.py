"""Which Kubernetes nodes belong to a cluster, under which name, number and address, and which must stay outside."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from momentum_node.config.corosync import MAX_NODES
from momentum_operator.names import DRAIN_ANNOTATION, node_name
from momentum_operator.ring import RingMember, give_ids
from momentum_operator.spec import ClusterSpec, Requirement


@dataclass(frozen=True)
class KubeNode:
    """What we read of a Kubernetes node."""

    name: str
    labels: Mapping[str, str]
    internal_addresses: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    is_ready: bool = True
    is_tainted: bool = False
    is_cordoned: bool = False
    is_draining: bool = False
    pod_networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Elder:
    """Another MomentumCluster that was there first: what it has, we cannot have."""

    name: str  # namespace/name
    selector: tuple[Requirement, ...]
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roster:
    """`members` by bus id; the `arbiter` has a number as they have.

    `excluded` (name → cluster that has it) and `too_many` get no pod; `outside` says why.
    """

    members: tuple[RingMember, ...] = ()
    arbiter: RingMember | None = None
    excluded: Mapping[str, str] | None = None
    too_many: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    ids: Mapping[str, int] | None = None

    @property
    def kept_out(self) -> tuple[str, ...]:
        """Kubernetes nodes that the selector means and that get no pod."""
        return tuple(sorted({*(self.excluded or {}), *self.too_many}))


@dataclass(frozen=True)
class Numbers:
    """Bus ids by node name: `given` before, and `seen` in what running nodes tell of themselves."""

    given: Mapping[str, int]
    seen: Mapping[str, int]


def enrol(
    spec: ClusterSpec, nodes: Iterable[KubeNode], elders: Iterable[Elder], staying: frozenset[str], numbers: Numbers
) -> Roster:
    """The roster. `staying`: Kubernetes nodes with a pod of ours, which leave the list only when that is gone."""
    elders = tuple(elders)
    meant = {node.name: node for node in nodes if spec.selects(node.labels) or node.name in staying}
    excluded = {name: elder for name, node in meant.items() if (elder := _elder(node, elders)) and name not in staying}
    free = [meant[name] for name in sorted(meant) if name not in excluded]
    placed, outside = _with_address(spec, free)
    fitting = [node for node in placed if not _trouble(node, placed)]
    outside += [trouble for node in placed if (trouble := _trouble(node, placed))]

    def rank(node: KubeNode) -> tuple[bool, int, str]:
        return node.name not in staying, numbers.given.get(node_name(node.name), 1 << 20), node.name

    ranked = sorted(fitting, key=rank)
    chosen, too_many = ranked[:MAX_NODES], ranked[MAX_NODES:]
    ids = give_ids(numbers.given, numbers.seen, (node_name(node.name) for node in chosen))
    members = [_member(spec, node, ids) for node in chosen]
    members.sort(key=lambda member: member.node_id)
    too_many_names = tuple(sorted(node.name for node in too_many))
    return Roster(tuple(members), None, excluded, too_many_names, tuple(outside), ids)


def _member(spec: ClusterSpec, node: KubeNode, ids: Mapping[str, int]) -> RingMember:
    name = node_name(node.name)
    address = bus_address(spec, node) or ""
    return RingMember(node.name, name, ids[name], address, node.is_cordoned, node.is_draining)


def read_node(value: Mapping[str, Any]) -> KubeNode:
    """A Kubernetes node from the API's object."""
    status, metadata = value.get("status") or {}, value["metadata"]
    addresses = [a for a in status.get("addresses") or [] if a["type"] in {"InternalIP", "ExternalIP"}]
    ready = [c for c in status.get("conditions") or [] if c["type"] == "Ready"]
    return KubeNode(
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        internal_addresses=tuple(a["address"] for a in addresses if a["type"] == "InternalIP"),
        addresses=tuple(a["address"] for a in addresses),
        is_ready=any(c["status"] == "True" for c in ready),
        is_tainted=bool((value.get("spec") or {}).get("taints")),
        is_cordoned=bool((value.get("spec") or {}).get("unschedulable")),
        is_draining=DRAIN_ANNOTATION in (metadata.get("annotations") or {}),
        pod_networks=tuple((value.get("spec") or {}).get("podCIDRs") or ()),
    )


def _elder(node: KubeNode, elders: Iterable[Elder]) -> str | None:
    from_selector = (e.name for e in elders if e.selector and all(r.holds(node.labels) for r in e.selector))
    return next(from_selector, None)


def _with_address(spec: ClusterSpec, nodes: Iterable[KubeNode]) -> tuple[list[KubeNode], list[str]]:
    placed, outside = [], []
    for node in nodes:
        if bus_address(spec, node):
            placed.append(node)
        elif spec.bus.network:
            outside.append(f"{node.name} has no InternalIP in {spec.bus.network} (spec.bus.networkCIDR)")
        else:
            outside.append(f"{node.name} has no InternalIP")
    return placed, outside


def bus_address(spec: ClusterSpec, node: KubeNode) -> str | None:
    """The node's own address on the bus, None when it has no fitting one."""
    addresses = [ip_address(text) for text in node.internal_addresses]
    network = spec.bus.network
    return next((str(address) for address in addresses if network is None or address in network), None)


def _trouble(node: KubeNode, others: Iterable[KubeNode]) -> str | None:
    """Names on the bus end at the first dot (cluster identity), so two Kubernetes names can become one."""
    short = node_name(node.name)
    if len(short) > 63:
        return f"{node.name}: the name on the bus may have 63 characters at most"
    twin = next((o.name for o in others if o.name < node.name and node_name(o.name) == short), None)
    return f"{node.name} and {twin} are both {short} on the bus" if twin else None
