"""The words the DuraVIP core and its driver share: what an address is, what to do with it, and where it is.

configuration ── definitions() ──▶ core ── effects ──▶ driver
                                    ▲ on_plumbed, on_unplumbed, on_plumb_failed … │
                                    └─────────────────────────────────────────────┘
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address, Cluster, Vip

BEACON_S = 0.1  # failover §4.2


@dataclass(frozen=True, slots=True)
class Definition:
    """One address as this node's configuration declares it.

    `claim`: its preference names this node, at place `rank` (0 = the first choice). `follow` is the address whose
    owner should have this one too; addresses of one `apart` group should be on different nodes. `preference`,
    `has_topology` and `may_serve` stay on this node: the first only explains placements, the others tell whether there
    is an interface to plumb it on, and whether the configuration lets this node have it.
    """

    address: Address
    services: frozenset[str]
    bindings: tuple[str, ...]
    claim: bool
    preference: str | None = None
    has_topology: bool = True
    rank: int = 0
    follow: Address | None = None
    apart: str = ""
    may_serve: bool = True


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this member is: names for people and elections, and a random 64-bit number for this one membership.

    Each machine needs an incarnation of its own, also the one that the same process makes after a lost bus: messages
    are numbered from 1 again, and what an earlier machine said must not be taken for its word. `macs` are the hardware
    addresses of the interfaces on which it plumbs, six bytes each.
    """

    node_name: str
    node_addr: str
    incarnation: int
    macs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about ownership. Times are seconds.

    `node_ids` are the bus node ids of the node list, an arbiter included; empty = no list, `cluster_size` counts.
    0 switches balancing, heartbeats, beacons or `self_drop_s` (the age of our own last delivered message at which
    everything is given up) off.
    """

    partition: Literal["both", "quorum"] = "both"
    node_ids: frozenset[int] = frozenset()
    view_mature_time_s: float = 5.0
    failback_delay_s: float = 60.0
    cluster_size: int | None = None
    release_grace_s: float = 5.0
    balance_interval_s: float = 10.0
    balance_set_size: int = 1
    heartbeat_start_delay_s: float = 15.0
    heartbeats_per_sec: float = 0.0
    beacon_s: float = 0.0
    self_drop_s: float = 0.0
    weight: int = 1  # how many addresses this node takes, beside the weights of others


class Placement(NamedTuple):
    """Where one address is, by the agreed table, and why. `held` = it may be on a NIC of this node.

    `tags` are the further words of `duravip show` (cluster §4.2): BROKEN, UNSAFE, conflict, pinned, moving, follows …
    """

    address: Address
    owner: str | None
    why: str
    held: bool
    holders: tuple[str, ...]
    tags: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """A sentence: who owns it, and why."""
        return f"{self.owner or 'nobody'} owns {self.address}: {self.why}"


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
    """Tell the neighbours again where `vips` are: membership changed, or another holder has let go (R7, R8).

    `is_known`: they were told before, and nothing makes them doubt it: what is new goes first.
    """

    vips: tuple[Address, ...]
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class Witness:
    """Ask the wire for `vips`, which another member is about to plumb; answer each by `on_witnessed`.

    What cannot be asked here (no such link, or it is down) is not answered.
    """

    vips: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Contest:
    """`witness` hears that the host `mac` answers for `vip`, which we are to plumb: as if we had heard it ourselves.

    `mac` empty: it hears nobody any more. Nothing follows for an address that is plumbed already.
    """

    vip: Address
    witness: Member
    mac: bytes


@dataclass(frozen=True, slots=True)
class Isolate:
    """Give everything up at once and join anew with an empty machine: others count us as gone, or we cannot tell."""

    reason: str


Effect: TypeAlias = Plumb | Unplumb | Multicast | Announce | Witness | Contest | Isolate


def policy_of(cluster: Cluster, node_ids: frozenset[int], nodename: str) -> Policy:
    """The cluster scope of the configuration, the bus node ids of the node list, and what is said of `nodename`."""
    return Policy(
        partition=cluster.partition_policy,
        node_ids=node_ids,
        view_mature_time_s=cluster.view_mature_time_s,
        failback_delay_s=cluster.duravip_failback_delay_s,
        cluster_size=cluster.cluster_size,
        release_grace_s=cluster.duravip_release_grace_s,
        balance_interval_s=cluster.view_balance_interval_s,
        balance_set_size=cluster.duravip_balance_set_size,
        heartbeat_start_delay_s=cluster.heartbeat_start_delay_s,
        heartbeats_per_sec=cluster.heartbeats_per_sec,
        beacon_s=BEACON_S,
        self_drop_s=cluster.duravip_self_drop_s,
        weight=next((weight for name, weight in cluster.weights if short_name(name) == short_name(nodename)), 1),
    )


def definitions(vips: Sequence[Vip], nodename: str) -> tuple[Definition, ...]:
    """What `nodename` tells the group about its addresses, sorted by address, IPv4 first."""
    name = short_name(nodename)
    return tuple(_definition(vip, name) for vip in sorted(vips, key=lambda vip: address_order(vip.address)))


def _definition(vip: Vip, name: str) -> Definition:
    wanted = names_in(vip.preference or "")
    allowed = names_in(vip.candidates or "")
    return Definition(
        address=vip.address,
        services=vip.services,
        bindings=vip.bindings,
        claim=name in wanted,
        preference=vip.preference,
        has_topology=vip.topology is not None,
        rank=wanted.index(name) if name in wanted else 0,
        follow=vip.follow,
        apart=vip.apart or "",
        may_serve=not allowed or name in allowed,
    )


def names_in(text: str) -> tuple[str, ...]:
    """The node names in an option such as Duravip_Preference, in order, as they are compared."""
    return tuple(dict.fromkeys(short_name(word) for word in text.replace(",", " ").split()))


def short_name(name: str) -> str:
    """A node name as it is compared: up to the first dot, lower case (cluster §1.1, §2.1)."""
    return name.split(".", 1)[0].lower()


def address_order(address: Address) -> tuple[int, int]:
    """The order of elections: IPv4 before IPv6, then numeric."""
    return address.version, int(address)
