"""Lets a few of many tasks begin in one turn of the loop, so that what is due meanwhile, a heartbeat, is not late."""

import asyncio
from collections import deque
from typing import Final

AT_ONCE: Final = 64
"""About 10 ms of work, where a processor is shared by two."""


class Turns:
    """First come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> "asyncio.Future[None]":
        """Done in this turn of the loop, or in the next, and so on."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._give)
        self._waiting.append(turn)
        return turn

    def _give(self) -> None:
        for _ in range(min(AT_ONCE, len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.cancelled():
                turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._give)
