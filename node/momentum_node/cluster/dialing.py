"""Connections to the cluster listeners of other nodes."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from momentum_node.cluster import frames
from momentum_node.cluster.listener import Stream, read_frame
from momentum_node.cluster.relay import close, notice_death
from momentum_node.cluster.roster import Roster
from momentum_node.config.model import Address

CONNECT_S: Final = 10.0
"""For connection, handshake and the answer to HELLO together (mta §13)."""


class Dialer:
    """`here`: the node's own address, which tells the peer who calls. `tls`: makes the client's context."""

    def __init__(self, name: str, here: Address, port: int, roster: Roster, tls: Callable[[], ssl.SSLContext]) -> None:
        self._name = name
        self._here = here
        self._port = port
        self._roster = roster
        self._tls = tls
        self._open: Counter[str] = Counter()
        self._room = asyncio.Event()

    @asynccontextmanager
    async def place(self, node: str, most: int) -> AsyncIterator[None]:
        """One of the `most` connections that there may be to `node`; waits for one that ends."""
        while self._open[node] >= most:
            self._room.clear()
            await self._room.wait()
        self._open[node] += 1
        try:
            yield
        finally:
            self._open[node] -= 1
            self._room.set()

    async def dial(self, service: str, node: str, shard: int) -> Stream:
        """A connection that `node` has welcomed.

        Raises `OSError` (`TimeoutError` too), `EOFError`, `ConfigurationError`, `ProtocolError`.
        """
        async with asyncio.timeout(CONNECT_S):
            address = await asyncio.to_thread(self._roster.address_of, node)
            context = await asyncio.to_thread(self._tls)
            reader, writer = await asyncio.open_connection(
                str(address), self._port, ssl=context, server_hostname="", local_addr=(str(self._here), 0)
            )
            try:
                notice_death(writer)
                certificate = writer.get_extra_info("peercert")
                await asyncio.to_thread(self._roster.check, certificate, str(address), node)
                writer.write(frames.hello(frames.Hello(service, self._name, shard=shard)))
                frames.check_welcome(await read_frame(reader), node)
            except BaseException:
                await close(writer)
                raise
        return reader, writer


def client_context(directory: Path) -> ssl.SSLContext:
    """Mutual TLS 1.3 from `tls.crt`, `tls.key`, `ca.crt` in `directory`: read anew for each call, so a renewed
    certificate is used at once. Certificates carry roles, not names: `Roster.check` looks at them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_verify_locations(directory / "ca.crt")
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    context.set_alpn_protocols([frames.ALPN])
    return context
