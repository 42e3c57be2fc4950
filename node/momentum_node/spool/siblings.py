"""Idle connections that may serve another queue: mail of the same binding for another domain that has the host in
common (`Migrate_Connections_Between_Sibling_Domains`). It saves a connection, a greeting and a TLS handshake.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from momentum_node.smtp.outbound import Connection
from momentum_node.smtp.routes import Target
from momentum_node.spool.line import Hand, Line, Way

_Place: TypeAlias = tuple[str, str, int]  # binding, address, port


class Siblings:
    """The connections of one worker by where they go. `hands` is the delivery's own."""

    def __init__(self, hands: Mapping[Connection, Hand]) -> None:
        self.is_on = True
        self._hands = hands
        self._at: defaultdict[_Place, dict[Connection, None]] = defaultdict(dict)

    def opened(self, connection: Connection, line: Line) -> None:
        """It serves this queue now."""
        self._at[_place(line, connection.target)][connection] = None

    def closed(self, connection: Connection, line: Line) -> None:
        """It is gone, or serves another queue."""
        place = _place(line, connection.target)
        there = self._at.get(place, {})
        there.pop(connection, None)
        if not there:
            self._at.pop(place, None)

    def idle(self, line: Line, way: Way, targets: Sequence[Target]) -> Connection | None:
        """One that has nothing to do, goes to one of these, and was opened as one for this queue would be."""
        if not self.is_on or not _is_common(line, way):
            return None
        for target in targets:
            for connection in self._at.get(_place(line, target), ()):
                if self._fits(connection, line, way):
                    return connection
        return None

    def _fits(self, connection: Connection, line: Line, way: Way) -> bool:
        hand = self._hands[connection]
        if hand.line is line or connection not in hand.line.idle or connection.is_leaving:
            return False
        is_alike = (hand.way.source, hand.way.method, hand.way.demands) == (way.source, way.method, way.demands)
        return is_alike and hand.line.options.ehlo_hostname == line.options.ehlo_hostname


def _is_common(line: Line, way: Way) -> bool:
    """Nothing about a connection for this queue depends on its domain or its first message."""
    is_verified_by_name = way.demands is not None and way.demands.tls_options.verify == "host"
    return not is_verified_by_name and line.options.ehlo_hostname != "__message__"


def _place(line: Line, target: Target) -> _Place:
    return line.queue.key.binding, target.address, target.port
