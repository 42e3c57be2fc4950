"""Addresses and links of this host, by rtnetlink(7): requests in, one errno a request out.

    struct nlmsghdr   u32 length, u16 type, u16 flags, u32 sequence, u32 port          (linux/netlink.h)
    struct ifaddrmsg  u8 family, u8 prefix length, u8 flags, u8 scope, u32 index       (linux/if_addr.h)
    struct ifinfomsg  u8 family, u8 zero, u16 type, i32 index, u32 flags, u32 change   (linux/rtnetlink.h)
    struct rtattr     u16 length, u16 type, value, padded to 4 bytes

Own encoding, because the supervisor sends three kinds of message and must start and flush fast: importing a netlink
library costs half a second, this module a millisecond. It knows no table and no lease.
"""

import array
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct, pack
from typing import Final, TypeAlias

from momentum_node.errors import DriverError

PROTOCOL_MARK: Final = 0x4D
"""IFA_PROTO of every address that we add (Linux 5.18): what a later start may remove without asking."""
BATCH: Final = 256
FOREVER: Final = 0xFFFF_FFFF  # INFINITY_LIFE_TIME

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS, IFA_PROTO = 1, 2, 6, 8, 11
IFLA_ADDRESS, IFLA_IFNAME = 1, 3
IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_NOPREFIXROUTE = 0x02, 0x08, 0x200
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
SOL_NETLINK, NETLINK_CAP_ACK, SO_RCVBUFFORCE, SO_ATTACH_FILTER = 270, 10, 33, 26

HEADER: Final = Struct("=IHHII")
IFADDRMSG: Final = Struct("=BBBBI")
IFINFOMSG: Final = Struct("=BxHiII")
ATTRIBUTE: Final = Struct("=HH")

Request: TypeAlias = tuple[int, int, bytes]
"""Type, flags, body."""


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address of one interface. `mark` is its IFA_PROTO, 0 where the kernel does not know it.

    `is_refused`: the kernel once met another host that had it (IPv6 duplicate address detection). It keeps it ever
    after without using it, also when that host is gone: only adding it anew helps.
    """

    index: int
    address: bytes
    prefix_length: int
    mark: int = 0
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface; `is_up` = set up and with carrier."""

    index: int
    name: str
    mac: bytes
    is_up: bool


@dataclass(frozen=True, slots=True)
class AddressDeleted:
    """Event: the kernel no longer has this address on this interface, whoever asked for it."""

    index: int
    address: bytes
    prefix_length: int


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """Event: what is true of this link now; `gone` = it was removed."""

    link: Link
    gone: bool


def attribute(kind: int, value: bytes) -> bytes:
    """One struct rtattr, padded."""
    return ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes of one message, by type (the last of a type wins)."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, sequence, body) of each message in one datagram."""
    at = 0
    while at + 16 <= len(data):
        length, kind, _, sequence, _ = HEADER.unpack_from(data, at)
        if length < 16:
            break
        yield kind, sequence, data[at + 16 : at + length]
        at += (length + 3) & ~3


def new_address(entry: InterfaceAddress, lifetime_s: int, exclusive: bool) -> Request:
    """(type, flags, body) that adds `entry`, or with `exclusive` false renews it; 0 s = for ever.

    No prefix route (failover R12). IPv6: no duplicate address detection, for we probe ourselves, and deprecated from
    the start (preferred lifetime 0), so that the kernel never takes it as the source of anybody's connection.
    """
    valid = lifetime_s or FOREVER
    flags, preferred = IFA_F_NOPREFIXROUTE, valid
    if len(entry.address) == 16:
        flags, preferred = flags | IFA_F_NODAD, 0
    body = _address_body(entry) + b"".join(
        (
            attribute(IFA_CACHEINFO, pack("=IIII", preferred, valid, 0, 0)),
            attribute(IFA_FLAGS, pack("=I", flags)),
            attribute(IFA_PROTO, bytes((PROTOCOL_MARK,))),
        )
    )
    return RTM_NEWADDR, (NLM_F_CREATE | NLM_F_EXCL) if exclusive else NLM_F_REPLACE, body


def delete_address(entry: InterfaceAddress) -> Request:
    """(type, flags, body) that deletes exactly this index, address and prefix length (failover R22)."""
    return RTM_DELADDR, 0, _address_body(entry)


def _address_body(entry: InterfaceAddress) -> bytes:
    family = socket.AF_INET if len(entry.address) == 4 else socket.AF_INET6
    header = IFADDRMSG.pack(family, entry.prefix_length, 0, 0, entry.index)
    return header + attribute(IFA_LOCAL, entry.address) + attribute(IFA_ADDRESS, entry.address)


def read_address(body: bytes) -> InterfaceAddress | None:
    """The address of a RTM_NEWADDR or RTM_DELADDR body; None for another family."""
    family, prefix_length, flags, _, index = IFADDRMSG.unpack_from(body)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found = attributes(body[IFADDRMSG.size :])
    local = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS) or b""
    mark, is_refused = found.get(IFA_PROTO, b"\0")[0], bool(flags & IFA_F_DADFAILED)
    return InterfaceAddress(index, local, prefix_length, mark, is_refused)


def read_link(body: bytes) -> Link:
    """The link of a RTM_NEWLINK or RTM_DELLINK body."""
    _, _, index, flags, _ = IFINFOMSG.unpack_from(body)
    found = attributes(body[IFINFOMSG.size :])
    name = found.get(IFLA_IFNAME, b"").rstrip(b"\0").decode("ascii", "replace")
    wanted = IFF_UP | IFF_LOWER_UP
    return Link(index, name, found.get(IFLA_ADDRESS, b""), flags & wanted == wanted)


class RouteSocket:
    """Asks the kernel, and waits for its answer: every call here is synchronous (the kernel answers inside it)."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._sock.bind((0, 0))
        self._sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        widen(self._sock, 1 << 20)
        self._sequence = 0

    def execute(self, requests: Sequence[Request]) -> list[int]:
        """The errno of each request, 0 = done; in batches of at most 256."""
        results: list[int] = []
        for start in range(0, len(requests), BATCH):
            results += self._batch(requests[start : start + BATCH])
        return results

    def addresses(self) -> list[InterfaceAddress]:
        """Every IPv4 and IPv6 address of every interface."""
        bodies = self.dump(RTM_GETADDR, IFADDRMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        return [entry for body in bodies if (entry := read_address(body)) is not None]

    def links(self) -> list[Link]:
        """Every interface."""
        return [read_link(body) for body in self.dump(RTM_GETLINK, IFINFOMSG.pack(0, 0, 0, 0, 0))]

    def _batch(self, requests: Sequence[Request]) -> list[int]:
        first = self._sequence + 1
        self._sequence += len(requests)
        # The kernel works in order and tells of every error by itself: the answer to the last one ends it all.
        packets = [
            HEADER.pack(16 + len(body), kind, flags | NLM_F_REQUEST, first + place, 0) + body
            for place, (kind, flags, body) in enumerate(requests[:-1])
        ]
        kind, flags, body = requests[-1]
        packets.append(HEADER.pack(16 + len(body), kind, flags | NLM_F_REQUEST | NLM_F_ACK, self._sequence, 0) + body)
        self._sock.send(b"".join(packets))
        results = dict.fromkeys(range(first, first + len(requests)), 0)
        while True:
            for kind, sequence, body in messages(self._sock.recv(1 << 16)):
                if kind == NLMSG_ERROR and sequence in results:
                    results[sequence] = -int.from_bytes(body[:4], sys.byteorder, signed=True)
                    if sequence == self._sequence:
                        return list(results.values())

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """The body of each message with which the kernel answers `kind`. Raises `DriverError`."""
        self._sequence += 1
        header = HEADER.pack(16 + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, self._sequence, 0)
        self._sock.send(header + body)
        found: list[bytes] = []
        while True:
            for answer, sequence, content in messages(self._sock.recv(1 << 18)):
                if sequence != self._sequence:
                    continue
                if answer == NLMSG_DONE:
                    return found
                if answer == NLMSG_ERROR:
                    number = -int.from_bytes(content[:4], sys.byteorder, signed=True)
                    raise DriverError(f"the kernel does not list what it knows: {os.strerror(number)}")
                found.append(content)


class RouteEvents:
    """Tells what changed: addresses that went, links that came, went or changed."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        _drop_new_addresses(self._sock)
        widen(self._sock, 1 << 22)
        self._sock.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))

    def fileno(self) -> int:
        """For select(2)."""
        return self._sock.fileno()

    def read(self) -> list[AddressDeleted | LinkChanged] | None:
        """What happened since the last call; None when events were lost and everything must be looked at again."""
        found: list[AddressDeleted | LinkChanged] = []
        try:
            while True:
                for kind, _, body in messages(self._sock.recv(1 << 16)):
                    if kind in (RTM_NEWLINK, RTM_DELLINK):
                        found.append(LinkChanged(read_link(body), kind == RTM_DELLINK))
                    elif kind == RTM_DELADDR and (entry := read_address(body)):
                        found.append(AddressDeleted(entry.index, entry.address, entry.prefix_length))
        except BlockingIOError:
            return found
        except OSError:  # ENOBUFS: the kernel dropped events
            return None


def widen(sock: socket.socket, size_bytes: int) -> None:
    """The largest receive buffer up to `size_bytes`: beyond rmem_max where CAP_NET_ADMIN of the host allows it."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size_bytes)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)


def attach_filter(sock: socket.socket, program: Sequence[tuple[int, int, int, int]]) -> None:
    """Let the kernel drop what this classic BPF program drops; one (code, jt, jf, k) an instruction (bpf(4))."""
    code = array.array("B", b"".join(pack("=HBBI", *step) for step in program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pack("HP", len(program), code.buffer_info()[0]))


def _drop_new_addresses(sock: socket.socket) -> None:
    # Each renewal of a lease is an RTM_NEWADDR to every listener: thousands a second that would wake us for nothing.
    new_address_type = socket.htons(RTM_NEWADDR)
    attach_filter(sock, [(0x28, 0, 0, 4), (0x15, 0, 1, new_address_type), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)])
