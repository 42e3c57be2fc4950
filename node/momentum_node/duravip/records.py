"""How the core and its supervisor talk: records of 64 bytes over an AF_UNIX SEQPACKET socketpair, up to 64 a packet.

The supervisor has privileges, so it reads nothing that has a length, a nesting or a default: every record has the same
layout (network byte order), and a field that its kind does not use is zero.

    offset  bytes  field
         0      1  version = 1
         1      1  kind, `Kind`: 1 … 31 asks (core → supervisor), 32 is the reply, 33 … tell (supervisor → core)
         2      1  family of the address: 0 = none (any address), 4, 6
         3      1  prefix length
         4      4  request id; a reply repeats it; 0 = nobody waits
         8      4  epoch: counts how often the supervisor isolated itself (see `Kind.ISOLATED`)
        12      4  errno(3) of a reply or of what happened; 0 = done
        16     16  address, IPv4 in the first four bytes
        32     16  interface name, NUL padded (linux/if.h, IFNAMSIZ)
        48      2  port
        50      2  backlog
        52      6  hardware address of who answered, who else announces, or of a link; zero = nobody, or none
        58      1  flags, `FLOATING`
        59      1  zero
        60      4  number: seconds of a lifetime, addresses in a list, addresses put back so far, yes or no

A reply to OPEN is a packet of its own and carries one descriptor (SCM_RIGHTS). Addresses travel packed (4 or 16
bytes): this module knows no text.
"""

import os
import socket
from collections.abc import Sequence
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from momentum_node.errors import ProtocolError
from momentum_node.passing import carried, carrying

VERSION: Final = 1
LAYOUT: Final = Struct("!BBBBIII16s16sHH6sBxI")
RECORD_BYTES: Final = 64
PACKET_RECORDS: Final = 64
"""In one packet: when a node is lost thousands of records go each way, and a packet is a system call at both ends."""
FLOATING: Final = 1
"""OPEN: the address moves (IP_FREEBIND: it need not be here yet), and the listener ends when it is given up."""
AUTOMATIC: Final = 0xFFFF_FFFF
"""LIFETIME: 2 s up to 512 held addresses, 10 s above."""
NO_MAC: Final = bytes(6)


class Kind(IntEnum):
    """What a record asks for, or tells."""

    HEARTBEAT = 1  # the core's loop runs; no reply
    ADD = 2  # interface, address, prefix length
    REMOVE = 3  # address: end its listeners, reset its connections, delete it
    ANNOUNCE = 4  # address; number: 1 = the neighbours know it already, others go first
    PROBE = 5  # interface, address → reply carries the hardware address of who answered
    OPEN = 6  # address or none, port, backlog, flags → reply carries a descriptor
    CLOSE = 7  # address or none, port
    DESTROY = 8  # address: reset its connections
    LIST = 9  # → one LISTED an address, then the reply with their number
    LIFETIME = 10  # number = seconds that the kernel keeps an address without us; 0 = for ever; AUTOMATIC
    TELL = 11  # address that is held, hardware address of whom to tell; no reply
    QUIET = 12  # number: 1 = announce to nobody by broadcast, 0 = do
    LOOK = 13  # compare what is held with what the kernel has, now

    REPLY = 32
    LISTED = 33  # interface, address, prefix length; id of the LIST
    VANISHED = 34  # address, errno: somebody removed it, and it could not be put back
    RESTORED = 35  # address, number: somebody removed it, and it is back
    LINK_DOWN = 36  # interface
    LINK_UP = 37  # interface, its hardware address
    CONFLICT = 38  # interface, address, hardware address: another host announces what we hold
    ISOLATED = 39  # epoch: every address was removed; requests of an older epoch are refused with ESTALE


class Record(NamedTuple):
    """One packet; the table above says which fields a kind uses."""

    kind: Kind
    id: int = 0
    epoch: int = 0
    errno: int = 0
    address: bytes = b""
    prefix_length: int = 0
    interface: str = ""
    port: int = 0
    backlog: int = 0
    mac: bytes = NO_MAC
    flags: int = 0
    number: int = 0

    def pack(self) -> bytes:
        """The 64 bytes."""
        family = {0: 0, 4: 4, 16: 6}[len(self.address)]
        return LAYOUT.pack(
            VERSION,
            self.kind,
            family,
            self.prefix_length,
            self.id,
            self.epoch,
            self.errno,
            self.address,
            self.interface.encode("ascii"),
            self.port,
            self.backlog,
            self.mac,
            self.flags,
            self.number,
        )


def unpack(data: bytes) -> Record:
    """One record. Raises `ProtocolError` on anything that `Record.pack` does not make."""
    if len(data) != RECORD_BYTES:
        raise ProtocolError(f"a record has {RECORD_BYTES} bytes, this one {len(data)}")
    (version, kind, family, prefix, request, epoch, errno, address, name, port, backlog, mac, flags, number) = (
        LAYOUT.unpack(data)
    )
    size = {0: 0, 4: 4, 6: 16}.get(family)
    if version != VERSION or size is None or prefix > size * 8:
        raise ProtocolError(f"a record of version {version}, family {family}, prefix length {prefix} is not ours")
    try:
        return Record(
            Kind(kind),
            request,
            epoch,
            errno,
            address[:size],
            prefix,
            name.rstrip(b"\0").decode("ascii"),
            port,
            backlog,
            mac,
            flags,
            number,
        )
    except ValueError as error:
        raise ProtocolError(f"a record of kind {kind} is not ours: {error}") from None


def send_records(sock: socket.socket, records: Sequence[Record], descriptor: int | None = None) -> None:
    """Send up to `PACKET_RECORDS` in one packet, or one with a descriptor.

    Raises `BlockingIOError` when the peer does not read: then none of them was sent.
    """
    sock.sendmsg([record.pack() for record in records], carrying(descriptor), socket.MSG_NOSIGNAL)


def receive_records(sock: socket.socket) -> tuple[list[Record], int | None] | None:
    """One packet's records and its descriptor (the caller owns it), or None at the end.

    Raises `BlockingIOError` when nothing is there, `ProtocolError` when these are not records of ours.
    """
    limit = PACKET_RECORDS * RECORD_BYTES
    data, ancillary, _, _ = sock.recvmsg(limit + 1, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    if not data:
        return None
    descriptor = carried(ancillary)
    try:
        return _records(data, descriptor), descriptor
    except ProtocolError:
        if descriptor is not None:
            os.close(descriptor)
        raise


def _records(data: bytes, descriptor: int | None) -> list[Record]:
    count, rest = divmod(len(data), RECORD_BYTES)
    if rest or count > (PACKET_RECORDS if descriptor is None else 1):
        carrying_it = " with a descriptor" if descriptor is not None else ""
        raise ProtocolError(f"a packet of {len(data)} bytes{carrying_it} is not ours")
    return [unpack(data[at : at + RECORD_BYTES]) for at in range(0, len(data), RECORD_BYTES)]
