"""Unix sockets of a node that anybody may reach: who is at the other end is the kernel's word, not the peer's.

unix(7), SO_PEERCRED: the user id that the peer had when it connected.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Container
from pathlib import Path
from typing import Final, TypeAlias

from momentum_node.log import logger

BACKLOG = 64
MAX_LINE_BYTES: Final = 1 << 16
Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def peer_uid(sock: socket.socket) -> int:
    """The user id that the peer had when it connected."""
    _pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def is_welcome(sock: socket.socket, uids: Container[int], refused: str) -> bool:
    """Whether the peer is one of `uids`; else `refused` is logged with who it is."""
    uid = peer_uid(sock)
    if uid not in uids:
        logger().warning(refused, uid=uid)
    return uid in uids


def listen_for_frames(path: Path) -> socket.socket:
    """A listening socket at `path` that keeps frames apart (SOCK_SEQPACKET), not blocking; mode 0666: see `accept`."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(str(path))
    path.chmod(0o666)
    listening.listen(BACKLOG)
    listening.setblocking(False)
    return listening


async def listen_for_streams(
    path: Path, serve: Serve, *, mode: int = 0o666, limit: int = MAX_LINE_BYTES
) -> asyncio.Server:
    """A server of connections at `path`, of lines of at most `limit` bytes; `serve` asks `is_welcome`."""
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(serve, path, limit=limit)
    path.chmod(mode)
    return server


def accept(listening: socket.socket, uids: Container[int], refused: str) -> socket.socket | None:
    """The connection that waits, not blocking; None, and closed, when its peer is not welcome."""
    sock, _ = listening.accept()
    if not is_welcome(sock, uids, refused):
        sock.close()
        return None
    sock.setblocking(False)
    return sock
