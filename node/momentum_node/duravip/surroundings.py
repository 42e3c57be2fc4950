"""The hosts around this one as its kernel knows them: neighbours that seem to be there, and gateways. Only reads.

struct ndmsg   u8 family, 3 zero, i32 interface, u16 state, u8 flags, u8 type                    (linux/neighbour.h)
struct rtmsg   u8 family, 2 lengths, u8 tos, u8 table, protocol, scope, type, u32 flags          (linux/rtnetlink.h)
"""

import os
import socket
import sys
from collections.abc import Callable, Collection
from ipaddress import IPv6Address, IPv6Network, ip_address
from struct import Struct
from typing import Final, NamedTuple

from momentum_node.clock import monotonic
from momentum_node.config.model import Address
from momentum_node.duravip.rtnetlink import RouteSocket, attributes
from momentum_node.duravip.sharedarp import Neighbour

RTM_GETROUTE, RTM_GETNEIGH = 26, 30
NDMSG: Final = Struct("=BxxxiHBB")
RTMSG: Final = Struct("=BBBBBBBBI")
NDA_DST, NDA_LLADDR, NDA_CACHEINFO = 1, 2, 3
RTA_GATEWAY: Final = 5
NUD_THERE: Final = 0x02 | 0x04 | 0x08 | 0x10  # reachable, stale, delay, probe
NTF_ROUTER: Final = 0x80
FAMILIES: Final = {socket.AF_INET: 4, socket.AF_INET6: 16}


class Entry(NamedTuple):
    """One neighbour: its addresses, seconds since it was confirmed, the index of its link, whether it is a router."""

    address: bytes
    mac: bytes
    age_s: float
    link: int
    is_router: bool


class Surroundings(NamedTuple):
    """What one look finds."""

    neighbours: list[Neighbour]
    gateways: frozenset[Address]


def read_neighbour(body: bytes) -> Entry | None:
    """What a RTM_NEWNEIGH body says; None for one that is not known to be there, or is on no Ethernet."""
    family, index, state, flags, _ = NDMSG.unpack_from(body)
    found = attributes(body[NDMSG.size :])
    address, mac = found.get(NDA_DST, b""), found.get(NDA_LLADDR, b"")
    if len(address) != FAMILIES.get(family) or not state & NUD_THERE or len(mac) != 6 or not any(mac):
        return None
    ticks = int.from_bytes(found.get(NDA_CACHEINFO, b"")[:4], sys.byteorder)
    return Entry(address, mac, ticks / os.sysconf("SC_CLK_TCK"), index, bool(flags & NTF_ROUTER))


def read_gateway(body: bytes) -> bytes | None:
    """The next hop that a RTM_NEWROUTE body names; routes over several next hops name none here."""
    return attributes(body[RTMSG.size :]).get(RTA_GATEWAY)


class KernelNeighbours:
    """Called from one thread at a time. `networks_on`: the IPv6 networks of the Topology on an interface.

    An address of a link alone (fe80::/10) is meaningless elsewhere: it is told as one of each network of its link.
    """

    def __init__(self, networks_on: Callable[[str], Collection[IPv6Network]] = lambda _interface: ()) -> None:
        self._networks_on = networks_on
        self._route = RouteSocket()

    def __call__(self) -> Surroundings:
        """Raises `DriverError`, `OSError`."""
        entries = [found for body in self._dump(RTM_GETNEIGH, NDMSG.size) if (found := read_neighbour(body))]
        gateways = {ip_address(hop) for body in self._dump(RTM_GETROUTE, RTMSG.size) if (hop := read_gateway(body))}
        gateways |= {ip_address(entry.address) for entry in entries if entry.is_router}
        names = {link.index: link.name for link in self._route.links()}
        now = monotonic()
        neighbours = [one for entry in entries for one in self._told(entry, names.get(entry.link, ""), now)]
        return Surroundings(neighbours, frozenset(gateways))

    def _told(self, entry: Entry, interface: str, now: float) -> list[Neighbour]:
        address = ip_address(entry.address)
        seen = now - entry.age_s
        if isinstance(address, IPv6Address) and address.is_link_local:
            return [Neighbour(address, entry.mac, seen, network) for network in self._networks_on(interface)]
        return [Neighbour(address, entry.mac, seen)]

    def _dump(self, kind: int, header_bytes: int) -> list[bytes]:
        """Of both families."""
        questions = [bytes((family,)).ljust(header_bytes, b"\0") for family in FAMILIES]
        return [body for question in questions for body in self._route.dump(kind, question)]
