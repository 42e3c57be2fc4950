"""How long the loop of a process keeps things waiting: looked at twenty times a second, and counted by length.

A timer that is due while the loop is busy fires late, by what is left of that: as late as anything that came then.
"""

import asyncio
import math
from bisect import bisect_left
from typing import Final

from momentum_node import clock

EVERY_S: Final = 0.05
BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, math.inf)
"""`counts` has one number for each: of delays up to that, and longer than the one before it."""


class LoopLag:
    """Of the running loop, since `watch`."""

    def __init__(self) -> None:
        self.counts = [0] * len(BOUNDS_S)
        self.sum_s = 0.0
        self._most_s = 0.0
        self._due = 0.0

    def watch(self) -> None:
        """From now on, as long as the loop runs."""
        self._due = clock.monotonic() + EVERY_S
        asyncio.get_running_loop().call_later(EVERY_S, self._look)

    def take_most_s(self) -> float:
        """The longest delay since this was asked last."""
        most_s, self._most_s = self._most_s, 0.0
        return most_s

    def _look(self) -> None:
        self.heed(max(0.0, clock.monotonic() - self._due))
        self.watch()

    def heed(self, delay_s: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS_S, delay_s)] += 1
        self.sum_s += delay_s
        self._most_s = max(self._most_s, delay_s)
