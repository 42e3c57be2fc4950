"""Who is at the other end of a Unix socket: the kernel's word (unix(7), SO_PEERCRED), not the peer's."""

import socket
import struct


def peer_uid(sock: socket.socket) -> int:
    """The user id that the peer had when it connected."""
    _pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)
