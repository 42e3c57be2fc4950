"""One descriptor that goes with a packet over an AF_UNIX socket (unix(7), SCM_RIGHTS)."""

import array
import socket
from collections.abc import Sequence


def carrying(descriptor: int | None) -> list[tuple[int, int, "array.array[int]"]]:
    """For `sendmsg`; None: nothing goes with it."""
    return [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]


def carried(ancillary: Sequence[tuple[int, int, bytes]]) -> int | None:
    """From `recvmsg`: the descriptor, which is the caller's from now on; most packets have none."""
    for _, kind, raw in ancillary:
        if kind == socket.SCM_RIGHTS:
            return array.array("i", raw[:4])[0]
    return None
