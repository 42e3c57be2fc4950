"""Which ways out of this node are proven: a host that must answer on an interface does, or has been silent. Pure.

A link that is up says little: the switch behind it may be cut off, or the port be in another VLAN, while the bus goes
over another interface (failover R18). Who does not hear the host that stands for the network (a gateway) three times in
a row has no proof; it comes back after `steady_s` seconds of answers, as a link does (`carriers.py`).
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from momentum_node.config.model import Address

ASK_S: Final = 1.0
MISSES: Final = 3
"""Probes without an answer; each is three packets within 30 ms already."""


class Way(NamedTuple):
    """Over `interface` to the host `gateway`."""

    interface: str
    gateway: Address

    def __str__(self) -> str:
        """As reasons name it."""
        return f"{self.gateway} does not answer on {self.interface}"


class Gateways:
    """The ways of one node. One that was never asked is proven: a node that starts is not held back."""

    def __init__(self) -> None:
        self._misses: dict[Way, int] = {}
        self._silent: set[Way] = set()
        self._well_since: dict[Way, float] = {}

    def keep(self, ways: Collection[Way]) -> None:
        """Only these are asked from now on."""
        self._misses = {way: misses for way, misses in self._misses.items() if way in ways}
        self._well_since = {way: since for way, since in self._well_since.items() if way in ways}
        self._silent &= set(ways)

    def heard(self, way: Way, now: float, steady_s: float) -> None:
        """It answered."""
        self._misses.pop(way, None)
        if way in self._silent and now - self._well_since.setdefault(way, now) >= steady_s:
            self._silent.discard(way)
            del self._well_since[way]

    def missed(self, way: Way) -> None:
        """Nobody answered."""
        self._misses[way] = self._misses.get(way, 0) + 1
        self._well_since.pop(way, None)
        if self._misses[way] >= MISSES:
            self._silent.add(way)

    def unproven(self) -> frozenset[Way]:
        """Those without proof."""
        return frozenset(self._silent)
