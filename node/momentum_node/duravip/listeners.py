"""The listening sockets that only a privileged process may bind; workers get copies, this process keeps one.

Keeping a copy means that nothing in the backlog is lost when a worker or the core dies. `shutdown` on ours stops every
process that holds a copy at once, a frozen one too: a close here would leave theirs accepting.
"""

import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

IP_FREEBIND: Final = 15
IPV6_FREEBIND: Final = 78

Endpoint: TypeAlias = tuple[bytes, int]
"""Packed address, empty = any IPv4 address; port."""


@dataclass(slots=True)
class Listening:
    """`floating`: its address is a DuraVIP."""

    sock: socket.socket
    floating: bool


class Listeners:
    """Every listening socket of the node."""

    def __init__(self) -> None:
        self._open: dict[Endpoint, Listening] = {}
        self._unclaimed: set[Endpoint] = set()  # of an earlier core; this one did not ask for them yet

    def open(self, address: bytes, port: int, backlog: int, floating: bool) -> socket.socket:
        """The socket of this endpoint, bound and listening; the same one as before where there is one.

        Raises `OSError`: EADDRNOTAVAIL when the address is not on this host (never if `floating`), EADDRINUSE.
        """
        listening = self._open.get((address, port))
        if listening is None:
            listening = self._open[address, port] = Listening(_bind(address, port, floating), floating)
        listening.sock.listen(backlog)
        self._unclaimed.discard((address, port))
        return listening.sock

    def close(self, address: bytes, port: int) -> None:
        """Nobody accepts there any more; nothing happens where nothing is open."""
        self._unclaimed.discard((address, port))
        listening = self._open.pop((address, port), None)
        if listening is not None:
            _end(listening.sock)

    def give_up(self, addresses: set[bytes]) -> None:
        """End the floating listeners of these addresses."""
        for address, port in [key for key, each in self._open.items() if each.floating and key[0] in addresses]:
            self.close(address, port)

    def core_ended(self) -> None:
        """End every floating listener; keep the others for the next core, so that their backlog waits for it."""
        self.give_up({address for address, _ in self._open})
        self._unclaimed = set(self._open)

    def close_unclaimed(self) -> None:
        """End what an earlier core opened and this one did not ask for."""
        for address, port in list(self._unclaimed):
            self.close(address, port)

    def close_all(self) -> None:
        """The node ends."""
        for address, port in list(self._open):
            self.close(address, port)


def _bind(address: bytes, port: int, floating: bool) -> socket.socket:
    family = socket.AF_INET6 if len(address) == 16 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        # A copy that was shut down but is still open in a frozen worker keeps the port bound; this lets us bind anew.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if floating:
            level, option = (0, IP_FREEBIND) if family == socket.AF_INET else (socket.IPPROTO_IPV6, IPV6_FREEBIND)
            sock.setsockopt(level, option, 1)
        sock.bind((socket.inet_ntop(family, address) if address else "", port))
    except OSError:
        sock.close()
        raise
    return sock


def _end(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
