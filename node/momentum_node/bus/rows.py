"""How nodes tell each other their rows while the ring does not carry anything: one authenticated datagram, both ways.

    datagram   msgpack [1, sender, incarnation, counter, echoes, rows] ‖ HMAC-SHA256 (32 bytes)
    echo       [node, its incarnation, its counter]       the newest datagram that came from there
    row        [node, its incarnation, its counter, age in ms, lacks, is_stuck, is_away]
               the sender's own, and those that it knows from others

The key is derived from the bus key: who may speak on the ring may speak here. A datagram counts only if it echoes one
that we sent within the last `FRESH` datagrams, so a recorded one is worth nothing, whatever any clock says; and so to
hear somebody means that he hears us. Rows pass from node to node, because the ends of a broken pair hear of each other
only that way. Their age passes along, and each is taken once: two nodes cannot keep the row of a dead one young. Pure.
"""

import hmac
from dataclasses import dataclass
from typing import Any

import msgpack

from momentum_node.bus.resolver import Row

VERSION = 1
MAC_BYTES = 32
FRESH = 6
FRESH_S = 1.5
MAX_BYTES = 16_384


def derived_key(bus_key: bytes, cluster: str) -> bytes:
    """The key of the datagrams of one cluster."""
    return hmac.digest(bus_key, b"momentum rows\0" + cluster.encode(), "sha256")


@dataclass(frozen=True, slots=True)
class _Known:
    row: Row
    incarnation: int
    counter: int
    at: float

    def is_newer_than(self, other: "_Known | None") -> bool:
        if other is None:
            return True
        if self.incarnation == other.incarnation:
            return self.counter > other.counter
        return self.at > other.at


class Rows:
    """What this node knows of the others. `incarnation`: random, another one for each process."""

    def __init__(self, own_id: int, listed: frozenset[int], incarnation: int, key: bytes) -> None:
        self._own_id = own_id
        self._others = listed - {own_id}
        self._incarnation = incarnation
        self._key = key
        self._counter = 0
        self._latest: dict[int, tuple[int, int, float]] = {}  # incarnation, counter, when: of what came last
        self._heard: dict[int, float] = {}
        self._rows: dict[int, _Known] = {}
        self.refused = 0

    def datagram(self, own: Row, now: float) -> bytes:
        """The next one, the same for everybody."""
        self._counter += 1
        self._rows[self._own_id] = _Known(own, self._incarnation, self._counter, now)
        echoes = [[node, incarnation, counter] for node, (incarnation, counter, _) in sorted(self._latest.items())]
        rows = [_packed(known, now) for known in self._fresh(now)]
        body = msgpack.packb([VERSION, self._own_id, self._incarnation, self._counter, echoes, rows])
        return bytes(body) + hmac.digest(self._key, body, "sha256")

    def take(self, data: bytes, now: float) -> None:
        """One that came, from whoever. What is not of this cluster, or wrong in any way, is counted and ignored."""
        try:
            self._take(data, now)
        except (ValueError, TypeError, KeyError, msgpack.UnpackException):
            self.refused += 1

    def rows(self, now: float) -> dict[int, Row]:
        """The fresh rows, our own among them once it was sent."""
        return {known.row.node_id: known.row for known in self._fresh(now)}

    def hears(self, now: float) -> frozenset[int]:
        """Nodes whose datagrams come here, and ours there."""
        return frozenset(node for node, at in self._heard.items() if now - at <= FRESH_S)

    def _fresh(self, now: float) -> list[_Known]:
        return [known for _, known in sorted(self._rows.items()) if now - known.at <= FRESH_S]

    def _take(self, data: bytes, now: float) -> None:
        body, mac = data[:-MAC_BYTES], data[-MAC_BYTES:]
        if len(data) > MAX_BYTES or not hmac.compare_digest(mac, hmac.digest(self._key, body, "sha256")):
            raise ValueError("not of this cluster")
        version, sender, incarnation, counter, echoes, rows = msgpack.unpackb(body)
        if version != VERSION or sender not in self._others:
            raise ValueError("not for us")
        self._note(sender, incarnation, counter, now, is_fresh=self._echoes_us(echoes))
        if self._heard.get(sender) != now:
            return
        for known in [_unpacked(row, now) for row in rows]:
            node = known.row.node_id
            if node in self._others and known.is_newer_than(self._rows.get(node)):
                self._rows[node] = known

    def _echoes_us(self, echoes: list[list[int]]) -> bool:
        return any(
            node == self._own_id and incarnation == self._incarnation and self._counter - counter < FRESH
            for node, incarnation, counter in echoes
        )

    def _note(self, sender: int, incarnation: int, counter: int, now: float, *, is_fresh: bool) -> None:
        """Remember what to echo. A recording must not displace somebody who is heard."""
        latest = self._latest.get(sender)
        if latest is not None and latest[0] == incarnation and counter <= latest[1]:
            raise ValueError("said before")
        if latest is not None and latest[0] != incarnation and not is_fresh and now - latest[2] <= FRESH_S:
            raise ValueError("somebody else is heard")
        self._latest[sender] = incarnation, counter, now
        if is_fresh:
            self._heard[sender] = now


def _packed(known: _Known, now: float) -> list[Any]:
    row, age_ms = known.row, max(0, round(1000 * (now - known.at)))
    return [row.node_id, known.incarnation, known.counter, age_ms, sorted(row.lacks), row.is_stuck, row.is_away]


def _unpacked(packed: list[Any], now: float) -> _Known:
    node, incarnation, counter, age_ms, lacks, is_stuck, is_away = packed
    row = Row(int(node), frozenset(map(int, lacks)), bool(is_stuck), bool(is_away))
    return _Known(row, int(incarnation), int(counter), now - max(0, int(age_ms)) / 1000)
