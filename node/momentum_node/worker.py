"""A mail worker: the process that touches bytes from strangers. Composes reception, spool and delivery.

Listening sockets and addresses come from the core; without it the worker takes no new connection and opens none, but
finishes what it has. Its shard of the spool is its own; several workers share nothing but the listening sockets.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Final

import uvloop

from momentum_node import __version__, clock, generation, log, settings
from momentum_node import worker_link as wire
from momentum_node.assigner import Assigner
from momentum_node.audit.tally import ClientTally
from momentum_node.config.model import Address
from momentum_node.config.stanzas import Containers
from momentum_node.core_link import CoreLink
from momentum_node.departures import Departures, until
from momentum_node.descriptors import DEFAULT_MOST, raise_limit
from momentum_node.errors import ConfigurationError, MomentumError
from momentum_node.findings import HostRests, Inquire, Knows, LookupFails
from momentum_node.garbage import keep_searches_short
from momentum_node.limits.door import Door
from momentum_node.limits.figures import QueueFigures
from momentum_node.logs.sink import Hub
from momentum_node.looplag import LoopLag
from momentum_node.mmove.mover import Mover, Place
from momentum_node.mmove.rebinding import Rebinding
from momentum_node.privileges import drop_capabilities
from momentum_node.smtp import reply as say
from momentum_node.smtp.admission import Admission
from momentum_node.smtp.inbound import Inbound
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.resolver import Resolver
from momentum_node.sockets import Sockets
from momentum_node.spool.assignment import DEFAULT
from momentum_node.spool.delivery import TICK_S, Delivery
from momentum_node.spool.knowledge import word
from momentum_node.spool.lookup import Lookup
from momentum_node.spool.message import Message
from momentum_node.spool.room import Room
from momentum_node.spool.schedule import TOO_OLD, Key
from momentum_node.spool.shards import Shards
from momentum_node.spool.telling import Teller

HAND_OVER_S: Final = 95.0  # the core hands over addresses for 30 s and waits for their mail for 60 s, then it ends
SESSION_GRACE_S: Final = 5.0
DELIVERY_GRACE_S: Final = 30.0
TICKS_PER_FIGURES: Final = 4
ALIVE_S: Final = 1.0


class Worker:
    """The composition root. Implements what reception and the link to the core ask for."""

    def __init__(self, own: settings.Settings, lookup: Lookup, index: int, workers: int) -> None:
        self.index = index
        self.product = f"momentum-cluster {__version__}"
        self.sessions: set[Inbound] = set()
        self.bodies: Executor = ThreadPoolExecutor(4, "bodies")
        self.teller = Teller(Hub())
        self._settings = own
        self._lookup = lookup
        base = Path(os.environ.get("MOMENTUM_SPOOL") or lookup.node.spool_base)
        self._shards = Shards(base, index, workers)
        self.room = Room(base)
        self._link = CoreLink(own.worker_socket, wire.Hello(index, os.getpid()), self._on_frame, self._core_lost)
        stores = self._shards.stores
        place = Place(own.cluster_socket, index, workers)
        need = self._shards.need
        self._mover = Mover(place, stores, self.bodies, self._queue, need, self.teller, self._is_full, self._expire)
        self._delivery = Delivery(stores, Resolver(), self._link.send, self._mover, self.teller, own.nodes)
        self._delivery.settling.leaves_by = self._binding_of_bounces
        self.teller.routing_domain_of = self._delivery.routing.domain
        self._departures = Departures(self._delivery.sources, self.sessions, self._link.send)
        self._reloading: asyncio.Task[None] | None = None
        self._is_outdated = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._received = 0
        self._queue_figures = QueueFigures()
        self._lag = LoopLag()
        self._is_stopping = False
        self.stop = asyncio.Event()
        self._opened = asyncio.Event()
        self._name = ""  # of this node in views
        self.store = self._shards.own
        self._door = Door(self._link.send)
        self._tally = ClientTally(self._link.send, self.teller.hub)
        self.admission = Admission(self.product, self._refusal, self._door, self._tally.came)
        self._sockets = Sockets(self.admission, lambda key: Inbound(self, key))
        self.assigner = Assigner(lookup, self._delivery.sources.holds)
        self._mover.rebinding = Rebinding(self.assigner)
        self._use(lookup)

    # -- life

    async def run(self) -> None:
        """Until SIGTERM, or `stop`; then finish, and return."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop.set)
        self._mover.configure(self._lookup)
        self._delivery.configure(self._lookup, self._hostname)
        link = asyncio.create_task(self._link.run())
        beat, tick, alive = (asyncio.create_task(work) for work in (self._beat(), self._tick(), self._alive()))
        ends = asyncio.create_task(self.stop.wait())
        self._spawn(self.admission.contexts.watch())
        self._spawn(self._mover.link.run())
        done, _ = await asyncio.wait({link, beat, tick, alive, ends}, return_when=asyncio.FIRST_COMPLETED)
        failed = next((one for one in done if one is not ends), None)
        await self._stop()
        for task in (link, beat, tick, alive, *self._tasks):
            task.cancel()
        await asyncio.gather(link, beat, tick, alive, *self._tasks, return_exceptions=True)
        if failed is not None and not failed.cancelled():
            failed.result()

    async def _stop(self) -> None:
        # All containers of a pod get their SIGTERM at once, but the core needs us until it has handed over; not one who
        # still waits for its shard, and hears nothing of the core meanwhile.
        await until(lambda: not (self._link.is_connected and self._opened.is_set()), HAND_OVER_S)
        self._is_stopping = True
        self._sockets.close_all()
        for session in list(self.sessions):
            session.end(say.SHUTTING_DOWN)
        self._mover.close()
        deliveries = asyncio.create_task(self._delivery.close(DELIVERY_GRACE_S))
        await until(lambda: not self.sessions, SESSION_GRACE_S)
        for session in list(self.sessions):
            session.abort(say.SHUTTING_DOWN)
        await deliveries
        await self._shards.close()

    async def _beat(self) -> None:
        while True:
            self._link.send(
                wire.Heartbeat(
                    accepting=self._opened.is_set() and not self._is_stopping,
                    sessions=len(self.sessions),
                    queued=self._delivery.schedule.count() + self._mover.moving + self._mover.held,
                    received=self._received,
                    delivered=self._delivery.tally.delivered,
                    failed=self._delivery.tally.failed,
                    moving=self._mover.moving + self._delivery.is_sorting if self._mover.is_able else 0,
                )
            )
            await asyncio.sleep(wire.HEARTBEAT_INTERVAL_S)

    async def _tick(self) -> None:
        self._lag.watch()
        for number in count(1):
            await asyncio.sleep(TICK_S)
            if number % TICKS_PER_FIGURES == 0:
                self._link.send(self._figures())
            self._delivery.tick()
            self._mover.tick()

    def _figures(self) -> wire.Figures:
        queues, active, oldest_s = self._queue_figures.of(self._delivery.schedule, clock.wall())
        stores, tally = list(self._shards.all()), self._delivery.tally
        return wire.Figures(
            by_class=tuple(tally.by_class.items()),
            queues=(*queues, *self._mover.queues()),
            active=active,
            oldest_s=oldest_s,
            commits=sum(store.commits for store in stores),
            commit_s=sum(store.commit_s for store in stores),
            loop_lag_s=self._lag.take_most_s(),
            quarantined=sum(store.quarantined for store in stores),
            policy_failures=self.assigner.policy_failures,
            signed=tally.signed,
            moved=self._mover.moved,
            arrived=self._mover.arrived,
            held=self._mover.held,
            secured=tuple(tally.secured.items()),
            loop_delays=tuple(self._lag.counts),
            loop_delay_s=self._lag.sum_s,
        )

    async def _alive(self) -> None:
        """Tell our manager that this loop runs."""
        descriptor = os.environ.get("MOMENTUM_ALIVE_FD")
        while descriptor is not None:
            os.write(int(descriptor), b".")
            await asyncio.sleep(ALIVE_S)
        await asyncio.Event().wait()

    def _spawn(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- what reception asks

    def _refusal(self, local: Address) -> Reply | None:
        """What every client of this address is told now."""
        if self._is_stopping:
            return say.SHUTTING_DOWN
        if self._departures.refuses(local):
            return say.ADDRESS_MOVES
        return say.RESOURCES_EXHAUSTED if self.room.is_full else None

    def _expire(self, message: Message) -> None:
        """It grew too old on its way to another node."""
        options = self._lookup.outbound(message.binding, Key.of(message).domain)
        self._delivery.settling.settle(message, TOO_OLD, options)

    def _binding_of_bounces(self, binding: str) -> str:
        """Mail whose address is not here waited in vain; its bounce does not wait for the same address."""
        found = self._lookup.node.bindings.get(binding)
        is_here = found is not None and (not found.duravip or self._delivery.sources.holds(found.address))
        return binding if is_here else DEFAULT

    def _is_full(self) -> bool:
        return self.room.is_full

    def accepted(self, messages: list[Message]) -> None:
        """See `Reception`."""
        self._received += len(messages)
        for message in messages:
            self._delivery.add(message, is_new=True)

    def _queue(self, message: Message) -> None:
        """One that was stored before, or that another node handed over."""
        self._delivery.add(message)

    # -- what the core says

    async def _on_frame(self, frame: wire.Frame, descriptor: int | None) -> None:
        match frame:
            case wire.Welcome():
                await self._welcomed(frame)
            case wire.Granted() | wire.Denied() | wire.Recalled() | HostRests() | LookupFails():
                self._delivery.hear(frame)
            case wire.Admitted() | wire.Refused() | wire.YourTurn():
                self._door.hear(frame)
            case wire.Listen():
                await self._listen(frame, descriptor)
            case wire.Unlisten(address, port):
                self._unlistened(address, port)
            case wire.AddressGained() | wire.AddressLeaves() | wire.AddressLost():
                self._moves(frame, ip_address(frame.address))
            case wire.Owned() | wire.Members():
                self._heed(frame)
            case wire.Refresh() | Inquire():
                self._asked_by_people(frame)
            case wire.Reload():
                self._reload()

    def _asked_by_people(self, frame: wire.Refresh | Inquire) -> None:
        if isinstance(frame, wire.Refresh):
            self._delivery.refresh(frame.domain)
        else:
            self._link.send(Knows(frame.number, word(self._delivery.known_of(frame.domain))))

    async def _welcomed(self, frame: wire.Welcome) -> None:
        self._reload()  # what we mapped at our start may be of the core before this one
        self._name = frame.node_name
        if not self._opened.is_set():
            await self._shards.open(frame.node_id, self._delivery.add, self._spawn, self._mover.uses)
            self._opened.set()
        self._delivery.leases.grants.core_is_back()
        self._door.core_is_back()
        self._tally.core_is_back()
        self._delivery.is_open = not self._is_stopping

    def _heed(self, frame: wire.Owned | wire.Members) -> None:
        """Who owns which address: mail goes with it."""
        if isinstance(frame, wire.Owned):
            self._mover.owned(frame)
        else:
            self._mover.members(self._name, frame.names)
            self._delivery.heed_owners()

    async def _listen(self, frame: wire.Listen, descriptor: int | None) -> None:
        if descriptor is None:
            return
        sock = socket.socket(fileno=descriptor)
        key = (frame.address, frame.port)
        self._sockets.close(key)
        if self._is_stopping:
            sock.close()
        elif self._reloading is not None and not self.admission.knows(key):
            self._sockets.keep(key, sock)
        else:
            await self._sockets.serve(key, sock)

    def _unlistened(self, address: str, port: int) -> None:
        self._sockets.close((address, port))
        if address and not self._sockets.has(address):
            self._departures.sockets_gone(ip_address(address))

    def _moves(self, frame: wire.AddressGained | wire.AddressLeaves | wire.AddressLost, address: Address) -> None:
        match frame:
            case wire.AddressGained():
                self._departures.over(address)
                self._delivery.gain(address)
            case wire.AddressLeaves(grace_s=grace_s):
                self._departures.leaves(address, grace_s)
            case wire.AddressLost(grace_s=grace_s):
                if grace_s <= 0:
                    self._sockets.close_address(frame.address)
                self._departures.lost(address, grace_s)

    def _core_lost(self) -> None:
        """The listeners and DuraVIPs went with it; sessions and deliveries in hand go on."""
        self._delivery.is_open = False
        self._delivery.sources.forget()
        self._delivery.leases.grants.core_lost()
        self._door.core_lost()
        self._tally.core_lost()
        self._sockets.close_all()

    # -- generations

    def _reload(self) -> None:
        """Read the new generation beside everything else, and again when the file changed meanwhile."""
        self._is_outdated = True
        if self._reloading is None:
            self._reloading = self._spawn(self._read_generations())

    async def _read_generations(self) -> None:
        while self._is_outdated:
            self._is_outdated = False
            try:
                lookup = await asyncio.to_thread(generation.read, self._settings)
            except MomentumError as error:
                log.logger().error("the new configuration cannot be read; the old one stays", reason=str(error))
            else:
                if lookup.node.digest != self._lookup.node.digest:
                    self._apply(lookup)
                await self._sockets.secure_anew()
            await self._sockets.serve_kept()
        self._reloading = None

    def _apply(self, lookup: Lookup) -> None:
        """Run on this generation from now on. Sessions look at it when their client says something."""
        self._use(lookup)
        self.assigner.configure(lookup)
        self._mover.configure(lookup)
        self._delivery.configure(lookup, self._hostname)

    def _use(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.teller.group_of = Containers(lookup.tree).group_of
        self._shards.set_sync(lookup.node.force_fsync)
        self._hostname = lookup.node.hostname or socket.gethostname()
        self.admission.configure(lookup, self._hostname)
        self._tally.configure(lookup.node.inbound_audit is not None)


def run_worker(index: int) -> int:
    """One worker until SIGTERM; returns the exit code."""
    log.configure(f"worker-{index}")
    os.umask(0o007)
    drop_capabilities()
    try:
        own = settings.from_environment(os.environ)
        lookup = generation.wait(own)
    except ConfigurationError as error:
        log.logger().error("no usable configuration", reason=str(error))
        return 1
    workers = int(os.environ.get("MOMENTUM_MAIL_WORKERS", "1"))
    most = lookup.tree.value("server_max_file_descriptors")
    raise_limit(most if isinstance(most, int) else DEFAULT_MOST)
    keep_searches_short()
    uvloop.run(Worker(own, lookup, index, workers).run())
    return 0
