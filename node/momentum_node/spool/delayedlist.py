"""The messages of a queue that are to be tried again later, by when that is; none later than at its end of life. Pure.

How long mail lives is an option, and a reload may make it less. The list is put in order anew then, a piece at a time:
there may be a million in it.
"""

import heapq
import math
from collections.abc import Iterator
from typing import Final

from momentum_node.spool.message import Message
from momentum_node.spool.waiting import Waiting

STEP: Final = 5000
"""Messages that are put in order in one go: some milliseconds."""


class DelayedList:
    """What is due first comes first; of two that are due together, that which came first. `total`: all count there."""

    __slots__ = ("_before", "_heap", "_life_s", "_number", "_total")

    def __init__(self, total: Waiting | None = None) -> None:
        self._total = total or Waiting()
        self._heap: list[tuple[float, int, Message]] = []
        self._before: list[tuple[float, int, Message]] = []  # in the order of a longer life
        self._life_s = math.inf
        self._number = 0

    def __len__(self) -> int:
        return len(self._heap) + len(self._before)

    def __iter__(self) -> Iterator[Message]:
        for entries in (self._heap, self._before):
            yield from (message for _, _, message in entries)

    @property
    def next_due(self) -> float:
        """When the first of those in order is due, seconds since the epoch; infinite when there is none."""
        return self._heap[0][0] if self._heap else math.inf

    @property
    def is_sorted(self) -> bool:
        """Nothing waits for `sort`."""
        return not self._before

    def live(self, life_s: float) -> None:
        """From now on a message is due so many seconds after it was made at the latest."""
        is_shorter = life_s < self._life_s
        self._life_s = life_s
        if is_shorter and self._heap:
            self._before += self._heap
            self._heap = []
            self.sort()

    def sort(self) -> None:
        """Put a piece in order, if there is any that is not."""
        for _ in range(min(STEP, len(self._before))):
            _, number, message = self._before.pop()
            self._put(number, message)

    def add(self, message: Message) -> None:
        """Until `message.next_attempt`."""
        self._total.delayed += 1
        self._number += 1  # keeps the heap from comparing messages
        self._put(self._number, message)

    def _put(self, number: int, message: Message) -> None:
        due = min(message.next_attempt, message.envelope.created + self._life_s)
        heapq.heappush(self._heap, (due, number, message))

    def due(self, now: float) -> Iterator[Message]:
        """Take out what is due."""
        while self._heap and self._heap[0][0] <= now:
            self._total.delayed -= 1
            yield heapq.heappop(self._heap)[2]

    def pop(self) -> Message:
        """Take out any one."""
        self._total.delayed -= 1
        return (self._before or self._heap).pop()[2]  # the last of a heap: what is left is one
