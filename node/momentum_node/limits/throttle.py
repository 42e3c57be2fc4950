"""At most N events in any S seconds. Pure: `now` is passed in, seconds of a clock that never goes back.

A sliding log of the last N times. Above `EXACT` events times are rounded up to a 256th of the window, so that the log
stays short: such a throttle may be a little slower than allowed, never faster.
"""

from collections import deque
from typing import Final

EXACT: Final = 10_000
SHARE: Final = 0.95
"""How much of the remaining cluster quota one node may take between two exchanges (shared named throttles)."""
EXCHANGE_S: Final = 1.0
"""After so long without news the other nodes have said all that there is to say (replication: max_delay)."""
USE_S: Final = 0.05
"""A token is used within this time, so the log keeps each event so much longer than the window."""


class Throttle:
    """One counter; `number` and `window_s` may change while it runs."""

    def __init__(self, number: int, window_s: float) -> None:
        self.number = number
        self.window_s = window_s
        self._log: deque[list[float]] = deque()  # [time, events], oldest first
        self._used = 0
        self._elsewhere: int | None = None
        self._allowance = 0
        self._exchanged_at = 0.0

    def exchanged(self, elsewhere: int | None, now: float) -> None:
        """What the other nodes have used of the current window, as last replicated; None: this node alone.

        A change is an exchange; so is a second without one. Between two of them a node takes its share once.
        """
        if elsewhere is None:
            self._elsewhere = None
            return
        if elsewhere != self._elsewhere or now - self._exchanged_at >= EXCHANGE_S:
            left = self.number - self.used(now) - elsewhere
            self._allowance = max(1, int(left * SHARE)) if left > 0 else 0
            self._exchanged_at = now
        self._elsewhere = elsewhere

    def used(self, now: float) -> int:
        """Events of this node in the current window."""
        horizon = now - self.window_s - USE_S
        while self._log and self._log[0][0] <= horizon:
            self._used -= int(self._log.popleft()[1])
        return self._used

    def wait_s(self, now: float) -> float:
        """0 when an event may happen now, else after how long to look again."""
        elsewhere = self._elsewhere or 0
        used = self.used(now)
        if used + elsewhere < self.number and (self._elsewhere is None or self._allowance > 0):
            return 0.0
        if used == 0 or self._elsewhere is not None:
            return min(EXCHANGE_S, self.window_s)  # only the next exchange, or the other nodes' windows, make room
        return self._log[0][0] + self.window_s + USE_S - now

    def take(self, now: float) -> None:
        """An event happens; only when `wait_s` is 0."""
        at = now if self.number <= EXACT else self._rounded(now)
        if self._log and self._log[-1][0] == at:
            self._log[-1][1] += 1
        else:
            self._log.append([at, 1])
        self._used += 1
        if self._elsewhere is not None:
            self._allowance -= 1

    def give_back(self) -> None:
        """The last event did not happen after all."""
        if self._log:
            self._used -= 1
            self._log[-1][1] -= 1
            if self._log[-1][1] == 0:
                self._log.pop()
            if self._elsewhere is not None:
                self._allowance += 1

    def _rounded(self, now: float) -> float:
        step = self.window_s / 256
        return (now // step + 1) * step
