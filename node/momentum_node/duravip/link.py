"""The core's end of the link to its supervisor: typed calls in, results and events out (records.py has the bytes).

Requests are carried out in the order they were made. A call that is cancelled may have been carried out all the same:
undo what you asked for, do not assume. After `isolated` the supervisor refuses what was asked before it with ESTALE.
"""

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal, TypeAlias

from momentum_node.config.model import Address
from momentum_node.duravip.records import AUTOMATIC, FLOATING, NO_MAC, Kind, Record, receive_record, send_record
from momentum_node.errors import DriverError, ProtocolError

Mac: TypeAlias = str
"""Six bytes, hexadecimal, with colons."""


def mac_bytes(mac: Mac) -> bytes:
    """As frames and messages carry it."""
    return bytes.fromhex(mac.replace(":", ""))


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
    """A request under way: `what` it was, in words, and what came for it so far."""

    what: str
    result: "asyncio.Future[tuple[Record, int | None]]"
    listed: list[HeldAddress]


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
        self._loop.add_reader(sock.fileno(), self._on_readable)

    # -- calls -----------------------------------------------------------------------------------

    async def probe(self, interface: str, address: Address) -> Mac | None:
        """Who on the wire answers for `address`; None = nobody, after 40 ms."""
        record = Record(Kind.PROBE, interface=interface, address=address.packed)
        reply, _ = await self._ask(record, f"{address} cannot be asked for on {interface}")
        return None if reply.mac == NO_MAC else reply.mac.hex(":")

    async def plumb(self, interface: str, address: Address, prefix_length: int) -> None:
        """Put `address` on `interface`, with a lifetime that the supervisor renews while `heartbeat` is heard."""
        record = Record(Kind.ADD, interface=interface, address=address.packed, prefix_length=prefix_length)
        await self._ask(record, f"{address}/{prefix_length} cannot be plumbed on {interface}")

    async def unplumb(self, address: Address) -> None:
        """End its floating listeners, reset its connections, delete it. Returns when the kernel has confirmed."""
        await self._ask(Record(Kind.REMOVE, address=address.packed), f"{address} cannot be unplumbed")

    async def announce(self, address: Address) -> None:
        """Start its announcements (ARP, neighbour advertisements); they go on by themselves for 10 s."""
        await self._ask(Record(Kind.ANNOUNCE, address=address.packed), f"{address} cannot be announced")

    def tell_neighbour(self, address: Address, mac: bytes) -> None:
        """Tell one host where `address` is, if it is held. Nobody answers."""
        if self._is_open:
            self._unsent.append(Record(Kind.TELL, address=address.packed, mac=mac))
            self._flush()

    async def open_listener(
        self, address: Address | None, port: int, backlog: int, floating: bool = False
    ) -> socket.socket:
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
        endpoint = f"{address or '*'}:{port}"
        _, descriptor = await self._ask(record, f"cannot listen on {endpoint}")
        if descriptor is None:
            raise ProtocolError(f"the supervisor sent no socket for {endpoint}")
        return socket.socket(fileno=descriptor)

    async def close_listener(self, address: Address | None, port: int) -> None:
        """Stop every process that accepts there."""
        record = Record(Kind.CLOSE, address=b"" if address is None else address.packed, port=port)
        await self._ask(record, f"cannot close the listener {address or '*'}:{port}")

    async def destroy_sockets(self, address: Address) -> None:
        """Reset every TCP connection whose local address this is."""
        await self._ask(Record(Kind.DESTROY, address=address.packed), f"connections of {address} cannot be reset")

    async def held(self) -> tuple[HeldAddress, ...]:
        """What the supervisor holds in the kernel now."""
        pending = self._send(Record(Kind.LIST), "the held addresses cannot be listed")
        await pending.result
        return tuple(pending.listed)

    async def set_lifetime(self, seconds: int | None) -> None:
        """How long the kernel keeps an address without us; None = 2 s, or 10 above 512 addresses; 0 = for ever."""
        number = AUTOMATIC if seconds is None else seconds
        await self._ask(Record(Kind.LIFETIME, number=number), f"a lifetime of {seconds} s cannot be set")

    async def set_quiet(self, is_quiet: bool) -> None:
        """Whether announcements are not broadcast: then only `tell_neighbour` tells anybody."""
        await self._ask(Record(Kind.QUIET, number=int(is_quiet)), "announcements cannot be changed")

    async def look(self) -> None:
        """Have the held addresses compared with the kernel's now; what is missing is put back and told as an event."""
        await self._ask(Record(Kind.LOOK), "the held addresses cannot be compared")

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
            if not pending.result.done():
                pending.result.set_exception(SupervisorError(pending.what, 0))
        self._pending.clear()

    # -- the wire --------------------------------------------------------------------------------

    async def _ask(self, record: Record, what: str) -> tuple[Record, int | None]:
        return await self._send(record, what).result

    def _send(self, record: Record, what: str) -> Pending:
        pending = Pending(what, self._loop.create_future(), [])
        if not self._is_open:
            raise SupervisorError(what, 0)
        self._last_id = self._last_id % 0xFFFF_FFFF + 1
        self._pending[self._last_id] = pending
        self._unsent.append(_numbered(record, self._last_id, self._epoch))
        self._flush()
        return pending

    def _flush(self) -> None:
        try:
            while self._unsent:
                send_record(self._sock, self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            self._loop.add_writer(self._sock.fileno(), self._flush)
            return
        except OSError:
            self._on_end()
            return
        self._loop.remove_writer(self._sock.fileno())

    def _on_readable(self) -> None:
        try:
            while self._is_open and (received := receive_record(self._sock)) is not None:
                self._take(*received)
        except BlockingIOError:
            return
        except (OSError, ProtocolError):
            self._on_end()
            return
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
            pending.result.set_exception(SupervisorError(pending.what, record.errno))
        else:
            pending.result.set_result((record, descriptor))

    def _isolated(self, epoch: int) -> None:
        """What was asked before is void; what is asked from now on was decided knowing it."""
        self._epoch = epoch
        waiting, self._pending = self._pending, {}
        self._unsent.clear()
        for pending in waiting.values():
            if not pending.result.done():
                pending.result.set_exception(SupervisorError(pending.what, errno.ESTALE))


async def connect_supervisor(descriptor: int) -> SupervisorLink:
    """The link over the socketpair end that the supervisor left us (environment MOMENTUM_SUPERVISOR_FD)."""
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    return SupervisorLink(sock)


def _numbered(record: Record, request: int, epoch: int) -> Record:
    return Record(
        record.kind,
        id=request,
        epoch=epoch,
        address=record.address,
        prefix_length=record.prefix_length,
        interface=record.interface,
        port=record.port,
        backlog=record.backlog,
        flags=record.flags,
        number=record.number,
    )


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
