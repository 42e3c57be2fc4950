"""A mail node whose one worker runs in this process, so that a test hears the events that it tells."""

import asyncio
from pathlib import Path
from typing import Any, TypeVar

from momentum_node import generation
from momentum_node.logs.events import MailEvent
from momentum_node.worker import Worker
from tests.support.mailnode import MailNode

_Kind = TypeVar("_Kind")


class TellingNode(MailNode):
    """`told`: every event so far; `worker`: while it runs."""

    def __init__(self, folder: Path, gateway: str, **more: Any) -> None:
        super().__init__(folder, gateway, **{**more, "workers": 1})
        self.told: list[MailEvent] = []

    async def start(self) -> None:
        """Core and worker; returns when mail is accepted."""
        self.core_returns()
        self.worker = Worker(self.settings, generation.read(self.settings), 0, 1)
        self.worker.teller.hub.listen(self.told.append)
        self._running = asyncio.create_task(self.worker.run())
        await self.until(self.core.are_accepting)

    async def stop(self) -> None:
        """As the end of a pod."""
        self.worker.stop.set()
        await super().stop()  # the worker waits for its core to end
        await self._running

    async def heard(self, kind: type[_Kind]) -> _Kind:
        """The one event of a kind; waits for it."""
        await self.until(lambda: any(type(one) is kind for one in self.told))
        (found,) = (one for one in self.told if type(one) is kind)
        return found
