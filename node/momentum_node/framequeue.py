"""Frames on their way over a link, in order: those that its socket does not take now wait until the other end has read.

A socket holds a few hundred frames (net.core.wmem_max, as distributions set it); a worker that comes is told of
thousands of addresses at once.
"""

import asyncio
import contextlib
import os
import socket
from collections import deque
from typing import Final

from momentum_node import worker_link as wire

MOST: Final = 65_536  # frames that may wait; who lets so many come does not read any more


class FrameQueue:
    """Over a non-blocking socket, which stays the caller's."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting: deque[tuple[wire.Frame, int | None]] = deque()

    def send(self, frame: wire.Frame, descriptor: int | None = None) -> None:
        """Send a frame, and a copy of a descriptor with it. Raises `OSError` when nobody reads any more."""
        if not self._waiting:
            try:
                wire.send_frame(self._sock, frame, descriptor)
            except BlockingIOError:
                asyncio.get_running_loop().add_writer(self._sock.fileno(), self._flush)
            else:
                return
        if len(self._waiting) >= MOST:
            raise BlockingIOError("it does not read")
        self._waiting.append((frame, None if descriptor is None else os.dup(descriptor)))

    def give_up(self) -> None:
        """End the link: whoever reads at either end notices."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """What waits is not sent any more."""
        if self._waiting:
            asyncio.get_running_loop().remove_writer(self._sock.fileno())
        while self._waiting:
            self._forget_first()

    def _flush(self) -> None:
        try:
            while self._waiting:
                wire.send_frame(self._sock, *self._waiting[0])
                self._forget_first()
        except BlockingIOError:
            return
        except OSError:  # whoever reads from this socket notices the end
            while self._waiting:
                self._forget_first()
        asyncio.get_running_loop().remove_writer(self._sock.fileno())

    def _forget_first(self) -> None:
        _, descriptor = self._waiting.popleft()
        if descriptor is not None:
            os.close(descriptor)
