"""Unix sockets of a node that anybody may reach: who is at the other end is the kernel's word, not the peer's.

unix(7), SO_PEERCRED: the user id that the peer had when it connected.
"""

import socket
import struct
from collections.abc import Container
from pathlib import Path

from momentum_node.log import logger

BACKLOG = 64


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


def accept(listening: socket.socket, uids: Container[int], refused: str) -> socket.socket | None:
    """The connection that waits, not blocking; None, and closed, when its peer is not welcome."""
    sock, _ = listening.accept()
    if not is_welcome(sock, uids, refused):
        sock.close()
        return None
    sock.setblocking(False)
    return sock
