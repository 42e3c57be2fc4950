"""What Corosync says of its ring and its links, as values: from cmap keys (cmap_keys(8)) to `RingStatus`. Pure.

A link is judged by each of its ends alone: a one-way loss shows on one of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

RUNTIME_PREFIX = "runtime.members."
LINK_PREFIX = "stats.knet.node"
RING_PREFIX = "stats.srp."
PREFIXES = (LINK_PREFIX, RING_PREFIX)

_MEMBER = re.compile(r"runtime\.members\.(\d+)\.status")
_LINK = re.compile(r"stats\.knet\.node(\d+)\.link(\d+)\.(\w+)")


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """One knet link to another node. `times_down` counts the time before it first came up as well."""

    node_id: int
    number: int
    is_connected: bool
    times_down: int


@dataclass(frozen=True, slots=True)
class RingStatus:
    """`members` are node ids; `gathers` and `token_losses` count since the daemon started."""

    members: frozenset[int]
    links: tuple[Link, ...]
    gathers: int
    token_losses: int
    send_failed: bool
    """The daemon cannot send on its link (firewall, missing interface): totemsrp's own verdict."""
    formed: int = 0
    """How often it was on a ring that was new."""

    def unreachable(self) -> frozenset[int]:
        """Nodes without one connected link."""
        connected = {link.node_id for link in self.links if link.is_connected}
        return frozenset(link.node_id for link in self.links) - connected


def ring_status(values: Mapping[str, int | float | str], own_id: int) -> RingStatus:
    """The status in keys of both maps; the link of a node to itself is left out."""
    members = {
        int(found[1]) for key, value in values.items() if value == "joined" and (found := _MEMBER.fullmatch(key))
    }
    return RingStatus(
        members=frozenset(members),
        links=tuple(sorted(link for link in _links(values) if link.node_id != own_id)),
        gathers=_number(values, "stats.srp.gather_entered"),
        token_losses=_number(values, "stats.srp.operational_token_lost"),
        formed=_number(values, "stats.srp.operational_entered"),
        send_failed=bool(_number(values, "stats.srp.firewall_enabled_or_nic_failure")),
    )


def _links(values: Mapping[str, int | float | str]) -> list[Link]:
    places = {(int(found[1]), int(found[2])) for key in values if (found := _LINK.fullmatch(key))}
    return [_link(values, node_id, number) for node_id, number in places]


def _link(values: Mapping[str, int | float | str], node_id: int, number: int) -> Link:
    at = f"{LINK_PREFIX}{node_id}.link{number}."
    return Link(
        node_id=node_id,
        number=number,
        is_connected=bool(_number(values, at + "connected")),
        times_down=_number(values, at + "down_count"),
    )


def _number(values: Mapping[str, int | float | str], key: str) -> int:
    value = values.get(key, 0)
    return value if isinstance(value, int) else 0
