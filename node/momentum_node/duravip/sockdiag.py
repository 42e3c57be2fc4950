"""Reset every TCP connection of given local addresses (sock_diag(7), linux/inet_diag.h).

    struct inet_diag_req_v2   u8 family, u8 protocol, u8 extensions, u8 zero, u32 states, struct inet_diag_sockid
    struct inet_diag_sockid   be16 source port, be16 destination port, be32[4] source, be32[4] destination,
                              u32 interface, u32[2] cookie
    struct inet_diag_msg      u8 family, u8 state, u8 timer, u8 retransmits, struct inet_diag_sockid, …

To be called before the address is deleted: only then does the reset leave with the right source, and the peer learns at
once (failover finding 10). Afterwards both ends would wait for each other for hours.
"""

import errno
import os
import socket
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from struct import Struct
from typing import Final

from momentum_node.duravip.rtnetlink import (
    BATCH,
    HEADER,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    messages,
    widen,
)
from momentum_node.errors import DriverError

NETLINK_SOCK_DIAG: Final = 4
SOCK_DIAG_BY_FAMILY: Final = 20
SOCK_DESTROY: Final = 21
REQUEST: Final = Struct("=BBBxI48s")
# net/tcp_states.h: all but TIME_WAIT (6), CLOSE (7) and LISTEN (10), which hold no connection.
CONNECTED: Final = 0xFFF & ~(1 << 6 | 1 << 7 | 1 << 10) | 1 << 12
MAPPED: Final = bytes(10) + b"\xff\xff"


class SockDiag:
    """A sock_diag socket; one for the life of the process."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
        self._sock.bind((0, 0))
        widen(self._sock, 1 << 20)
        self._sequence = 0

    def destroy(self, addresses: Collection[bytes]) -> int:
        """Reset the connections whose local address is among `addresses` (packed); how many.

        Raises `DriverError` when the kernel cannot do it (it needs CONFIG_INET_DIAG_DESTROY and CAP_NET_ADMIN).
        """
        wanted = frozenset(address.ljust(16, b"\0") for address in addresses)
        mapped = frozenset(MAPPED + address for address in addresses if len(address) == 4)
        count = 0
        if any(len(address) == 4 for address in addresses):
            count += self._destroy(socket.AF_INET, self._connections(socket.AF_INET, wanted))
        return count + self._destroy(socket.AF_INET6, self._connections(socket.AF_INET6, wanted | mapped))

    def _connections(self, family: int, wanted: frozenset[bytes]) -> list[bytes]:
        """The inet_diag_sockid of each connection of `wanted`."""
        body = REQUEST.pack(family, socket.IPPROTO_TCP, 0, CONNECTED, bytes(48))
        self._send([(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, body)])
        return [content[4:52] for content in self._answers() if content[8:24] in wanted]

    def _destroy(self, family: int, connections: list[bytes]) -> int:
        for start in range(0, len(connections), BATCH):
            batch = connections[start : start + BATCH]
            bodies = [REQUEST.pack(family, socket.IPPROTO_TCP, 0, CONNECTED, sockid) for sockid in batch]
            # No acknowledgements: the kernel works synchronously, so when send returns it is done, and a connection
            # that ended meanwhile is an error that is none.
            self._send([(SOCK_DESTROY, 0, body) for body in bodies])
        self._drain()
        return len(connections)

    def _drain(self) -> None:
        refused = set()
        with suppress(BlockingIOError):
            while True:
                for kind, _, content in messages(self._sock.recv(1 << 16, socket.MSG_DONTWAIT)):
                    if kind == NLMSG_ERROR:
                        refused.add(-int.from_bytes(content[:4], sys.byteorder, signed=True))
        if refused & {errno.EOPNOTSUPP, errno.EPERM}:
            raise DriverError(
                "the kernel resets no connections: it needs CONFIG_INET_DIAG_DESTROY, and we CAP_NET_ADMIN"
            )

    def _send(self, requests: list[tuple[int, int, bytes]]) -> None:
        self._sequence += 1
        self._sock.send(
            b"".join(
                HEADER.pack(16 + len(body), kind, flags | NLM_F_REQUEST, self._sequence, 0) + body
                for kind, flags, body in requests
            )
        )

    def _answers(self) -> Iterator[bytes]:
        while True:
            for kind, sequence, content in messages(self._sock.recv(1 << 18)):
                if sequence != self._sequence:
                    continue
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    number = -int.from_bytes(content[:4], sys.byteorder, signed=True)
                    raise DriverError(f"the kernel lists no connections: {os.strerror(number)}")
                yield content
