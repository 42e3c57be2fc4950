"""Carries out what the core asks for: the one place that joins leases, wire, sockets and listeners. Decides no address.

    records in   `execute`       one batch; what is of one kind shares a netlink batch (batches.py)
    time passes  `tick`          renewals, probes, announcements
    records out  `outbox`        replies and events, each with a descriptor or None

Whoever drives it calls `give_up_all` when the core is dead, stalled, or the clock jumped.
"""

import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from momentum_node.duravip.announcing import Announcer
from momentum_node.duravip.batches import batches
from momentum_node.duravip.ether import Claim, Ether
from momentum_node.duravip.journal import PlumbJournal
from momentum_node.duravip.leases import Leases, Turned
from momentum_node.duravip.listeners import Listeners
from momentum_node.duravip.probing import Prober, Verdict
from momentum_node.duravip.records import FLOATING, NO_MAC, Kind, Record
from momentum_node.duravip.rtnetlink import (
    AddressDeleted,
    InterfaceAddress,
    Link,
    LinkChanged,
    RouteEvents,
    RouteSocket,
)
from momentum_node.duravip.sockdiag import SockDiag
from momentum_node.errors import DriverError

ANNOUNCE_SLICE = 64
"""Announcements in one go, so that a renewal or a lost address never waits behind hundreds of packets."""
CONFLICT_PAUSE_S = 1.0


class Executor:
    """Everything that needs a privilege. One object for the life of the supervisor."""

    def __init__(self, journal: PlumbJournal, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._route = RouteSocket()
        self._events = RouteEvents()
        self._diag = SockDiag()
        self._ether = Ether()
        self._prober = Prober()
        self._announcer = Announcer()
        self._conflicts: dict[bytes, float] = {}
        self._links = {link.name: link for link in self._route.links()}
        self._restored = 0
        self.listeners = Listeners()
        self.leases = Leases(self._route, journal, clock)
        self.epoch = 0
        self.outbox: deque[tuple[Record, int | None]] = deque()

    # -- life ------------------------------------------------------------------------------------

    def filenos(self) -> list[int]:
        """What to wait on besides the core's socket; `hear` reads them."""
        return [self._events.fileno(), *self._ether.filenos()]

    def clean(self) -> int:
        """Remove what an earlier run left on any interface; how many addresses."""
        return self.leases.clean(self._links.values())

    def greet(self) -> None:
        """A new core: tell it which links there are. It counts isolations from none, as its link does."""
        self.outbox.clear()
        self.epoch = 0
        self._prober.forget()
        for link in self._links.values():
            self._tell_link(link, is_up=link.is_up)

    def give_up_all(self) -> int:
        """No address of ours, no floating listener, no connection of them stays; how many addresses there were."""
        addresses = [held.entry.address for held in self.leases.held()]
        self.listeners.core_ended()
        self._prober.forget()
        self._release(addresses)
        return len(addresses)

    def isolate(self) -> None:
        """Give everything up and tell the core; what it asked for before it knows is refused."""
        self.give_up_all()
        self.epoch += 1
        self.outbox.append((Record(Kind.ISOLATED, epoch=self.epoch), None))

    # -- records ---------------------------------------------------------------------------------

    def execute(self, records: Iterable[Record]) -> None:
        """Carry out one batch; the replies are in the outbox, those of probes follow when there is a verdict."""
        for kind, group in batches(records):
            self._execute(kind, group)

    def _execute(self, kind: Kind, records: list[Record]) -> None:
        match kind:
            case Kind.ADD:
                self._reply_all(records, self._add([r for r in records if r.epoch == self.epoch]))
            case Kind.REMOVE:
                self._reply_all(records, self._release([record.address for record in records]))
            case Kind.DESTROY:
                error = self._destroy([record.address for record in records])
                self._reply_all(records, dict.fromkeys((record.address for record in records), error))
            case Kind.LIFETIME | Kind.QUIET | Kind.LOOK:
                for record in records:
                    self._instruct(record)
            case _:
                for record in records:
                    self._execute_one(record)

    def _execute_one(self, record: Record) -> None:
        match record.kind:
            case Kind.PROBE:
                self._prober.ask(record.id, record.interface, record.address, self._clock())
            case Kind.ANNOUNCE:
                held = record.address in self.leases
                if held:
                    self._announcer.start(record.address, self._clock(), is_known=bool(record.number))
                self._reply(record, 0 if held else errno.EADDRNOTAVAIL)
            case Kind.TELL:
                link = self._links.get(self.leases.interface_of(record.address) or "")
                if link is not None:
                    self._ether.tell(link, record.address, record.mac)
            case Kind.OPEN:
                self._open(record)
            case Kind.CLOSE:
                self.listeners.close(record.address, record.port)
                self._reply(record, 0)
            case Kind.LIST:
                self._list(record)

    def _instruct(self, record: Record) -> None:
        if record.kind is Kind.LIFETIME:
            self.leases.set_lifetime(record.number)
        elif record.kind is Kind.QUIET:
            self._announcer.be_quiet(bool(record.number))
        else:
            self._turned(self.leases.look())
        self._reply(record, 0)

    def _add(self, records: Sequence[Record]) -> dict[bytes, int]:
        known = [record for record in records if record.interface in self._links]
        wanted = [
            (r.interface, InterfaceAddress(self._links[r.interface].index, r.address, r.prefix_length)) for r in known
        ]
        results = dict.fromkeys((record.address for record in records), errno.ENODEV)
        try:
            results |= dict(zip((record.address for record in known), self.leases.add(wanted), strict=True))
        except OSError as error:  # the journal cannot be written: nothing was added
            results = dict.fromkeys(results, error.errno or errno.EIO)
        return results

    def _release(self, addresses: Sequence[bytes]) -> dict[bytes, int]:
        """End listeners, reset connections, delete: in this order, or peers never learn (failover finding 10)."""
        for address in addresses:
            self._announcer.stop(address)
        self.listeners.give_up(set(addresses))
        self._destroy([address for address in addresses if address in self.leases])
        return dict(zip(addresses, self.leases.remove(addresses), strict=True))

    def _destroy(self, addresses: Sequence[bytes]) -> int:
        if not addresses:
            return 0
        try:
            self._diag.destroy(addresses)
        except (DriverError, OSError):  # connections then end by their own time-outs; the address must go all the same
            return errno.EOPNOTSUPP
        return 0

    def _open(self, record: Record) -> None:
        floating = bool(record.flags & FLOATING)
        if floating and record.epoch != self.epoch:
            self._reply(record, errno.ESTALE)
            return
        try:
            sock = self.listeners.open(record.address, record.port, record.backlog, floating)
        except OSError as error:
            self._reply(record, error.errno or errno.EIO)
            return
        self.outbox.append((Record(Kind.REPLY, id=record.id), os.dup(sock.fileno())))

    def _list(self, record: Record) -> None:
        held = self.leases.held()
        for each in held:
            entry = each.entry
            listed = Record(
                Kind.LISTED,
                id=record.id,
                interface=each.interface,
                address=entry.address,
                prefix_length=entry.prefix_length,
            )
            self.outbox.append((listed, None))
        self.outbox.append((Record(Kind.REPLY, id=record.id, number=len(held)), None))

    def _reply(self, record: Record, error: int) -> None:
        if record.id:
            self.outbox.append((Record(Kind.REPLY, id=record.id, errno=error), None))

    def _reply_all(self, records: Iterable[Record], results: dict[bytes, int]) -> None:
        for record in records:
            self._reply(record, results.get(record.address, errno.ESTALE))

    # -- what the kernel and the wire say --------------------------------------------------------

    def hear(self) -> None:
        """Read every event and packet that is there."""
        events = self._events.read()
        if events is None:  # some were lost
            self._links_changed([LinkChanged(link, gone=False) for link in self._route.links()])
            self._turned(self.leases.look())
        else:
            self._links_changed([event for event in events if isinstance(event, LinkChanged)])
            if deleted := [event for event in events if isinstance(event, AddressDeleted)]:
                self._turned(self.leases.deleted(deleted))
        for claim in self._ether.claims():
            self._claimed(claim)

    def _links_changed(self, changes: Iterable[LinkChanged]) -> None:
        for change in changes:
            link, before = change.link, self._links.get(change.link.name)
            is_up = link.is_up and not change.gone
            self._links[link.name] = link
            if change.gone:
                del self._links[link.name]
            if before is None or (before.is_up, before.mac) != (is_up, link.mac):
                self._tell_link(link, is_up=is_up)
                if is_up:
                    self._announce_all(link.name)

    def _tell_link(self, link: Link, *, is_up: bool) -> None:
        mac = link.mac if len(link.mac) == len(NO_MAC) else NO_MAC  # another hardware than Ethernet carries no address
        self.outbox.append((Record(Kind.LINK_UP if is_up else Kind.LINK_DOWN, interface=link.name, mac=mac), None))

    def _announce_all(self, interface: str) -> None:
        """The carrier is back: the switch may have learnt anything meanwhile (failover R7)."""
        for held in self.leases.held():
            if held.interface == interface:
                self._announcer.start(held.entry.address, self._clock())

    def _turned(self, turned: Iterable[Turned]) -> None:
        for each in turned:
            kind, number = Kind.VANISHED, 0
            if not each.error:
                self._restored += 1
                kind, number = Kind.RESTORED, self._restored
                self._announcer.start(each.address, self._clock())
            record = Record(kind, interface=each.interface, address=each.address, errno=each.error, number=number)
            self.outbox.append((record, None))

    def _claimed(self, claim: Claim) -> None:
        link = self._links.get(claim.interface)
        if link is None or claim.mac == link.mac:
            return
        self._verdicts(self._prober.answered(claim.interface, claim.address, claim.mac))
        now = self._clock()
        if self.leases.interface_of(claim.address) != claim.interface:
            return
        if now - self._conflicts.get(claim.address, -CONFLICT_PAUSE_S) >= CONFLICT_PAUSE_S:
            self._conflicts[claim.address] = now
            conflict = Record(Kind.CONFLICT, interface=claim.interface, address=claim.address, mac=claim.mac)
            self.outbox.append((conflict, None))

    # -- time ------------------------------------------------------------------------------------

    def renew(self, since: float) -> None:
        """Renew what is due. Raises `LateRenewal`: then everything must be given up at once."""
        due = self.leases.next_renewal()
        if due is not None and due <= since:
            self._turned(self.leases.renew(since))

    def tick(self, now: float) -> None:
        """Send the probes and announcements that are due, and judge silence. To be called after `hear`."""
        self._verdicts(self._prober.silent(now))
        for interface, address in self._prober.due(now):
            self._probe(interface, address)
        for address in self._announcer.due(now, ANNOUNCE_SLICE):
            link = self._links.get(self.leases.interface_of(address) or "")
            if link is not None:
                self._ether.announce(link, address)

    def next_time(self, now: float) -> float | None:
        """When to call `renew` and `tick` again."""
        times = (self.leases.next_renewal(), self._prober.next_time(), self._announcer.next_time(now))
        return min((time for time in times if time is not None), default=None)

    def _probe(self, interface: str, address: bytes) -> None:
        error = self._send_probe(self._links.get(interface), address)
        if error:
            for request in self._prober.failed(interface, address):
                self.outbox.append((Record(Kind.REPLY, id=request, errno=error), None))

    def _send_probe(self, link: Link | None, address: bytes) -> int:
        if link is None:
            return errno.ENODEV
        if not link.is_up:
            return errno.ENETDOWN
        try:
            self._ether.probe(link, address)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def _verdicts(self, verdicts: Iterable[Verdict]) -> None:
        for verdict in verdicts:
            self.outbox.append((Record(Kind.REPLY, id=verdict.request, mac=verdict.mac or NO_MAC), None))
