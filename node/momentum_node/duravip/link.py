"""The core's end of the link to its supervisor: typed calls in, results and events out (records.py has the bytes).

A request is made when it is called, and its answer awaited. What concerns one address is carried out in the order in
which it was asked for. A call that is cancelled may have been carried out all the same: undo what you asked for, do not
assume. After `isolated` the supervisor refuses what was asked before it with ESTALE.
"""

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, Literal, TypeAlias, TypeVar

from momentum_node.config.model import Address
from momentum_node.duravip.records import (
    AUTOMATIC,
    FLOATING,
    NO_MAC,
    PACKET_RECORDS,
    Kind,
    Record,
    receive_records,
    send_records,
)
from momentum_node.errors import DriverError, ProtocolError

Mac: TypeAlias = str
"""Six bytes, hexadecimal, with colons."""


def mac_bytes(mac: Mac) -> bytes:
    """As frames and messages carry it."""
    return bytes.fromhex(mac.replace(":", ""))


T = TypeVar("T")
Read: TypeAlias = Callable[[Record, int | None], T]
"""What a reply and its descriptor mean."""

ANSWERS_PER_TURN: Final = 64
"""Read in one turn of the loop: each makes a task go on, and the heartbeat must not wait for thousands of them."""

EventKind: TypeAlias = Literal["vanished", "restored", "link-down", "link-up", "conflict", "isolated", "gone"]

WHAT_TO_DO: Final = {
    errno.EPERM: "the supervisor lacks NET_ADMIN, NET_RAW or NET_BIND_SERVICE",
    errno.EACCES: "the supervisor lacks NET_BIND_SERVICE",
    errno.ENODEV: "this host has no such interface: correct the Topology, or the host's network",
    errno.ENETDOWN: "the interface is down or has no carrier",
    errno.EEXIST: "this host has the address already, and not from us: remove it there",
    errno.EBUSY: "it is held on another interface or with another prefix length: unplumb it first",
    errno.EADDRINUSE: "another process listens there: stop it or change the port",
    errno.EADDRNOTAVAIL: "the address is not on this host",
    errno.ESTALE: "every address was given up meanwhile",
    errno.ENOSPC: "the plumb journal cannot be written: free some space",
    errno.EROFS: "the plumb journal cannot be written: mount its directory read-write",
}


class SupervisorError(DriverError):
    """The supervisor, the kernel or the wire refused; `errno` says how (errno(3)), 0 = the supervisor is gone."""

    def __init__(self, what: str, number: int) -> None:
        advice = WHAT_TO_DO.get(number, os.strerror(number) if number else "the supervisor is gone")
        super().__init__(f"{what}: {advice}")
        self.errno = number


@dataclass(frozen=True, slots=True)
class SupervisorEvent:
    """What happened without being asked for.

    `vanished`   somebody removed `address`, and it could not be put back (`detail` = why)
    `restored`   somebody removed `address`, and it is back; `count` of these so far
    `link-down`, `link-up`   of `interface`, which has the hardware address `mac`; told for each when the core starts
    `conflict`   the host `mac` announces `address`, which we hold
    `isolated`   every address was given up (`detail` = why that is): join anew
    `gone`       the supervisor closed the link: end
    """

    kind: EventKind
    interface: str = ""
    address: Address | None = None
    mac: Mac | None = None
    detail: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class HeldAddress:
    """One address that the supervisor holds in the kernel for us."""

    interface: str
    address: Address
    prefix_length: int


@dataclass(slots=True)
class Pending:
    """A request under way: in words, if it fails; whom its result concerns; what came for it so far."""

    what: str
    about: tuple[object, ...]
    result: "asyncio.Future[Any]"
    read: Read[Any]
    listed: list[HeldAddress]

    def fails(self, number: int) -> None:
        """Tell who waits, if anybody does."""
        if not self.result.done():
            self.result.set_exception(SupervisorError(self.what.format(*self.about), number))

    def succeeds(self, record: Record, descriptor: int | None) -> None:
        """The same."""
        try:
            self.result.set_result(self.read(record, descriptor))
        except ProtocolError as error:
            self.result.set_exception(error)


class SupervisorLink:
    """One socket to the supervisor, on the running loop. Calls raise `SupervisorError`, also when the link ends."""

    def __init__(self, sock: socket.socket) -> None:
        self.on_event: Callable[[SupervisorEvent], None] = lambda _event: None
        self._sock = sock
        self._sock.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, Pending] = {}
        self._unsent: deque[Record] = deque()
        self._last_id = 0
        self._epoch = 0
        self._is_open = True
        self._is_flushing = False  # soon, or when the socket takes more
        self._loop.add_reader(sock.fileno(), self._on_readable)

    # -- calls -----------------------------------------------------------------------------------

    def probe(self, interface: str, address: Address) -> "asyncio.Future[Mac | None]":
        """Who on the wire answers for `address`; None = nobody, after 40 ms."""
        record = Record(Kind.PROBE, interface=interface, address=address.packed)
        return self._ask(record, _who, "{} cannot be asked for on {}", address, interface)

    def plumb(self, interface: str, address: Address, prefix_length: int) -> "asyncio.Future[None]":
        """Put `address` on `interface`, with a lifetime that the supervisor renews while `heartbeat` is heard."""
        record = Record(Kind.ADD, interface=interface, address=address.packed, prefix_length=prefix_length)
        return self._ask(record, _done, "{}/{} cannot be plumbed on {}", address, prefix_length, interface)

    def unplumb(self, address: Address) -> "asyncio.Future[None]":
        """End its floating listeners, reset its connections, delete it. Done when the kernel has confirmed."""
        return self._ask(Record(Kind.REMOVE, address=address.packed), _done, "{} cannot be unplumbed", address)

    def announce(self, address: Address) -> "asyncio.Future[None]":
        """Start its announcements (ARP, neighbour advertisements); they go on by themselves for 10 s."""
        return self._ask(Record(Kind.ANNOUNCE, address=address.packed), _done, "{} cannot be announced", address)

    def announce_again(self, addresses: Iterable[Address]) -> None:
        """The same for those that the neighbours know already: what is new goes first. Nobody answers."""
        for address in addresses:
            self._say(Record(Kind.ANNOUNCE, address=address.packed, number=1))

    def tell_neighbour(self, address: Address, mac: bytes) -> None:
        """Tell one host where `address` is, if it is held. Nobody answers."""
        self._say(Record(Kind.TELL, address=address.packed, mac=mac))

    def open_listener(
        self, address: Address | None, port: int, backlog: int, floating: bool = False
    ) -> "asyncio.Future[socket.socket]":
        """A bound, listening socket; the caller owns this copy. `address` None = any IPv4 address.

        `floating`: the address is a DuraVIP; it need not be on this host yet, and `unplumb` ends the listener.
        """
        record = Record(
            Kind.OPEN,
            address=b"" if address is None else address.packed,
            port=port,
            backlog=backlog,
            flags=FLOATING if floating else 0,
        )
        return self._ask(record, _socket, "cannot listen on {}:{}", address or "*", port)

    def close_listener(self, address: Address | None, port: int) -> "asyncio.Future[None]":
        """Stop every process that accepts there."""
        record = Record(Kind.CLOSE, address=b"" if address is None else address.packed, port=port)
        return self._ask(record, _done, "cannot close the listener {}:{}", address or "*", port)

    def destroy_sockets(self, address: Address) -> "asyncio.Future[None]":
        """Reset every TCP connection whose local address this is."""
        return self._ask(
            Record(Kind.DESTROY, address=address.packed), _done, "connections of {} cannot be reset", address
        )

    async def held(self) -> tuple[HeldAddress, ...]:
        """What the supervisor holds in the kernel now."""
        pending = self._send(Record(Kind.LIST), _done, "the held addresses cannot be listed")
        await pending.result
        return tuple(pending.listed)

    def set_lifetime(self, seconds: int | None) -> "asyncio.Future[None]":
        """How long the kernel keeps an address without us; None = 2 s, or 10 above 512 addresses; 0 = for ever."""
        number = AUTOMATIC if seconds is None else seconds
        return self._ask(Record(Kind.LIFETIME, number=number), _done, "a lifetime of {} s cannot be set", seconds)

    def set_quiet(self, is_quiet: bool) -> "asyncio.Future[None]":
        """Whether announcements are not broadcast: then only `tell_neighbour` tells anybody."""
        return self._ask(Record(Kind.QUIET, number=int(is_quiet)), _done, "announcements cannot be changed")

    def look(self) -> "asyncio.Future[None]":
        """Have the held addresses compared with the kernel's now; what is missing is put back and told as an event."""
        return self._ask(Record(Kind.LOOK), _done, "the held addresses cannot be compared")

    def heartbeat(self) -> None:
        """This loop runs. To be called every 100 ms: after 1 s without, the supervisor kills this process."""
        if self._is_open:
            self._unsent.appendleft(Record(Kind.HEARTBEAT))
            self._flush()

    def close(self) -> None:
        """End the link: the supervisor gives up every address at once."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        for pending in self._pending.values():
            pending.fails(0)
        self._pending.clear()

    # -- the wire --------------------------------------------------------------------------------

    def _say(self, record: Record) -> None:
        if self._is_open:
            self._unsent.append(record)
            self._flush_soon()

    def _ask(self, record: Record, read: Read[T], what: str, *about: object) -> "asyncio.Future[T]":
        return self._send(record, read, what, *about).result

    def _send(self, record: Record, read: Read[Any], what: str, *about: object) -> Pending:
        pending = Pending(what, about, self._loop.create_future(), read, [])
        if not self._is_open:
            pending.fails(0)
            return pending
        self._last_id = self._last_id % 0xFFFF_FFFF + 1
        self._pending[self._last_id] = pending
        self._unsent.append(Record(record.kind, self._last_id, self._epoch, *record[3:]))
        self._flush_soon()
        return pending

    def _flush_soon(self) -> None:
        """With whatever else this turn of the loop asks for: the supervisor carries it out together."""
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        try:
            while self._is_open and (packet := self._packet()):
                send_records(self._sock, packet)
        except BlockingIOError:
            self._unsent.extendleft(reversed(packet))
            self._is_flushing = True
            self._loop.add_writer(self._sock.fileno(), self._on_writable)
        except OSError:
            self._on_end()

    def _packet(self) -> list[Record]:
        """What goes together now, taken from the queue."""
        packet: list[Record] = []
        while self._unsent and len(packet) < PACKET_RECORDS:
            record = self._unsent.popleft()
            if not self._is_void(record):
                packet.append(record)
        return packet

    def _is_void(self, record: Record) -> bool:
        """Nobody waits for it any more: an address whose ticket is gone is not plumbed first and removed then (S7)."""
        pending = self._pending.get(record.id)
        if pending is None or not pending.result.done():
            return False
        del self._pending[record.id]
        return True

    def _on_writable(self) -> None:
        self._loop.remove_writer(self._sock.fileno())
        self._flush()

    def _on_readable(self) -> None:
        try:
            taken = 0
            while self._is_open and taken < ANSWERS_PER_TURN:
                received = receive_records(self._sock)
                if received is None:
                    self._on_end()
                    return
                records, descriptor = received
                taken += len(records)
                for record in records:
                    self._take(record, descriptor)
        except BlockingIOError:
            return
        except (OSError, ProtocolError):
            self._on_end()

    def _on_end(self) -> None:
        if self._is_open:
            self.close()
            self.on_event(SupervisorEvent("gone", detail="the supervisor closed the link"))

    def _take(self, record: Record, descriptor: int | None) -> None:
        if record.kind is Kind.LISTED and record.id in self._pending:
            address = ip_address(record.address)
            held = HeldAddress(record.interface, address, record.prefix_length)
            self._pending[record.id].listed.append(held)
        elif record.kind is Kind.REPLY:
            self._settle(record, descriptor)
        else:
            if record.kind is Kind.ISOLATED:
                self._isolated(record.epoch)
            self.on_event(_event(record))

    def _settle(self, record: Record, descriptor: int | None) -> None:
        pending = self._pending.pop(record.id, None)
        if pending is None or pending.result.done():  # cancelled
            if descriptor is not None:
                os.close(descriptor)
        elif record.errno:
            pending.fails(record.errno)
        else:
            pending.succeeds(record, descriptor)

    def _isolated(self, epoch: int) -> None:
        """What was asked before is void; what is asked from now on was decided knowing it."""
        self._epoch = epoch
        waiting, self._pending = self._pending, {}
        self._unsent.clear()
        for pending in waiting.values():
            pending.fails(errno.ESTALE)


async def connect_supervisor(descriptor: int) -> SupervisorLink:
    """The link over the socketpair end that the supervisor left us (environment MOMENTUM_SUPERVISOR_FD)."""
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    return SupervisorLink(sock)


def _done(_record: Record, _descriptor: int | None) -> None:
    """It is done, and that is all."""


def _who(record: Record, _descriptor: int | None) -> Mac | None:
    return None if record.mac == NO_MAC else record.mac.hex(":")


def _socket(_record: Record, descriptor: int | None) -> socket.socket:
    if descriptor is None:
        raise ProtocolError("the supervisor sent no socket for a listener")
    return socket.socket(fileno=descriptor)


_EVENTS: Final[dict[Kind, EventKind]] = {
    Kind.VANISHED: "vanished",
    Kind.RESTORED: "restored",
    Kind.LINK_DOWN: "link-down",
    Kind.LINK_UP: "link-up",
    Kind.CONFLICT: "conflict",
    Kind.ISOLATED: "isolated",
}


def _event(record: Record) -> SupervisorEvent:
    detail = os.strerror(record.errno) if record.errno else ""
    if record.kind is Kind.ISOLATED:
        detail = "the supervisor was stopped for longer than leases allow, and gave every address up"
    return SupervisorEvent(
        _EVENTS[record.kind],
        interface=record.interface,
        address=ip_address(record.address) if record.address else None,
        mac=None if record.mac == NO_MAC else record.mac.hex(":"),
        detail=detail,
        count=record.number,
    )
