"""The shared ARP table (cluster §2.12): which neighbours any member has, so that a new owner can tell them all. Pure.

    ARP    [ 1, "ARP", incarnation, 0, "", [ [address 4, hardware address 6, age in seconds] … ] ]      msgpack, on m

Each member multicasts its kernel's entries at every view and each minute; all merge them, the youngest wins, and what
nobody has seen for `LIFETIME_S` is dropped. A broadcast reaches everybody, where the network lets it through; a reply
directed at a host reaches also those that only ever talked to the owner before. It decides nothing about addresses, so
it passes the machine by.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final, NamedTuple

import msgpack

from momentum_node.duravip.catalogue import MessageError
from momentum_node.duravip.fields import exactly, items, number, octets
from momentum_node.duravip.messages import VERSION

LIFETIME_S: Final = 180.0
EVERY_S: Final = 60.0
MOST: Final = 2000
"""Entries in a message, the youngest: 16 bytes each."""
MOST_KNOWN: Final = 20_000
RATE: Final = 400.0
"""Directed replies a second; broadcasts have a bucket of their own, and 500 together are allowed."""
MOST_TOLD: Final = 1000
"""Neighbours that are told of one address: at that rate in 2.5 s. Beyond, the broadcast has to do."""
TELLING_S: Final = 10.0
"""As long as the broadcasts of an address go on; thousands of addresses that come at once are told to few."""


class Neighbour(NamedTuple):
    """A host on the wire, and when (by the clock of who keeps it) it was last known to be there."""

    address: IPv4Address
    mac: bytes
    seen: float


def encode(neighbours: Iterable[Neighbour], incarnation: int, now: float) -> bytes:
    """The message with the youngest of them."""
    young = sorted(neighbours, key=lambda one: -one.seen)[:MOST]
    rows = [[one.address.packed, one.mac, max(0, int(now - one.seen))] for one in young]
    return bytes(msgpack.packb([VERSION, "ARP", incarnation, 0, "", rows]))


_HEAD: Final = encode((), 0, 0.0)[:6]  # array of 6, version, "ARP"


def is_arp(data: bytes) -> bool:
    """Whether a message of the group is one of ours, by its head."""
    return data.startswith(_HEAD)


def decode(data: bytes, now: float) -> list[Neighbour]:
    """Its entries. Raises `MessageError`."""
    try:
        rows = items(items(msgpack.unpackb(data), 6)[5], 0)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise MessageError(f"not an ARP message: {error}") from error
    return [_neighbour(items(row, 3), now) for row in rows[:MOST]]


def _neighbour(row: list[object], now: float) -> Neighbour:
    return Neighbour(IPv4Address(exactly(row[0], 4)), exactly(octets(row[1]), 6), now - number(row[2]))


class SharedArp:
    """What all members know together, as this one heard it."""

    def __init__(self) -> None:
        self._known: dict[IPv4Address, Neighbour] = {}

    def merge(self, neighbours: Iterable[Neighbour], now: float) -> None:
        """The youngest entry of an address counts."""
        for one in neighbours:
            known = self._known.get(one.address)
            if now - one.seen < LIFETIME_S and (known is None or known.seen < one.seen):
                self._known[one.address] = one
        self._forget(now)

    def known(self, now: float) -> list[Neighbour]:
        """By address."""
        self._forget(now)
        return [self._known[address] for address in sorted(self._known)]

    def _forget(self, now: float) -> None:
        self._known = {a: one for a, one in self._known.items() if now - one.seen < LIFETIME_S}
        if len(self._known) > MOST_KNOWN:
            young = sorted(self._known.values(), key=lambda one: -one.seen)[:MOST_KNOWN]
            self._known = {one.address: one for one in young}


def shown(neighbours: Iterable[Neighbour], now: float) -> Iterator[str]:
    """The lines of `cluster arp show` (cluster §4.2)."""
    for one in neighbours:
        yield f"{one.address!s:<17}[{one.mac.hex(':')}]  {now - one.seen:.0f}s"


def audience(
    neighbours: Iterable[Neighbour], network: IPv4Network, apart: Collection[IPv4Address]
) -> tuple[Neighbour, ...]:
    """Who is told of an address of `network`: the youngest that are in it and no addresses that move (`apart`)."""
    there = (one for one in neighbours if one.address in network and one.address not in apart)
    return tuple(sorted(there, key=lambda one: -one.seen)[:MOST_TOLD])


@dataclass(slots=True)
class _Round:
    audience: tuple[Neighbour, ...]
    until: float
    told: int = 0


class Telling:
    """Which neighbour to tell of which address next: one of each address in turn, at a bounded rate."""

    def __init__(self) -> None:
        self._rounds: dict[IPv4Address, _Round] = {}
        self._tokens = 0.0
        self._filled: float | None = None

    def begin(self, vip: IPv4Address, audience: tuple[Neighbour, ...], now: float) -> None:
        """`vip` is here: tell these, for `TELLING_S` at most. Many addresses may share one audience."""
        if audience:
            self._rounds[vip] = _Round(audience, now + TELLING_S)

    def stop(self, vip: IPv4Address) -> None:
        """It is not here any more: nobody is told (failover R8)."""
        self._rounds.pop(vip, None)

    def due(self, now: float) -> list[tuple[IPv4Address, Neighbour]]:
        """(address, whom to tell of it) now."""
        elapsed = 0.0 if self._filled is None else now - self._filled
        self._tokens = min(RATE / 10, self._tokens + elapsed * RATE)
        self._filled = now
        chosen = []
        while self._tokens >= 1 and self._rounds:
            vip = next(iter(self._rounds))
            turn = self._rounds.pop(vip)
            if now >= turn.until:
                continue
            chosen.append((vip, turn.audience[turn.told]))
            turn.told += 1
            self._tokens -= 1
            if turn.told < len(turn.audience):
                self._rounds[vip] = turn  # behind the others
        return chosen

    @property
    def is_over(self) -> bool:
        """Nobody waits."""
        return not self._rounds
