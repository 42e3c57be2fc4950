"""The shared ARP table (cluster §2.12): which neighbours any member has, so that a new owner can tell them all. Pure.

    ARP    [ 1, "ARP", incarnation, 0, "", [ [address 4, hardware address 6, age in seconds] … ] ]      msgpack, on m
    ND     [ 1, "ND", incarnation, 0, "", [ [address 16, hardware address 6, age, {network 16, length}] … ] ]

ND is of its own because members of an older version read no IPv6 in ARP. An address that is valid on one link only
names the Topology network of that link.

Each member multicasts its kernel's entries at every view and each minute; all merge them, the youngest wins, and what
nobody has seen for `LIFETIME_S` is dropped. A broadcast reaches everybody, where the network lets it through; a reply
directed at a host reaches also those that only ever talked to the owner before. It decides nothing about addresses, so
it passes the machine by.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, NamedTuple, TypeAlias

import msgpack

from momentum_node.config.model import Address
from momentum_node.duravip.catalogue import MessageError
from momentum_node.duravip.fields import exactly, items, number, octets
from momentum_node.duravip.messages import VERSION

LIFETIME_S: Final = 180.0
EVERY_S: Final = 60.0
MOST: Final = 2000
"""IPv4 entries in a message, the youngest: 16 bytes each."""
MOST_IPV6: Final = 1000  # 48 bytes each
MOST_KNOWN: Final = 20_000
RATE: Final = 400.0
"""Directed replies a second; broadcasts have a bucket of their own, and 500 together are allowed."""
MOST_TOLD: Final = 1000
"""Neighbours that are told of one address: at that rate in 2.5 s. Beyond, the broadcast has to do."""
TELLING_S: Final = 10.0
"""As long as the broadcasts of an address go on; thousands of addresses that come at once are told to few."""


Network: TypeAlias = IPv4Network | IPv6Network

QUIET_ROUNDS_S: Final = (0.0, 1.0, 2.0, 10.0)
"""When each is told where nothing is broadcast (`arp_all_hosts = false`): as often as a broadcast would go out."""


class Neighbour(NamedTuple):
    """A host on the wire, and when (by the clock of who keeps it) it was last known to be there.

    `link`: the network on whose link an address that is valid on one link only (fe80::/10) is.
    """

    address: Address
    mac: bytes
    seen: float
    link: IPv6Network | None = None


def encode(neighbours: Iterable[Neighbour], incarnation: int, now: float) -> list[bytes]:
    """The messages with the youngest of them: one for IPv4, one for IPv6 where there is any."""
    young = sorted(neighbours, key=lambda one: -one.seen)
    four = [one for one in young if one.address.version == 4][:MOST]
    six = [one for one in young if one.address.version == 6][:MOST_IPV6]
    messages = [_message("ARP", four, incarnation, now)]
    return [*messages, _message("ND", six, incarnation, now)] if six else messages


def _message(kind: str, neighbours: Iterable[Neighbour], incarnation: int, now: float) -> bytes:
    return bytes(msgpack.packb([VERSION, kind, incarnation, 0, "", [_row(one, now) for one in neighbours]]))


def _row(one: Neighbour, now: float) -> list[object]:
    row: list[object] = [one.address.packed, one.mac, max(0, int(now - one.seen))]
    return row if one.link is None else [*row, one.link.network_address.packed, one.link.prefixlen]


_HEADS: Final = tuple(_message(kind, (), 0, 0.0)[: 3 + len(kind)] for kind in ("ARP", "ND"))
"""Array of 6, version, the kind."""


def is_neighbours(data: bytes) -> bool:
    """Whether a message of the group is one of ours, by its head."""
    return data.startswith(_HEADS)


def decode(data: bytes, now: float) -> list[Neighbour]:
    """Its entries. Raises `MessageError`."""
    try:
        rows = items(items(msgpack.unpackb(data), 6)[5], 0)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise MessageError(f"not an ARP message: {error}") from error
    size = 4 if data.startswith(_HEADS[0]) else 16
    return [_neighbour(items(row, 3), size, now) for row in rows[:MOST]]


def _neighbour(row: list[object], size: int, now: float) -> Neighbour:
    address = ip_address(exactly(row[0], size))
    link = _link(row) if size == 16 and len(row) > 4 else None
    return Neighbour(address, exactly(octets(row[1]), 6), now - number(row[2]), link)


def _link(row: list[object]) -> IPv6Network:
    try:
        return IPv6Network((exactly(row[3], 16), number(row[4])))
    except ValueError as error:
        raise MessageError(f"not a network: {error}") from error


_Key: TypeAlias = tuple[int, int, str]


def _key(one: Neighbour) -> _Key:
    """IPv4 first, by address; one that is valid on a link only, once for each link."""
    return one.address.version, int(one.address), str(one.link or "")


class SharedArp:
    """What all members know together, as this one heard it."""

    def __init__(self) -> None:
        self._known: dict[_Key, Neighbour] = {}

    def merge(self, neighbours: Iterable[Neighbour], now: float) -> None:
        """The youngest entry of an address counts."""
        for one in neighbours:
            known = self._known.get(_key(one))
            if now - one.seen < LIFETIME_S and (known is None or known.seen < one.seen):
                self._known[_key(one)] = one
        self._forget(now)

    def known(self, now: float) -> list[Neighbour]:
        """By address."""
        self._forget(now)
        return [self._known[key] for key in sorted(self._known)]

    def _forget(self, now: float) -> None:
        self._known = {key: one for key, one in self._known.items() if now - one.seen < LIFETIME_S}
        if len(self._known) > MOST_KNOWN:
            young = sorted(self._known.values(), key=lambda one: -one.seen)[:MOST_KNOWN]
            self._known = {_key(one): one for one in young}


def shown(neighbours: Iterable[Neighbour], now: float) -> Iterator[str]:
    """The lines of `cluster arp show` (cluster §4.2); an address that is longer than its column keeps one blank."""
    for one in neighbours:
        yield f"{f'{one.address!s:<16} ':<17}[{one.mac.hex(':')}]  {now - one.seen:.0f}s"


def audience(
    neighbours: Iterable[Neighbour],
    network: Network,
    apart: Collection[Address],
    gateways: Collection[Address] = frozenset(),
) -> tuple[Neighbour, ...]:
    """Who is told of an address of `network`: those on it, gateways first, then the youngest; no addresses that move
    (`apart`), and each host once."""
    there = [one for one in neighbours if one.address not in apart and _is_on(one, network)]
    there.sort(key=lambda one: (one.address not in gateways, -one.seen))
    return _once(there)


def _is_on(one: Neighbour, network: Network) -> bool:
    return one.link == network if one.link is not None else one.address in network


def _once(neighbours: Iterable[Neighbour]) -> tuple[Neighbour, ...]:
    """The first of each hardware address: an announcement is for a host, however many addresses it has."""
    first: dict[bytes, Neighbour] = {}
    for one in neighbours:
        first.setdefault(one.mac, one)
    return tuple(first.values())[:MOST_TOLD]


@dataclass(slots=True, eq=False)
class _Round:
    audience: tuple[Neighbour, ...]
    due: float
    until: float
    later: tuple[float, ...] = ()  # when to begin again
    told: int = 0


class Telling:
    """Which neighbour to tell of which address next: one of each address in turn, at a bounded rate."""

    def __init__(self) -> None:
        self._rounds: dict[Address, _Round] = {}  # under way; the first is next
        self._later: dict[Address, _Round] = {}
        self._agenda: list[tuple[float, int, Address, _Round]] = []  # of the later ones, and of some that were stopped
        self._begun = 0
        self._tokens = 0.0
        self._filled: float | None = None

    def begin(
        self, vip: Address, audience: tuple[Neighbour, ...], now: float, rounds_s: tuple[float, ...] = (0.0,)
    ) -> None:
        """`vip` is here: tell these in each of the rounds, `TELLING_S` each at most. Many may share one audience."""
        if audience:
            self.stop(vip)
            self._plan(vip, audience, tuple(now + pause for pause in rounds_s))
            self._begin_due(now)

    def stop(self, vip: Address) -> None:
        """It is not here any more: nobody is told (failover R8)."""
        self._rounds.pop(vip, None)
        self._later.pop(vip, None)

    def due(self, now: float) -> list[tuple[Address, Neighbour]]:
        """(address, whom to tell of it) now."""
        elapsed = 0.0 if self._filled is None else now - self._filled
        self._tokens = min(RATE / 10, self._tokens + elapsed * RATE)
        self._filled = now
        self._begin_due(now)
        chosen = []
        while self._tokens >= 1 and self._rounds:
            vip = next(iter(self._rounds))
            turn = self._rounds.pop(vip)
            if now < turn.until:
                chosen.append((vip, turn.audience[turn.told]))
                turn.told += 1
                self._tokens -= 1
            if now < turn.until and turn.told < len(turn.audience):
                self._rounds[vip] = turn  # behind the others
            elif turn.later:
                self._plan(vip, turn.audience, turn.later)
        return chosen

    def _plan(self, vip: Address, audience: tuple[Neighbour, ...], moments: tuple[float, ...]) -> None:
        first, *later = moments
        self._begun += 1
        self._later[vip] = turn = _Round(audience, first, first + TELLING_S, tuple(later))
        heapq.heappush(self._agenda, (first, self._begun, vip, turn))

    def _begin_due(self, now: float) -> None:
        while self._agenda and self._agenda[0][0] <= now:
            _, _, vip, turn = heapq.heappop(self._agenda)
            if self._later.get(vip) is turn:
                self._rounds[vip] = self._later.pop(vip)

    def next_due(self) -> float | None:
        """When `due` has something to say, at the soonest; None = nobody waits."""
        if self._rounds:
            return next(iter(self._rounds.values())).due
        return self._agenda[0][0] if self._agenda else None
