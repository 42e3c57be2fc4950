"""Whether the ring works, from this node's own view: do our words come back, does it form again and again. Pure."""

from collections import deque

from momentum_node.bus.resolver import Row
from momentum_node.bus.ring import RingStatus

WINDOW_S = 5.0
TOO_OFTEN = 3
"""Rings formed within `WINDOW_S`: more is no ring (failover §4.3)."""
STALL_S = 1.0
UNANSWERED_S = 4.0
"""A daemon that forms rings all the time answers late; one that is gone for so long is away."""
SETTLE_S = 5.0
"""A daemon that runs for less has links that are not up yet, and forms rings on its own first."""


class Symptoms:
    """Of one daemon. Times are seconds on one monotonic clock."""

    def __init__(self, resolver_s: float) -> None:
        self._resolver_s = resolver_s
        self._status: RingStatus | None = None
        self._answered = 0.0
        self._up_since: float | None = None
        self._came_back = 0.0
        self._ticked: float | None = None
        self._formed: deque[tuple[float, int]] = deque()

    def came_back(self, now: float) -> None:
        """Something of ours was delivered to ourselves."""
        self._came_back = now

    def tick(self, now: float) -> None:
        """To be called several times a second. A process that itself stood still blames nobody."""
        if self._ticked is not None and now - self._ticked > STALL_S:
            self._came_back = now
        self._ticked = now

    def read(self, status: RingStatus | None, now: float) -> None:
        """The daemon's own words, or None: it does not answer."""
        if status is None:
            if now - self._answered >= UNANSWERED_S:
                self._status = self._up_since = None
                self._formed.clear()
            return
        self._status, self._answered = status, now
        if self._up_since is None or (self._formed and status.formed < self._formed[-1][1]):  # another daemon
            self._up_since = self._came_back = now
            self._formed.clear()
        self._formed.append((now, status.formed))
        while self._formed[0][0] < now - WINDOW_S:
            self._formed.popleft()

    def silence(self, now: float) -> float:
        """Seconds since something of ours came back; 0 while the daemon does not answer at all."""
        return now - self._came_back if self._up_since is not None else 0.0

    def is_away(self, now: float) -> bool:
        """The daemon does not answer, or only since a moment ago."""
        return self._up_since is None or now - self._up_since < SETTLE_S

    def row(self, node_id: int, now: float) -> Row:
        """What to tell the others."""
        status = self._status
        reforms = self._formed[-1][1] - self._formed[0][1] > TOO_OFTEN if self._formed else False
        away = self.is_away(now)
        return Row(
            node_id,
            lacks=status.unreachable() if status is not None else frozenset(),
            is_stuck=not away and (reforms or self.silence(now) > self._resolver_s),
            is_away=away,
        )
