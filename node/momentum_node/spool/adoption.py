"""Taking all queues over into a new generation or a new view, in steps: there may be a hundred thousand of them."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from momentum_node import clock
from momentum_node.spool.message import Message
from momentum_node.spool.schedule import Queue, Schedule

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
    """`existing`: the binding that a queue's mail has now. `serve`: the terms of a queue may be others, or it has more
    mail than before."""

    def __init__(
        self,
        schedule: Schedule,
        existing: Callable[[str], str],
        elsewhere: Elsewhere,
        serve: Callable[[Queue], None],
    ) -> None:
        self._schedule = schedule
        self._existing = existing
        self._elsewhere = elsewhere
        self._serve = serve
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
        for queue in list(self._schedule.queues.values()):
            while True:
                is_done = self._take_over(queue)
                if clock.monotonic() > step_ends:
                    await asyncio.sleep(0)
                    step_ends = clock.monotonic() + STEP_S
                if is_done:
                    break

    def _take_over(self, queue: Queue) -> bool:
        """One queue, or, where its mail goes elsewhere, some of it; True when done."""
        if self._schedule.queues.get(queue.key) is not queue:
            return True
        binding = self._existing(queue.key.binding)
        if binding != queue.key.binding:
            self._serve(self._schedule.rebind(queue, binding, STEP_MESSAGES))
            return queue.is_empty
        if not self._elsewhere.is_elsewhere(binding):
            self._serve(queue)
            return True
        for message in self._schedule.withdraw(queue, STEP_MESSAGES):
            if not self._elsewhere.keeps(message):  # the view changed under us
                self._schedule.add(message, clock.wall())
                return True
        return queue.is_empty
