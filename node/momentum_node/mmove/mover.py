"""Moves the messages of one mail worker between nodes: the driver of `Holdings`, and of the sessions that carry them.

delivery ── keeps(message)? ──▶ holdings ── Handing ──▶ services ── TLS ──▶ other nodes
         ◀── release(message) ──         ◀─ Taking ───
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from momentum_node import clock
from momentum_node import worker_link as wire
from momentum_node.core_link import CoreLink
from momentum_node.errors import SpoolError
from momentum_node.log import logger
from momentum_node.mmove.aging import Aging
from momentum_node.mmove.handing import Handing
from momentum_node.mmove.holdings import Holdings
from momentum_node.mmove.lanes import Key, Lane
from momentum_node.mmove.owners import BindingOwners, Hearing
from momentum_node.mmove.plan import DOUBT_PATIENCE_S, Allowance, Owners
from momentum_node.mmove.rebinding import Rebinding
from momentum_node.mmove.taking import Taking
from momentum_node.mmove.terms import Terms, terms_of
from momentum_node.smtp.reply import Reply
from momentum_node.spool.lookup import Lookup
from momentum_node.spool.marks import Mark, State
from momentum_node.spool.message import Message
from momentum_node.spool.schedule import Key as Queued
from momentum_node.spool.store import Store
from momentum_node.spool.telling import Teller

STEP_MESSAGES: Final = 500
OWED_EVERY_S: Final = 10.0
UNREADABLE_REST_S: Final = 60.0
LOG_INTERVAL_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Which worker: `index` of `workers`. `services`: where the services process listens for it."""

    services: Path
    index: int
    workers: int


class Mover:
    """One per worker. `release`: deliver the message from here; `need`: open the shard of this number; `is_full`: no
    message of another node is taken for now; `expire`: it is too old."""

    def __init__(
        self,
        place: Place,
        stores: Mapping[int, Store],
        bodies: Executor,
        release: Callable[[Message], None],
        need: Callable[[int], None],
        teller: Teller,
        is_full: Callable[[], bool],
        expire: Callable[[Message], None],
    ) -> None:
        hello = wire.Serves(place.index, place.workers)
        self.link = CoreLink(place.services, hello, self._on_frame, self._services_lost)
        self.rebinding: Rebinding | None = None
        self.moved = 0
        self.arrived = 0
        self._workers = place.workers
        self._stores = stores
        self._bodies = bodies
        self._release = release
        self._need = need
        self._teller = teller
        self._is_full = is_full
        self._expire = expire
        self._aging = Aging()
        self._holdings = Holdings(self._mark_of, self._is_changing, release, self._goes_round)
        self._hearing = Hearing()
        self._here = ""
        self._view: tuple[frozenset[str], Mapping[bytes, str]] | None = None
        self._lookup: Lookup | None = None
        self._terms = Terms()
        self._allowance: Allowance | None = None
        self._sessions: dict[Key, Handing] = {}
        self._dialling: dict[int, Key] = {}
        self._dials = 0
        self._visits: dict[tuple[str, int], Taking] = {}
        self._sorting: asyncio.Task[None] | None = None
        self._owed_at = 0.0
        self._said = float("-inf")
        self._is_closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    # -- the worker's side

    @property
    def moving(self) -> int:
        """Messages that are to leave."""
        return self._holdings.moving

    def queues(self) -> list[tuple[str, str, int, float]]:
        """See `Holdings.queues`."""
        return self._holdings.queues(clock.wall())

    @property
    def is_able(self) -> bool:
        """There is somebody who carries them."""
        return self.link.is_connected and not self._terms.is_suspended

    @property
    def held(self) -> int:
        """Messages that neither leave nor are delivered for now."""
        return self._holdings.held

    def uses(self, shard: int) -> bool:
        """Something of a shard moves, or may move."""
        leaving = [*self._sessions, *self._holdings.lanes, *self._dialling.values()]
        return any(key.shard == shard for key in leaving) or any(visited == shard for _, visited in self._visits)

    def is_elsewhere(self, binding: str) -> bool:
        """Another member owns it: nothing of it is delivered here."""
        return self._holdings.is_elsewhere(binding)

    def keeps(self, message: Message, *, is_new: bool = False) -> bool:
        """Take a message into custody, unless it is to be delivered here. `is_new`: a client has just brought it."""
        keeps = self._holdings.keeps(message, clock.wall(), is_new=is_new)
        if keeps:
            self._wake()
        return keeps

    def configure(self, lookup: Lookup) -> None:
        """Use the bindings and terms of this generation from now on."""
        self._lookup = lookup
        terms = terms_of(lookup.tree)
        if terms != self._terms or self._allowance is None:
            self._terms = terms
            self._holdings.is_suspended = terms.is_suspended
            rate = terms.background_per_s / self._workers
            self._allowance = Allowance(rate, clock.wall()) if rate else None
        self._resort()

    def owned(self, frame: wire.Owned) -> None:
        """The core tells a view: some addresses."""
        self._hearing.owned(frame)

    def members(self, here: str, names: Sequence[str]) -> None:
        """The view is complete. `here`: our own name."""
        self._here = here
        self._view = frozenset(names), self._hearing.complete()
        for key, session in list(self._sessions.items()):
            if key.node not in names:
                session.abort()
        self._resort()

    def tick(self) -> None:
        """The maintainer: sessions that are needed, or not any more; messages whose time has come."""
        now = clock.wall()
        self._holdings.look(now)
        for message in self._aging.overdue(self._holdings.lanes.values(), self._is_over, now):
            self._expire(message)
        for session in self._all_sessions():
            session.tick()
        if now >= self._owed_at:
            self._owed_at = now + OWED_EVERY_S
            self._look_for_debts()
        for key, lane in list(self._holdings.lanes.items()):
            self._pump(lane, now)
            if not lane.is_needed(now) and key not in self._sessions and key not in self._dialling.values():
                del self._holdings.lanes[key]

    def close(self) -> None:
        """No session any more: the process ends."""
        self._is_closed = True
        for session in self._all_sessions():
            session.abort()
        for task in self._tasks:
            task.cancel()

    def _all_sessions(self) -> list[Handing | Taking]:
        return [*self._sessions.values(), *self._visits.values()]

    # -- what is known of messages

    def _mark_of(self, message: Message) -> Mark | None:
        return self._stores[message.home].remembered(message.id)

    def _is_changing(self, message: Message) -> bool:
        return self._stores[message.home].is_changing(message.id)

    def _is_over(self, message: Message) -> bool:
        """It waited for the other node to its end of life; that node does not have it, or has been silent for long."""
        now, mark = clock.wall(), self._mark_of(message)
        if self._lookup is None or self._is_changing(message):
            return False
        if mark is not None and mark.state is State.OFFERED and now - mark.at < DOUBT_PATIENCE_S:
            return False
        life_s = self._lookup.outbound(message.binding, Queued.of(message).domain).message_expiration_s
        return now >= message.envelope.created + life_s

    def _goes_round(self, message: Message) -> None:
        """An administrator should hear of it, once a minute."""
        if clock.monotonic() - self._said > LOG_INTERVAL_S:
            self._said = clock.monotonic()
            logger().warning("mail goes from node to node without end: it is held for a minute", id=message.id)

    def _resort(self) -> None:
        if self._lookup is None or self._view is None:
            return
        members, owner = self._view
        owners = Owners(self._here, members, BindingOwners(self._lookup.node.bindings, owner))
        self._holdings.heed(owners)
        if self.rebinding is not None:
            self.rebinding.heed(owners)
        if self._sorting is None or self._sorting.done():
            self._sorting = self._spawn(self._sort())

    async def _sort(self) -> None:
        while not self._holdings.sort(STEP_MESSAGES, clock.wall()):  # noqa: ASYNC110 - it works, it does not wait
            await asyncio.sleep(0)
        self._wake()

    def _look_for_debts(self) -> None:
        """Nodes that wait to hear that copies of ours are gone."""
        owners = self._holdings.owners
        if owners is None:
            return
        for store in self._stores.values():
            for node in {mark.node for mark in store.marks() if mark.owes} & owners.members:
                self._holdings.lane(store.index, node).owes_word = True

    # -- sessions to other nodes

    def _wake(self) -> None:
        for lane in list(self._holdings.lanes.values()):
            if lane.waiting:
                self._pump(lane, clock.wall())

    def _pump(self, lane: Lane, now: float) -> None:
        """Give messages to the session of a lane, or ask for one when it is needed."""
        if self._terms.is_suspended or self._is_closed or lane.rest_until > now:
            return
        session = self._sessions.get(lane.key)
        if session is None:
            if (lane.waiting or lane.owes_word) and not lane.under_way:
                self._dial(lane, now)
        elif session.is_ready:
            self._fill(lane, session, now)

    def _dial(self, lane: Lane, now: float) -> None:
        if lane.key in self._dialling.values():
            return
        if not self.link.is_connected:
            lane.failed(now)
            return
        self._dials += 1
        self._dialling[self._dials] = lane.key
        self.link.send(wire.Dial(self._dials, lane.key.node, lane.key.shard, self._terms.most_connections))

    def _fill(self, lane: Lane, session: Handing, now: float) -> None:
        while lane.has_room and (batch := self._holdings.take(lane, self._allowance, now)):
            self._spawn(self._offer(session, batch))

    async def _offer(self, session: Handing, batch: list[Message]) -> None:
        try:
            content = await self._stores[batch[0].home].read(batch[0])
        except (OSError, SpoolError) as error:
            logger().critical("a spooled message cannot be read; it waits", id=batch[0].id, error=str(error))
            session.lane.ended(len(batch), batch[0].envelope.size)
            for message in batch:
                self._holdings.rest(message, clock.wall() + UNREADABLE_REST_S)
        else:
            going = await self._going(session.lane, batch, content)
            if going:
                session.offer(going, content)

    async def _going(self, lane: Lane, batch: list[Message], content: bytes) -> list[Message]:
        """Those that a new assignment does not keep here."""
        if self.rebinding is None or not self._terms.rebinds:
            return batch
        bindings = await self.rebinding.local(batch, content)
        going = []
        for message, binding in zip(batch, bindings, strict=True):
            mark = self._mark_of(message)
            if binding is None or (mark is not None and mark.state is State.OFFERED):  # the other node may have it
                going.append(message)
            else:
                message.binding = binding
        if stay := len(batch) - len(going):
            lane.ended(stay, 0 if going else batch[0].envelope.size)
            for message in batch:
                if message not in going:
                    self._release(message)
        return going

    def ready(self, session: Handing) -> None:
        """See `handing.Owner`."""
        session.lane.owes_word = False
        self._fill(session.lane, session, clock.wall())

    def gone(self, session: Handing, messages: Sequence[Message]) -> None:
        """See `handing.Owner`."""
        self.moved += len(messages)
        self._teller.moved(messages, session.lane.key.node)
        for message in messages:
            self._stores[message.home].release(message)
        session.lane.failures = 0
        self._ended(session.lane, messages)

    def back(self, session: Handing, messages: Sequence[Message], why: Reply | None) -> None:
        """See `handing.Owner`."""
        now = clock.wall()
        if why is not None:
            self._failed(session.lane, why.text, now)
        for message in messages:
            self._holdings.put_back(message, now)
        self._ended(session.lane, messages)

    def _ended(self, lane: Lane, messages: Sequence[Message]) -> None:
        lane.ended(len(messages), messages[0].envelope.size if messages else 0)
        if lane.has_room and lane.waiting:
            self._pump(lane, clock.wall())

    def ended(self, session: Handing, why: Reply | None) -> None:
        """See `handing.Owner`."""
        if self._sessions.get(session.lane.key) is session:
            del self._sessions[session.lane.key]
        if why is not None:
            self._failed(session.lane, why.text, clock.wall())

    def _failed(self, lane: Lane, why: str, now: float) -> None:
        if lane.rest_until <= now:
            logger().warning("mail cannot be moved; it is tried again", node=lane.key.node, reason=why)
        lane.failed(now)

    # -- what the services say

    async def _on_frame(self, frame: wire.Frame, descriptor: int | None) -> None:
        sock = None if descriptor is None else socket.socket(fileno=descriptor)
        if sock is not None:
            sock.setblocking(False)
        match frame:
            case wire.Dialled(number) if sock is not None:
                await self._dialled(self._dialling.pop(number), sock)
            case wire.NotDialled(number, why):
                lane = self._holdings.lane(*self._dialling.pop(number))
                self._failed(lane, why, clock.wall())
            case wire.Visit(node, shard) if sock is not None:
                await self._visited(node, shard, sock)

    async def _dialled(self, key: Key, sock: socket.socket) -> None:
        if self._is_closed:
            sock.close()
            return
        if (old := self._sessions.pop(key, None)) is not None:  # only one at a time speaks for a lane
            old.abort()
        session = Handing(self, self._holdings.lane(*key), self._stores[key.shard], self._here)
        self._sessions[key] = session
        await asyncio.get_running_loop().create_connection(lambda: session, sock=sock)

    async def _visited(self, node: str, shard: int, sock: socket.socket) -> None:
        store = self._stores.get(shard)
        if store is None or self._is_closed:
            sock.close()  # it comes again
            self._need(shard)
            return
        key = node, shard
        if (old := self._visits.pop(key, None)) is not None:
            old.abort()

        def ended(session: Taking) -> None:
            if self._visits.get(key) is session:
                del self._visits[key]

        session = self._visits[key] = Taking(store, self._here, self._bodies, self._taken, ended, self._is_full)
        await asyncio.get_running_loop().create_connection(lambda: session, sock=sock)

    def _taken(self, messages: Sequence[Message]) -> None:
        self.arrived += len(messages)
        self._teller.received(messages)
        for message in messages:
            self._release(message)

    def _services_lost(self) -> None:
        now = clock.wall()
        for key in self._dialling.values():
            self._holdings.lane(*key).failed(now)
        self._dialling.clear()

    def _spawn(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
