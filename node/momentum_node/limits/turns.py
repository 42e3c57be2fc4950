"""Whose turn it is: `Inbound_Throttle_Messages`, one counter for all mail workers of a node. Pure; `now` is passed in.

Who asks is told at once how long to wait: the slot is theirs, and whoever comes later gets a later one. A slot that
nobody uses in the end (the client went away) is lost, so a throttle may be slower than allowed, never faster.
"""

import math
from collections import deque
from typing import Final

OPTION: Final = "Inbound_Throttle_Messages"
MOST_WAIT_S: Final = 30.0
EXACT: Final = 10_000  # times that one counter remembers; above, one time stands for several slots


class Turns:
    """All counters of one node, by the scope in which the value stands."""

    def __init__(self) -> None:
        self.denials = 0
        self._slots: dict[str, _Slots] = {}

    def wait_s(self, counter: str, number: int, window_s: float, now: float) -> float | None:
        """Seconds until the slot that is the asker's now, of `number` in any `window_s`; None: it would be too long."""
        slots = self._slots.get(counter)
        if slots is None or (slots.number, slots.window_s) != (number, window_s):
            slots = self._slots[counter] = _Slots(number, window_s)
        at = slots.next(now)
        if at - now > MOST_WAIT_S:
            self.denials += 1
            return None
        slots.take(at)
        return at - now


class _Slots:
    """A log of the last slots given out."""

    def __init__(self, number: int, window_s: float) -> None:
        self.number = number
        self.window_s = window_s
        self._step = math.ceil(number / EXACT)
        self._log: deque[float] = deque(maxlen=number // self._step)
        self._in_last = self._step  # slots that the last entry stands for

    def next(self, now: float) -> float:
        """When the next slot is."""
        if self._in_last < self._step:
            return max(now, self._log[-1])
        return now if len(self._log) < (self._log.maxlen or 1) else max(now, self._log[0] + self.window_s)

    def take(self, at: float) -> None:
        """It is given out."""
        if self._in_last < self._step:
            self._in_last += 1
            self._log[-1] = at  # the latest of them: what follows is late rather than early
        else:
            self._in_last = 1
            self._log.append(at)
