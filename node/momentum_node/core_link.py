"""The worker's end of a link to the core or the services: connect, say who we are, hand over frames in order, come back
when it breaks.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from momentum_node import worker_link as wire
from momentum_node.errors import ProtocolError
from momentum_node.framequeue import FrameQueue

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
        self._outgoing: FrameQueue | None = None

    @property
    def is_connected(self) -> bool:
        """The core is there."""
        return self._outgoing is not None

    async def run(self) -> None:
        """Keep connected until cancelled."""
        while True:
            with contextlib.suppress(OSError):
                await self._connection()
            await asyncio.sleep(RECONNECT_S)

    def send(self, frame: wire.Frame) -> None:
        """Tell the core, in order; nobody to tell is no error, for it asks anew when it is back."""
        if self._outgoing is not None:
            try:
                self._outgoing.send(frame)
            except OSError:  # it does not read: what it does not know is told anew when it is back
                self._outgoing.give_up()

    async def _connection(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.setblocking(False)
            sock.connect(str(self._path))
            wire.send_frame(sock, self._hello)
            self._outgoing = FrameQueue(sock)
            await self._read(sock)
        finally:
            if self._outgoing is not None:
                self._outgoing.close()
                self._outgoing = None
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
