"""Does something after changes, however many come: work that looks at every address is not to be done for each.

The pause comes first: what looks at thousands of addresses must not stand between a lost node and their new places.
"""

import asyncio
from collections.abc import Callable

from momentum_node.clock import monotonic

SHARE = 10
"""Before each time so many times as long is left for other work as the one before took, or as this one will."""
EACH_S = 30e-6
"""For an address about which there is something new: what did not change costs less, so the time before says little."""


class Pace:
    """`work` is done `burst_s` after the first change, or later where it takes long: within two seconds.

    `size`: how many addresses it looks at.
    """

    LONGEST_S = 2.0

    def __init__(self, work: Callable[[], None], burst_s: float, size: Callable[[], int] = lambda: 0) -> None:
        self._work = work
        self._burst_s = burst_s
        self._size = size
        self._took_s = 0.0
        self._due: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """Something is to be looked at."""
        if self._due is None:
            takes_s = max(self._took_s, EACH_S * self._size())
            pause_s = max(self._burst_s, min(self.LONGEST_S, SHARE * takes_s))
            self._due = asyncio.get_running_loop().call_later(pause_s, self.now)

    def now(self) -> None:
        """Look at once."""
        self.cancel()
        began = monotonic()
        self._work()
        self._took_s = monotonic() - began

    def cancel(self) -> None:
        """What changed until now is of no interest any more."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
