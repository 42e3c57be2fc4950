"""The sockets that put ARP and neighbour discovery on a wire and hear the answers. Decides nothing.

ARP is sent and heard through packet(7); neighbour discovery is sent through it too, because only so can a solicitation
leave without a source, and heard through a raw ICMPv6 socket that the kernel filters for advertisements. It filters ARP
too: when a node is lost, all others probe for thousands of addresses, and a probe says nothing about who has one.
"""

import errno
import socket
from contextlib import suppress
from dataclasses import dataclass
from struct import pack, unpack
from typing import Final

from momentum_node.duravip import arp, neighbour
from momentum_node.duravip.rtnetlink import Link, attach_filter, widen

ICMP6_FILTER: Final = 1  # netinet/icmp6.h; a set bit blocks the type
IPV6_RECVPKTINFO, IPV6_PKTINFO, IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT = 49, 50, 51, 52
NO_PROBES: Final = (
    (0x20, 0, 0, arp.SENDER_OFFSET),  # the sender's protocol address
    (0x15, 0, 1, 0),  # is it 0.0.0.0?
    (0x06, 0, 0, 0),  # then nothing
    (0x06, 0, 0, 0xFFFF),  # else all of it
)
READ_LIMIT: Final = 512
"""Packets in one go: a flood on the wire must not keep us from renewing leases."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody on `interface` says that `address` is at `mac`."""

    interface: str
    address: bytes
    mac: bytes


class Ether:
    """All interfaces of this network namespace."""

    def __init__(self) -> None:
        nonblocking = socket.SOCK_RAW | socket.SOCK_NONBLOCK
        self._packets = socket.socket(socket.AF_PACKET, nonblocking, socket.htons(arp.ETHERTYPE))
        attach_filter(self._packets, NO_PROBES)
        widen(self._packets, 1 << 21)
        self._advertisements: socket.socket | None = None
        with suppress(OSError):  # a kernel without IPv6 has no IPv6 addresses either
            self._advertisements = _advertisement_socket(nonblocking)

    def filenos(self) -> list[int]:
        """For select(2)."""
        return [sock.fileno() for sock in (self._packets, self._advertisements) if sock is not None]

    def probe(self, link: Link, address: bytes) -> None:
        """Ask who has `address`. Raises `OSError` when the question did not leave."""
        frame = arp.probe(link.mac, address) if len(address) == 4 else neighbour.solicitation(link.mac, address)
        self._send(link, frame)

    def announce(self, link: Link, address: bytes) -> None:
        """Tell everybody that `address` is here. A frame that does not leave is repeated by the next round."""
        frames: tuple[bytes, ...]
        if len(address) == 4:
            frames = arp.announcements(link.mac, address)
        else:
            frames = (neighbour.advertisement(link.mac, address),)
        with suppress(OSError):
            for frame in frames:
                self._send(link, frame)

    def tell(self, link: Link, address: bytes, host: bytes) -> None:
        """Tell one host that `address` is here."""
        directed = arp.directed if len(address) == 4 else neighbour.directed
        with suppress(OSError):
            self._send(link, directed(link.mac, address, host))

    def claims(self) -> list[Claim]:
        """What was heard since the last call."""
        heard = self._arp_claims()
        return heard + self._neighbour_claims() if self._advertisements is not None else heard

    def _send(self, link: Link, frame: bytes) -> None:
        if len(link.mac) != 6:
            raise OSError(errno.EPROTONOSUPPORT, f"{link.name} is no Ethernet")
        self._packets.sendto(frame, (link.name, 0))

    def _arp_claims(self) -> list[Claim]:
        heard = []
        with suppress(OSError):  # EAGAIN: all was read; ENETDOWN: an interface went
            for _ in range(READ_LIMIT):
                frame, sender = self._packets.recvfrom(128)
                if found := arp.claim(frame):
                    heard.append(Claim(sender[0], *found))
        return heard

    def _neighbour_claims(self) -> list[Claim]:
        assert self._advertisements is not None  # noqa: S101 - the caller asked
        heard = []
        with suppress(OSError):
            for _ in range(READ_LIMIT):
                message, ancillary, _, _ = self._advertisements.recvmsg(256, 128)
                info = {kind: data for level, kind, data in ancillary if level == socket.IPPROTO_IPV6}
                (hops,) = unpack("=i", info.get(IPV6_HOPLIMIT, bytes(4)))
                found = neighbour.claim(message)
                if found and hops == 255 and IPV6_PKTINFO in info:
                    (index,) = unpack("=I", info[IPV6_PKTINFO][16:20])
                    heard.append(Claim(socket.if_indextoname(index), *found))
        return heard


def _advertisement_socket(kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, kind, socket.IPPROTO_ICMPV6)
    only = [0xFFFF_FFFF] * 8
    only[neighbour.ADVERTISEMENT >> 5] &= ~(1 << (neighbour.ADVERTISEMENT & 31))
    sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, pack("=8I", *only))
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)
    widen(sock, 1 << 20)
    return sock
