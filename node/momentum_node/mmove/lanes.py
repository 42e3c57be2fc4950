"""Messages in custody: out of the delivery schedule, on their way to another node. Pure.

A lane is one shard's way to one node, so that the shard on the other side that knows a message is always the same:
the one with the number of its home here. A message that waits for something else is held, with a time to look again.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from momentum_node.mmove.plan import backoff
from momentum_node.spool.message import Message

MAX_BATCH_MESSAGES: Final = 100
WINDOW_MESSAGES: Final = 400
WINDOW_BYTES: Final = 8 << 20
"""Under way to a node at once: so much of it is in memory, and so much shares a commit."""


class Key(NamedTuple):
    """Which lane."""

    shard: int
    node: str


@dataclass(slots=True, eq=False)
class Lane:
    """One shard's way to one node."""

    key: Key
    moved: deque[Message] = field(default_factory=deque)  # their address is the other node's now
    injected: deque[Message] = field(default_factory=deque)  # they came in on the wrong node: slower
    under_way: int = 0
    bytes_under_way: int = 0
    owes_word: bool = False  # the node waits to hear that copies of ours are gone
    failures: int = 0
    rest_until: float = 0.0  # seconds since the epoch

    @property
    def waiting(self) -> int:
        """Messages that are not under way."""
        return len(self.moved) + len(self.injected)

    @property
    def has_room(self) -> bool:
        """More may be under way."""
        return self.under_way < WINDOW_MESSAGES and self.bytes_under_way < WINDOW_BYTES

    def is_needed(self, now: float) -> bool:
        """There is something to send, or to remember."""
        return bool(self.waiting or self.under_way or self.owes_word) or self.rest_until > now

    def put(self, message: Message, *, is_new: bool) -> None:
        """At the end. `is_new`: it has just come in here."""
        (self.injected if is_new else self.moved).append(message)

    def take(self, queue: deque[Message]) -> list[Message]:
        """The next messages of a queue of ours that share a body."""
        taken = [queue.popleft()]
        while queue and len(taken) < MAX_BATCH_MESSAGES and queue[0].stored is taken[0].stored:
            taken.append(queue.popleft())
        return taken

    def began(self, batch: list[Message]) -> None:
        """It is under way."""
        self.under_way += len(batch)
        self.bytes_under_way += batch[0].envelope.size

    def ended(self, messages: int, size: int) -> None:
        """So much of it came back, or is gone."""
        self.under_way -= messages
        self.bytes_under_way = max(0, self.bytes_under_way - size) if self.under_way else 0

    def failed(self, now: float) -> None:
        """Rest: 1, 2, 4 … 60 s. What fails together counts once."""
        if self.rest_until <= now:
            self.failures += 1
            self.rest_until = now + backoff(self.failures)

    def empty(self) -> Iterator[tuple[Message, bool]]:
        """Everything out: (message, is it new)."""
        while self.moved:
            yield self.moved.popleft(), False
        while self.injected:
            yield self.injected.popleft(), True


class Held:
    """Messages that go nowhere for now."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Message]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, message: Message, until: float) -> None:
        """Look again at `until`."""
        self._number += 1  # keeps the heap from comparing messages
        heapq.heappush(self._heap, (until, self._number, message))

    def due(self, now: float) -> Iterable[Message]:
        """Those whose time has come."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]

    def empty(self) -> list[Message]:
        """All of them."""
        heap, self._heap = self._heap, []
        return [message for _, _, message in sorted(heap)]
