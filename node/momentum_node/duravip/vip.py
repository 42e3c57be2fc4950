"""The words the DuraVIP core and its driver share: what an address is, what to do with it, and where it is.

configuration ── definitions() ──▶ core ── effects ──▶ driver
                                    ▲ on_plumbed, on_unplumbed, on_plumb_failed … │
                                    └─────────────────────────────────────────────┘
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from momentum_node.config.model import Address, Vip


@dataclass(frozen=True, slots=True)
class Definition:
    """One address as this node's configuration declares it.

    `claim`: this node is the one its preference names. `preference` and `has_topology` stay on this node: the first
    only explains placements, the second tells whether there is an interface to plumb it on.
    """

    address: Address
    services: frozenset[str]
    bindings: tuple[str, ...]
    claim: bool
    preference: str | None = None
    has_topology: bool = True


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this member is: names for people and elections, and a random 64-bit number for this one membership.

    Each machine needs an incarnation of its own, also the one that the same process makes after a lost bus: messages
    are numbered from 1 again, and what an earlier machine said must not be taken for its word.
    """

    node_name: str
    node_addr: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about ownership. Times are seconds.

    `node_ids` are the bus node ids of the node list, an arbiter included; empty = no list, `cluster_size` counts.
    """

    partition: Literal["both", "quorum"] = "both"
    node_ids: frozenset[int] = frozenset()
    view_mature_time_s: float = 5.0
    failback_delay_s: float = 60.0
    cluster_size: int | None = None
    release_grace_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one address is, by the agreed table, and why. `held` = it may be on a NIC of this node."""

    address: Address
    owner: str | None
    reason: str
    held: bool
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plumb:
    """Put `vip` on its interface: probe (not when `planned`), ask `is_granted`, add, announce, serve.

    Answer with `on_plumbed` or `on_plumb_failed`. May come again after a view change for an address on which work
    is under way or done; the answer is due each time. `planned`: its last holder removed it in this view.
    """

    vip: Address
    planned: bool


@dataclass(frozen=True, slots=True)
class Unplumb:
    """Give `vip` up; open sessions get at most `grace_s`. Cancels a `Plumb` that is under way.

    Always answered by `on_unplumbed`, after the kernel confirmed that it is not there, also when it never was (S8).
    """

    vip: Address
    grace_s: float


@dataclass(frozen=True, slots=True)
class Multicast:
    """Send `data` to the group. Order matters; nothing may be dropped while the bus lives."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the neighbours again where `vips` are: membership changed, or another holder has let go (R7, R8)."""

    vips: tuple[Address, ...]


Effect: TypeAlias = Plumb | Unplumb | Multicast | Announce


def definitions(vips: Sequence[Vip], nodename: str) -> tuple[Definition, ...]:
    """What `nodename` tells the group about its addresses, sorted by address, IPv4 first."""
    name = short_name(nodename)
    return tuple(
        Definition(
            address=vip.address,
            services=vip.services,
            bindings=vip.bindings,
            claim=vip.preference is not None and short_name(vip.preference) == name,
            preference=vip.preference,
            has_topology=vip.topology is not None,
        )
        for vip in sorted(vips, key=lambda vip: address_order(vip.address))
    )


def short_name(name: str) -> str:
    """A node name as it is compared: up to the first dot, lower case (cluster §1.1, §2.1)."""
    return name.split(".", 1)[0].lower()


def address_order(address: Address) -> tuple[int, int]:
    """The order of elections: IPv4 before IPv6, then numeric."""
    return address.version, int(address)
