"""Bytes between two connections, both ways, until either of them ends."""

import asyncio
import contextlib
import socket
from typing import Final

CHUNK_BYTES: Final = 1 << 16
DEAD_PEER_S: Final = 20
"""A peer that acknowledges nothing for so long is gone: its machine died without a word."""


async def relay(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter], other: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Return when both are closed."""
    halves = [asyncio.create_task(_copy(one[0], other[1])), asyncio.create_task(_copy(other[0], one[1]))]
    try:
        await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for half in halves:
            half.cancel()
        await asyncio.gather(*halves, return_exceptions=True)
        for _, writer in (one, other):
            await close(writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # ssl.SSLError is one: either end is gone
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()


async def close(writer: asyncio.StreamWriter) -> None:
    """End a connection; what was written goes out first, if the peer reads within a second."""
    if not writer.is_closing():
        writer.close()
    try:
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
    except TimeoutError:  # it has not ended: one that has is not aborted, the TLS of early Python 3.11 breaks at that
        writer.transport.abort()
    except OSError:
        pass


def notice_death(writer: asyncio.StreamWriter) -> None:
    """Let the kernel end the connection when the other machine is dead (tcp(7))."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, DEAD_PEER_S // 2)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, DEAD_PEER_S // 4)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_S * 1000)
