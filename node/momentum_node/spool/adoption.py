"""Taking all queues over into a new generation or a new view, in steps: there may be a hundred thousand of them."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from momentum_node import clock
from momentum_node.spool.message import Message
from momentum_node.spool.schedule import Key, Queue, Schedule

STEP_S: Final = 0.005
STEP_MESSAGES: Final = 500  # of one queue, moved in one step


class Elsewhere(Protocol):
    """Who moves mail to other nodes."""

    def is_elsewhere(self, binding: str) -> bool:
        """Another node delivers the mail of this binding."""
        ...

    def keeps(self, message: Message, *, is_new: bool = False) -> bool:
        """It goes to another node, or waits for one: it is in no queue here. `is_new`: a client has just brought it."""
        ...


class Adoption:
    """`key_of`: the queue of mail that has this binding and goes to this domain, now; None: another node's. `requeue`:
    put a message where it belongs, None: not here. `serve`: the terms of a queue may be others, or it has more mail
    than before. `left`: a queue is none any more."""

    def __init__(
        self,
        schedule: Schedule,
        key_of: Callable[[str, str], Key | None],
        requeue: Callable[[Message], Queue | None],
        serve: Callable[[Queue], None],
        left: Callable[[Queue], None],
    ) -> None:
        self._schedule = schedule
        self._key_of = key_of
        self._requeue = requeue
        self._serve = serve
        self._left = left
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Not every queue was looked at yet."""
        return self._task is not None and not self._task.done()

    def begin(self) -> None:
        """Look at every queue, also at those that were looked at for the generation or view before."""
        self.stop()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Look no further."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        step_ends = clock.monotonic() + STEP_S
        for queue in self._schedule.all():
            for _ in self._take_over(queue):
                if clock.monotonic() > step_ends:
                    await asyncio.sleep(0)
                    step_ends = clock.monotonic() + STEP_S

    def _take_over(self, queue: Queue) -> Iterator[None]:
        """One queue, with a pause after each piece of it."""
        yield
        if not self._schedule.is_leaving(queue):
            if self._schedule.queues.get(queue.key) is not queue:
                return
            for domain in list(queue.domains) or [queue.key.domain]:
                if self._key_of(queue.key.binding, domain) != queue.key:
                    break
                yield
            else:
                self._serve(queue)
                return
            self._schedule.leave(queue)
            self._left(queue)
        while not queue.is_empty:
            there = {self._requeue(message) for message in self._schedule.withdraw(queue, STEP_MESSAGES)}
            for one in there:
                if one is not None:
                    self._serve(one)
            yield
        self._schedule.end(queue)
