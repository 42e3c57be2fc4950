"""The worker's end of a link to the core or the services: connect, say who we are, hand over frames in order, come back
when it breaks.
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from momentum_node import worker_link as wire
from momentum_node.errors import ProtocolError

RECONNECT_S: Final = 0.2
OnFrame: TypeAlias = Callable[[wire.Frame, int | None], Awaitable[None]]


class CoreLink:
    """One worker's link; `hello` is said first. `on_frame` is awaited for one frame before the next; it owns the
    descriptor."""

    def __init__(self, path: Path, hello: wire.Frame, on_frame: OnFrame, on_lost: Callable[[], None]) -> None:
        self._path = path
        self._hello = hello
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._sock: socket.socket | None = None
        self._unsent: deque[wire.Frame] = deque()

    @property
    def is_connected(self) -> bool:
        """The core is there."""
        return self._sock is not None

    async def run(self) -> None:
        """Keep connected until cancelled."""
        while True:
            with contextlib.suppress(OSError):
                await self._connection()
            await asyncio.sleep(RECONNECT_S)

    def send(self, frame: wire.Frame) -> None:
        """Tell the core, in order; nobody to tell is no error, for it asks anew when it is back."""
        if self._sock is None:
            return
        self._unsent.append(frame)
        if len(self._unsent) == 1:
            self._flush(self._sock)

    def _flush(self, sock: socket.socket) -> None:
        """Send what there is; the rest as soon as the core has read some of it."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # the reading side notices an end
            while self._unsent:
                try:
                    wire.send_frame(sock, self._unsent[0])
                except BlockingIOError:
                    loop.add_writer(sock.fileno(), self._flush, sock)
                    return
                self._unsent.popleft()
        loop.remove_writer(sock.fileno())

    async def _connection(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.setblocking(False)
            sock.connect(str(self._path))
            wire.send_frame(sock, self._hello)
            self._sock = sock
            await self._read(sock)
        finally:
            if self._sock is not None:
                asyncio.get_running_loop().remove_writer(sock.fileno())
                self._sock = None
                self._unsent.clear()
                self._on_lost()
            sock.close()

    async def _read(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(sock.fileno(), readable.set)
        try:
            while True:
                try:
                    received = wire.receive_frame(sock)
                except BlockingIOError:
                    readable.clear()
                    await readable.wait()
                    continue
                except ProtocolError:
                    return
                if received is None:
                    return
                await self._on_frame(*received)
        finally:
            loop.remove_reader(sock.fileno())
