"""A large body on its way to a file of its own: written in a thread while more of it arrives."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from momentum_node.spool.disk import File
from momentum_node.spool.store import Store

WRITE_BYTES: Final = 1 << 18
HOLD_BYTES: Final = 1 << 19
"""More than this unwritten: stop reading from the client until the disk has caught up."""


class LargeBody:
    """One body. Nothing is durable before the commit that names the file."""

    def __init__(self, store: Store, name: str, executor: Executor, on_room: Callable[[], None]) -> None:
        self.name = name
        self.size = 0
        self._store = store
        self._executor = executor
        self._on_room = on_room
        self._file: File | None = None
        self._parts: list[bytes] = []
        self._held = 0
        self._at = 0
        self._running: asyncio.Future[None] | None = None
        self._error: BaseException | None = None

    @property
    def is_behind(self) -> bool:
        """The disk is slower than the client."""
        return self._held > HOLD_BYTES

    def add(self, part: bytes) -> None:
        """More of the body."""
        self._parts.append(part)
        self._held += len(part)
        self.size += len(part)
        if self._held >= WRITE_BYTES and self._running is None:
            self._write()

    async def finish(self) -> File:
        """The complete file, to be given to `Store.keep`. Raises `OSError` when a write failed."""
        while self._parts or self._running is not None:
            if self._running is None:
                self._write()
            if self._running is not None:
                await asyncio.wait([self._running])
        if self._error is not None or self._file is None:
            raise OSError(f"body {self.name}: {self._error}")
        return self._file

    async def drop(self) -> None:
        """Forget it and remove the file."""
        self._parts.clear()
        if self._running is not None:
            await asyncio.wait([self._running])
        await asyncio.get_running_loop().run_in_executor(self._executor, self._remove)

    def _remove(self) -> None:
        if self._file is not None:
            self._file.close()
            self._store.drop_body(self.name)

    def _write(self) -> None:
        parts, self._parts = self._parts, []
        loop = asyncio.get_running_loop()
        self._running = loop.run_in_executor(self._executor, self._write_parts, parts)
        self._running.add_done_callback(self._written)

    def _write_parts(self, parts: list[bytes]) -> None:
        if self._file is None:
            self._file = self._store.create_body(self.name)
        self._file.pwritev(parts, self._at)
        self._at += sum(map(len, parts))

    def _written(self, done: asyncio.Future[None]) -> None:
        self._running = None
        self._error = self._error or done.exception()
        self._held = sum(map(len, self._parts))
        if self._held >= WRITE_BYTES:
            self._write()
        self._on_room()
