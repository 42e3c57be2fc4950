"""Messages of the group that could not be taken: counted for reports, told to the log once a minute at most. Pure.

A machine counts by kind what it does not understand and what came twice (`GroupMember.ignored`); here that is added up
over all machines that a process has had.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

PAUSE_S: Final = 60.0


class Unread:
    """One object for the life of the driver."""

    def __init__(self) -> None:
        self._before: Counter[str] = Counter()  # of machines that are gone, and what came to none
        self._current: Counter[str] = Counter()
        self._told = 0
        self._again = float("-inf")

    def add(self, kind: str) -> None:
        """One that is no machine's."""
        self._before[kind] += 1

    def machine_ended(self) -> None:
        """The next one counts from 0."""
        self._before += self._current
        self._current = Counter()

    @property
    def total(self) -> int:
        """Since the process began."""
        return self._before.total() + self._current.total()

    def news(self, machine: Mapping[str, int], now: float) -> Mapping[str, int] | None:
        """What to log now, by kind and since the process began; None: nothing new, or the last line is too young."""
        self._current = Counter(machine)
        if now < self._again or self.total == self._told:
            return None
        self._told, self._again = self.total, now + PAUSE_S
        return dict(sorted((self._before + self._current).items()))
