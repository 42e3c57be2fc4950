"""A client that asks an address again and again: a TCP connection each few milliseconds, whoever answers.

Connections are closed with a reset: thousands of them must leave no TIME_WAIT behind, here or there.
"""

import asyncio
import contextlib
import errno
import socket
import struct
import time

from momentum_node.config.model import Address
from momentum_node.drill.figures import Try

PATIENCE_S = 0.4
NOBODY_LISTENS = 9  # discard (RFC 863): a refusal from there shows that the address is up
MOST_AT_ONCE = 256
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER 0, socket(7)


class Asking:
    """Asks from `start` to `stop`; `tries` holds those that are over."""

    def __init__(self, address: Address, port: int, every_s: float) -> None:
        self._address, self._port, self._every_s = address, port, every_s
        self.tries: list[Try] = []
        self.greets = False
        """Somebody has greeted: from then on only a greeting is an answer."""
        self._under_way: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.create_task(self._ask_again_and_again())

    async def stop(self) -> None:
        """End, once the last try is over."""
        if self._loop is not None:
            self._loop.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _ask_again_and_again(self) -> None:
        due = time.monotonic()
        while True:
            if len(self._under_way) < MOST_AT_ONCE:
                task = asyncio.create_task(self._ask())
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            due = max(due + self._every_s, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    async def _ask(self) -> None:
        began = time.monotonic()
        code = await self._greeting()
        self.greets = self.greets or bool(code)
        is_answered = code is not None and (bool(code) or not self.greets)
        self.tries.append(Try(began, time.monotonic() - began if is_answered else None, code or ""))

    async def _greeting(self) -> str | None:
        """The first word that is said, empty when nothing is; None when nobody is there."""
        family = socket.AF_INET6 if self._address.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            loop, said = asyncio.get_running_loop(), b""
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await loop.sock_connect(sock, (str(self._address), self._port))
                    if self._port == NOBODY_LISTENS:
                        return ""
                    said = await loop.sock_recv(sock, 512)
            except TimeoutError:
                return "" if _is_connected(sock) else None
            except OSError as error:
                return "" if self._port == NOBODY_LISTENS and error.errno == errno.ECONNREFUSED else None
            words = said.decode("ascii", "replace").split(maxsplit=1)
            return words[0] if words else None


def _is_connected(sock: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        sock.getpeername()
        return True
    return False
