"""Mail that grows too old while it waits for another node. Pure.

What waits in lanes is looked through a piece at a time, in rounds: there may be a million messages, each with the life
that the options of its queue give it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from momentum_node.mmove.lanes import Lane
from momentum_node.spool.message import Message

ROUND_S: Final = 10.0
"""From the begin of one round to the next: mail fails so much later than its end at most, if there is not very much."""
LOOKED_AT: Final = 2000
ENDED: Final = 250
"""Messages in one go: looked at, and found to be too old. Each of these makes a bounce."""


class Aging:
    """All of one worker."""

    def __init__(self) -> None:
        self._left: list[tuple[deque[Message], int]] = []
        self._next_at = 0.0

    def overdue(self, lanes: Iterable[Lane], is_over: Callable[[Message], bool], now: float) -> list[Message]:
        """Taken out of the lanes: some of those that are not to wait any more. Ask again soon, there may be others."""
        if not self._left and now >= self._next_at:
            self._next_at = now + ROUND_S
            self._left = [(queue, len(queue)) for lane in lanes for queue in (lane.moved, lane.injected) if queue]
        found: list[Message] = []
        room = LOOKED_AT
        while self._left and room > 0 and len(found) < ENDED:
            queue, count = self._left.pop()
            looked = self._look(queue, min(count, room), is_over, found)
            room -= max(1, looked)
            if queue and looked < count:
                self._left.append((queue, count - looked))
        return found

    @staticmethod
    def _look(queue: deque[Message], most: int, is_over: Callable[[Message], bool], found: list[Message]) -> int:
        """The first of a queue; those that stay go to its end, so that a round sees each one. Returns how many."""
        for looked in range(most):
            if not queue or len(found) >= ENDED:
                return looked
            message = queue.popleft()
            (found if is_over(message) else queue).append(message)
        return most
