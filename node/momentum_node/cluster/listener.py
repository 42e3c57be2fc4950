"""The cluster listener (port 4802): one TLS connection, one HELLO, then whoever serves what it asks for.

Runs in the services process: no capabilities, no mail. Nothing of a peer is read before its certificate was checked.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from momentum_node.cluster import frames
from momentum_node.cluster.relay import close, notice_death
from momentum_node.cluster.roster import Roster
from momentum_node.errors import ConfigurationError, ProtocolError
from momentum_node.log import logger

PATIENCE_S: Final = 10.0
"""For the handshake, and for HELLO after it."""
MAX_CONNECTIONS: Final = 1024  # 32 nodes with 16 shards each, twice: old sessions may end late

Stream: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Service: TypeAlias = Callable[[frames.Hello, Stream], Awaitable[None]]
"""Serves a connection from HELLO on: answers it with HELLO_OK or ERROR, and returns when it has ended."""


class ClusterListener:
    """`services`: by the `svc` of a HELLO. `context`: mutual TLS 1.3 with the cluster's authority."""

    def __init__(self, roster: Roster, context: ssl.SSLContext, services: Mapping[str, Service]) -> None:
        self._roster = roster
        self._context = context
        self._services = services
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, address: str, port: int, backlog: int = 500) -> None:
        """Accept at this address. Raises `OSError`."""
        self._context.set_alpn_protocols([frames.ALPN])
        self._server = await asyncio.start_server(
            self._accept, address, port, ssl=self._context, ssl_handshake_timeout=PATIENCE_S, backlog=backlog
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None  # noqa: S101 - after `listen`
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """End every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("?",))[0])
        try:
            notice_death(writer)
            async with asyncio.timeout(PATIENCE_S):
                hello = await self._hello(reader, writer, peer)
            if hello is not None:
                await self._services[hello.service](hello, (reader, writer))
        except (OSError, EOFError, ConfigurationError, ProtocolError) as error:  # TimeoutError is an OSError
            logger().warning("a connection to the cluster listener is refused", peer=peer, reason=str(error))
        finally:
            await close(writer)

    async def _hello(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str
    ) -> frames.Hello | None:
        """What a peer that may ask wants; None: there is no such service here, and it was told so."""
        certificate = writer.get_extra_info("peercert")
        await asyncio.to_thread(self._roster.check, certificate, peer)
        hello = frames.read_hello(await read_frame(reader))
        await asyncio.to_thread(self._roster.check, certificate, peer, hello.node)
        if hello.service in self._services:
            return hello
        writer.write(frames.error("proto", f"no service {hello.service!r} here"))
        return None


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """One short frame, without its length. Raises `EOFError`, `OSError`, `ProtocolError`."""
    return await reader.readexactly(frames.length(await reader.readexactly(frames.LENGTH_BYTES)))
