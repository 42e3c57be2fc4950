"""The listening sockets of a mail worker: handed to it by the core, served by its loop, closed when they go away."""

import asyncio
import socket
from collections.abc import Callable
from typing import TypeAlias

from momentum_node.smtp.admission import Admission
from momentum_node.smtp.inbound import HANDSHAKE_S

Key: TypeAlias = tuple[str, int]
"""Address, "" = any, and port."""


class Sockets:
    """`made` makes the protocol of one client of a socket."""

    def __init__(self, admission: Admission, made: Callable[[Key], asyncio.Protocol]) -> None:
        self._admission = admission
        self._made = made
        self._servers: dict[Key, asyncio.Server] = {}
        self._secured: dict[Key, bool] = {}  # whether a server speaks TLS from the first byte
        self._early: dict[Key, socket.socket] = {}  # of a generation that is being read

    def has(self, address: str) -> bool:
        """Some socket of this address is served."""
        return any(key[0] == address for key in self._servers)

    async def serve(self, key: Key, sock: socket.socket) -> None:
        """Accept on it."""
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        backlog = self._admission.listener(key).backlog
        is_secured = self._admission.speaks_tls(key)
        context = self._admission.socket_tls(key) if is_secured else None
        if is_secured and context is None:  # better no answer than one in the clear
            sock.close()
            return
        patience = HANDSHAKE_S if is_secured else None
        self._servers[key] = await loop.create_server(
            lambda: self._made(key), sock=sock, backlog=backlog, ssl=context, ssl_handshake_timeout=patience
        )
        self._secured[key] = is_secured

    def keep(self, key: Key, sock: socket.socket) -> None:
        """Its options come with the generation that is being read: `serve_kept` serves it."""
        self._early[key] = sock

    async def serve_kept(self) -> None:
        """Serve what was kept."""
        while self._early:
            await self.serve(*self._early.popitem())

    async def secure_anew(self) -> None:
        """Serve a socket anew whose Use_SSL is another now; clients that wait to be accepted are kept."""
        for key in [key for key in self._servers if self._admission.speaks_tls(key) != self._secured[key]]:
            sock = self._servers[key].sockets[0].dup()
            self.close(key)
            await self.serve(key, sock)

    def close(self, key: Key) -> None:
        """Accept no more there."""
        server = self._servers.pop(key, None)
        if server is not None:
            server.close()
        early = self._early.pop(key, None)
        if early is not None:
            early.close()

    def close_address(self, address: str) -> None:
        """Nowhere on this address."""
        for key in [key for key in self._servers if key[0] == address]:
            self.close(key)

    def close_all(self) -> None:
        """Nowhere at all."""
        for key in [*self._servers, *self._early]:
            self.close(key)
