"""The arbiter of a cluster of two: a third voice on the bus, without mail and addresses, on a node that is not theirs.

Two nodes that lose sight of each other cannot tell who is cut off. With a third vote the side that still sees the
arbiter goes on, and the death of either node never stops the other.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from momentum_operator.ring import RingMember
from momentum_operator.roster import KubeNode, bus_address
from momentum_operator.spec import ClusterSpec, Requirement

MEMBERS = 2
"""How many nodes need one: with three and more a majority can be without it."""


def bus_name(kubernetes_name: str) -> str:
    """What it is called on the bus; nodes' names have no dot, so it is nobody's."""
    return f"{kubernetes_name.split('.', 1)[0]}.arbiter"


def choose(
    spec: ClusterSpec,
    nodes: Iterable[KubeNode],
    members: tuple[RingMember, ...],
    others: Iterable[tuple[Requirement, ...]],
    current: str | None,
) -> KubeNode | None:
    """The node that carries it, or None. `others` are the selectors of other clusters; `current` stays if it can.

    A ready node before one that is not, then one without taints before one with. A node that other clusters mean has
    its port of the bus in use.
    """
    if spec.bus.arbiter == "None" or spec.bus.partition_policy == "AllSides" or len(members) != MEMBERS:
        return None
    selectors = [spec.selector, *(selector for selector in others if selector)]
    taken = {member.kubernetes_name for member in members}
    family = ip_address(members[0].address).version
    fitting = [node for node in nodes if node.name not in taken and not _is_meant(node, selectors)]
    able = [node for node in fitting if (text := bus_address(spec, node)) and ip_address(text).version == family]
    return min(able, key=lambda n: (not n.is_ready, n.name != current, n.is_tainted, n.name), default=None)


def _is_meant(node: KubeNode, selectors: Iterable[tuple[Requirement, ...]]) -> bool:
    return any(all(requirement.holds(node.labels) for requirement in selector) for selector in selectors)
