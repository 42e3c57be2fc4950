"""The driver of the queues: opens connections, hands out messages, puts down what became of them.

Messages come back from a connection with one reply each; what it means for them is `settling`'s part.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Final

from momentum_node import clock
from momentum_node.config.model import Address, Binding
from momentum_node.findings import Finding
from momentum_node.limits.rules import LimitRules
from momentum_node.smtp.client import Letter
from momentum_node.smtp.hosts import Silence
from momentum_node.smtp.outbound import Connection, SourceMissing
from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.resolver import Resolver
from momentum_node.smtp.routes import NoRoute
from momentum_node.smtp.stage import Stage
from momentum_node.smtp.turnedaway import turned_away
from momentum_node.spool.adoption import Adoption, Elsewhere
from momentum_node.spool.classes import classifier_of
from momentum_node.spool.dialing import Dialer
from momentum_node.spool.knowledge import Known
from momentum_node.spool.leases import Leases
from momentum_node.spool.letters import Letters
from momentum_node.spool.line import Hand, Line, Way
from momentum_node.spool.lookup import Lookup
from momentum_node.spool.message import Message, answer_of
from momentum_node.spool.ourselves import own_addresses
from momentum_node.spool.routing import Routing
from momentum_node.spool.schedule import Key, Queue, Schedule
from momentum_node.spool.settling import Settling
from momentum_node.spool.siblings import Siblings
from momentum_node.spool.sources import ADDRESS_LOST, Sources
from momentum_node.spool.store import Store
from momentum_node.spool.tally import Tally
from momentum_node.spool.telling import Teller
from momentum_node.worker_link import Denied, Frame, Granted, Recalled

TICK_S: Final = 0.5
ALL: Final = "all"
STOPPING: Final = reply(451, "4.3.2", "[internal] this server is shutting down")


class Delivery:
    """All outbound mail of one worker."""

    def __init__(
        self,
        stores: Mapping[int, Store],
        resolver: Resolver,
        send: Callable[[Frame], None],
        elsewhere: Elsewhere,
        teller: Teller,
        nodes: Path = Path(),
    ) -> None:
        """`nodes`: the file of the node list."""
        self.schedule = Schedule()
        self.is_open = False  # the core is there and nothing stops us: new connections may be made
        self._elsewhere = elsewhere
        self.settling = Settling(stores, self.add, self._queue, teller)
        self._adoption = Adoption(self.schedule, self._key_of, self._queue, self._refresh, self._left)
        self._nodes = nodes
        self._letters = Letters(stores)
        self.leases = Leases(send, self._recalled, self._turn)
        self._watching: asyncio.Task[None] | None = None
        self._lookup: Lookup | None = None
        self._lines: dict[Key, Line] = {}
        self._hands: dict[Connection, Hand] = {}
        self.sources = Sources(self._lines, self._hands, self._hand_back)
        self.routing = Routing(self._lines)
        self._siblings = Siblings(self._hands)
        self._dialer = Dialer(self, resolver, self.leases, self._siblings, send)
        self._tasks: set[asyncio.Task[None]] = set()

    # -- the worker's side

    @property
    def tally(self) -> Tally:
        """What came of it since the start."""
        settling = self.settling
        secured, signed = self._dialer.secured, self._letters.signed
        return Tally(settling.delivered, settling.failed, signed, settling.by_class, secured)

    def configure(self, lookup: Lookup, hostname: str) -> None:
        """Use this generation from now on: at once for the next letter of each connection, soon for every queue."""
        self._lookup = lookup
        self.routing.configure(lookup)
        self.settling.configure(hostname)
        self._letters.configure(lookup)
        self._dialer.configure(lookup, hostname, own_addresses(lookup.node, self._nodes))
        self.schedule.scan_interval_s = lookup.node.delayed_queue_scan_interval_s
        self.settling.classifier = classifier_of(lookup)
        self.leases.configure(LimitRules(lookup.tree, lookup.sources.place))
        self._adoption.begin()
        self._watching = self._watching or self._spawn(self._dialer.watching())

    def refresh(self, domain: str) -> None:
        """Ask again for the hosts of a routing domain, "all": of every one; its mail waits for nothing else."""
        lines = [line for line in self._lines.values() if domain in {ALL, line.queue.key.domain}]
        for name in {domain, *(name for line in lines for name in line.names)}:
            self._dialer.forget(None if name == ALL else name)
        for line in lines:
            line.begin_anew()
            self._pump(line)

    def known_of(self, domain: str) -> Known:
        """What `knowledge.told` says of a routing domain."""
        return self._dialer.known_of(line for line in self._lines.values() if line.queue.key.domain == domain)

    def heed_owners(self) -> None:
        """Other nodes own other bindings now: their mail goes there, and what is ours stays."""
        self._adoption.begin()

    @property
    def is_sorting(self) -> bool:
        """Not every queue was looked at since the last view or generation."""
        return self._adoption.is_running

    def _key_of(self, binding: str, domain: str) -> Key | None:
        is_ours = self.routing.has(binding) and not self._elsewhere.is_elsewhere(binding)
        return self.routing.key(binding, domain) if is_ours else None

    def _left(self, queue: Queue) -> None:
        """Its mail goes elsewhere: nothing more is opened for it."""
        line = self._lines.get(queue.key)
        if line is not None and line.queue is queue:
            del self._lines[queue.key]
            line.leave()

    def _refresh(self, queue: Queue) -> None:
        """The terms of a queue, or what waits in it, are others now."""
        if self._lookup is not None and (line := self._lines.get(queue.key)) is not None:
            line.refresh(self._lookup)
        if queue.oversleeps:
            self.schedule.rouse(queue)
        if queue.active:
            self._pump(self._line(queue))

    def add(self, message: Message, *, is_new: bool = False) -> None:
        """Queue a durable message and see to it at once. `is_new`: a client has just brought it."""
        queue = self._queue(message, is_new=is_new)
        if queue is not None:
            self._pump(self._line(queue))

    def _queue(self, message: Message, *, is_new: bool = False) -> Queue | None:
        """Its queue; None when it goes to another node."""
        self.routing.route(message)
        if self._elsewhere.keeps(message, is_new=is_new):
            return None
        self._line(self.schedule.queue(Key.of(message)))  # it says how long mail lives
        return self.schedule.add(message, clock.wall())

    def tick(self) -> None:
        """The maintainer: due messages become active, connections are opened."""
        now = clock.wall()
        self.settling.tick()
        self._dialer.tick(now)
        self.leases.stop_asking_for_nothing()
        for queue in self.schedule.wake(now):
            line = self._line(queue)
            if not self._adoption.is_running or line.lookup is self._lookup:
                self._pump(line)
        for queue in self.schedule.dropped():
            if (gone := self._lines.get(queue.key)) is not None and gone.queue is queue:
                del self._lines[queue.key]

    def hear(self, frame: Granted | Denied | Recalled | Finding) -> None:
        """An answer of the core, or what another worker of this node found of a next hop or a name."""
        if isinstance(frame, Finding):
            self._dialer.heed(frame)
        else:
            self.leases.grants.hear(frame)

    def gain(self, address: Address) -> None:
        """A DuraVIP is on this node: its bindings may deliver."""
        self.sources.gain(address)
        self.tick()
        if self.schedule.is_crowded:  # its queues do not wait for their turn
            self._adoption.begin()

    async def close(self, grace_s: float) -> None:
        """No new message; those in hand have `grace_s`."""
        self.is_open = False
        self._adoption.stop()
        deadline = clock.monotonic() + grace_s
        for connection, hand in list(self._hands.items()):
            if not hand.messages:
                connection.quit()
        while self._hands and clock.monotonic() < deadline:  # noqa: ASYNC110 - once, at the end of the process
            await asyncio.sleep(0.02)
        for connection, hand in list(self._hands.items()):
            self._hand_back(hand)
            connection.abort(STOPPING)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- connections

    def _line(self, queue: Queue) -> Line:
        line = self._lines.get(queue.key)
        if line is not None and line.queue is queue:
            return line
        assert self._lookup is not None  # noqa: S101 - `configure` comes before the first message
        line = self._lines[queue.key] = Line.of(queue, self._lookup)
        return line

    def _may_deliver(self, line: Line) -> bool:
        if not self.is_open or self._lookup is None:
            return False
        line.refresh(self._lookup)
        if line.is_suspended:
            return False
        if self._elsewhere.is_elsewhere(line.queue.key.binding):  # what is in its queue is on the way there
            return False
        if line.options.gateway is not None and not line.queue.key.is_gateway:  # on the way to that one's queue
            return False
        binding: Binding | None = self._lookup.node.bindings.get(line.queue.key.binding)
        if binding is None:  # removed: its mail is on the way to `default`
            return False
        return not binding.duravip or line.source_is(self.sources.holds(binding.address), clock.wall())

    def _drop_untried(self, line: Line) -> bool:
        """What is not to be tried goes; whether what is next now may be."""
        return self.settling.drop(line.queue.active, line.untried(clock.wall()), line.options)

    def _pump(self, line: Line) -> None:
        """Give messages to idle connections; open more when the queue deserves them."""
        may_deliver = self._may_deliver(line)
        if not (self._drop_untried(line) and may_deliver):
            return
        for _ in range(len(line.idle)):
            if line.queue.active and line.idle:
                self._serve(line.idle.pop())
        if line.rest_until > clock.wall() or not self.leases.may_ask(line):
            return
        for _ in range(line.wanted()):
            line.queue.connections += 1
            task = self._spawn(self._open(line, line.way))
            line.opening[task] = line.way.source
            task.add_done_callback(line.opening.pop)

    async def _open(self, line: Line, way: Way) -> None:
        """One connection for a queue, to the best host that takes it."""
        connected = False
        try:
            connected = await self._connect(line, way)
        except SourceMissing:
            line.source_missing(clock.wall())
        else:
            line.source_is(True, clock.wall())
        finally:
            if not connected:
                line.queue.connections -= 1

    async def _connect(self, line: Line, way: Way) -> bool:
        made = await self._dialer.dial(line, way)
        if isinstance(made, Connection):
            self._begin(made, line, way)
            return True
        if line.way != way:  # a reload chose another one meanwhile
            return False
        if isinstance(made, Silence):
            why = line.no_contact(made, clock.wall())
            self.settling.sweep(line.queue.active, why, line.options, answer_of(made.host, made.why))
        elif isinstance(made, NoRoute):
            self.settling.sweep(line.queue.active, line.no_route(made, clock.wall()), line.options)
        return False

    def _begin(self, connection: Connection, line: Line, way: Way) -> None:
        """It serves this queue from now on; it is new, or idle in another one."""
        before = self._hands.get(connection)
        self._hands[connection] = Hand(line, way)
        if before is not None:
            before.line.idle.remove(connection)
            self._left_line(connection, before.line)
        self._siblings.opened(connection, line)
        if before is not None:
            self._serve(connection)

    def _left_line(self, connection: Connection, line: Line) -> None:
        line.queue.connections -= 1
        self._siblings.closed(connection, line)

    # -- what connections report

    def connection_ready(self, connection: Connection) -> None:
        """See `Owner`."""
        hand = self._hands.get(connection)
        if hand is None:  # before `open` returned: cannot be, for EHLO takes a round trip
            return
        hand.line.reached()
        if not connection.recipients:  # it is new
            self._dialer.reached(connection, hand.way)
        self._serve(connection)

    def _serve(self, connection: Connection) -> None:
        """The next letter for a free connection, or goodbye, or wait for one."""
        hand = self._hands[connection]
        line = hand.line
        if connection.is_leaving:
            self.leases.begun(line, connection, with_message=False)
            return
        if not self._may_deliver(line) or hand.is_used_up(connection) or self.leases.must_end(connection):
            connection.quit()
            return
        may_try = self._drop_untried(line)
        if may_try and line.queue.active and not self.leases.may_begin(line, connection):
            return
        connection.options = line.options
        hand.messages = line.queue.take(hand.batch(connection)) if may_try else []
        self.leases.begun(line, connection, with_message=bool(hand.messages))
        if not hand.messages:
            line.idle.append(connection)
        elif (letter := self._letters.at_once(line, hand.messages, connection.takes_8bit)) is not None:
            connection.send(letter)
        else:
            self._spawn(self._read_and_send(connection, hand))

    def _recalled(self, connection: Connection) -> None:
        """Others wait for the place of this connection: idle, it goes at once; busy, when it had its share."""
        line = self._hands[connection].line
        if connection in line.idle:
            line.idle.remove(connection)
            connection.quit()

    def _turn(self, connection: Connection, may_begin: bool) -> None:
        """The throttle lets a message go out on it, or the core is gone and it waits."""
        if may_begin:
            self._serve(connection)
        else:
            self._hands[connection].line.idle.append(connection)

    async def _read_and_send(self, connection: Connection, hand: Hand) -> None:
        messages = hand.messages
        letter = await self._letters.made(hand.line, messages, connection.takes_8bit)
        if hand.messages is not messages:  # the connection is gone, and they were handed back
            return
        if isinstance(letter, Letter):
            if connection.is_leaving:
                self._hand_back(hand)
            else:
                connection.send(letter)
            return
        hand.messages = []
        for message in messages:
            if letter is None:
                self.settling.rest(message)
            else:
                self.settling.settle(message, letter, hand.line.options, connection)
        self._serve(connection)

    def letter_finished(self, connection: Connection, replies: tuple[Reply, ...]) -> None:
        """See `Owner`."""
        hand = self._hands.get(connection)
        if hand is None or not hand.messages:  # handed back
            return
        if self._lookup is not None:
            hand.line.refresh(self._lookup)
        messages, hand.messages = hand.messages, []
        away = turned_away(replies, connection.stages)
        for number, (message, answer, stage) in enumerate(zip(messages, replies, connection.stages, strict=True)):
            if number not in away:
                self.settling.settle(message, answer, hand.line.options, connection, stage)
        if away:
            connection.room = sum(stage is not Stage.RCPT for stage in connection.stages)
            hand.messages = [messages[number] for number in away]
            self._hand_back(hand)

    def connection_closed(self, connection: Connection, why: Reply | None) -> None:
        """See `Owner`."""
        hand = self._hands.pop(connection, None)
        self.leases.closed(connection)
        if hand is None:
            return
        line = hand.line
        self._left_line(connection, line)
        self._dialer.closed(connection)
        if connection in line.idle:
            line.idle.remove(connection)
        self._hand_back(hand)
        if not connection.reached_smtp and why is not None and why not in {ADDRESS_LOST, STOPPING}:
            self._dialer.failed(connection, hand.way, why)
        self._pump(line)

    def _hand_back(self, hand: Hand) -> None:
        messages, hand.messages = hand.messages, []
        for message in messages:
            self.routing.route(message)
        self.schedule.give_back([message for message in messages if not self._elsewhere.keeps(message)])

    def _spawn(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
