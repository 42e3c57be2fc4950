"""A world of nodes that hand mail to each other: real shards on simulated disks, the real dialogue, wires that break.

Everything that happens is a step that the caller chooses; at a step a machine may lose its power.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from momentum_node.mmove.giver import Giver
from momentum_node.mmove.plan import Move, Owners, Stay, destination
from momentum_node.mmove.receiver import Arrived, Arriving, Close, Event, Piece, Receiver, Released, Ticket
from momentum_node.mmove.sender import Sender
from momentum_node.mmove.taker import Taker
from momentum_node.smtp.reply import Reply
from momentum_node.spool.disk import File
from momentum_node.spool.marks import Mark, State, Verdict, judge
from momentum_node.spool.message import (
    Envelope,
    IdSource,
    Message,
    Outcome,
    Recipient,
    Result,
    Stored,
    Transaction,
)
from momentum_node.spool.recovery import Unreadable
from momentum_node.spool.segment import FIRST_RECORD
from momentum_node.spool.shard import Shard
from tests.support.disk import PowerCut, SimulatedDisk

FOLDER = "/spool/shard-00"
BINDING = "moving"


class PlainSpool:
    """One shard with a group commit that happens when it is told to."""

    def __init__(self, disk: SimulatedDisk, node_id: int, rng: random.Random, problems: list[Unreadable]) -> None:
        self.index = 0
        self.shard = Shard(
            disk,
            FOLDER,
            salt=lambda: rng.randbytes(8),
            on_unreadable=problems.append,
            segment_bytes=FIRST_RECORD + 2000,
        )
        self.shard.open()
        self._ids: IdSource = self.shard.start(node_id, 0, 29_000_000)
        self._kept: list[tuple[Transaction, File | None, Callable[[Stored | None], None]]] = []
        self._notes: list[tuple[Sequence[Mark], Callable[[bool], None]]] = []
        self._outcomes: list[tuple[Outcome, Callable[[], None]]] = []
        self.now = 0.0

    def recover(self) -> list[Message]:
        """All that waits."""
        found = [kept for number in self.shard.to_recover for kept in self.shard.recover(number)]
        self.shard.finish_recovery()
        return [
            Message(one.id, kept.envelope, one.address, one.binding, one.domain, kept.stored, 0)
            for kept in found
            for one in kept.recipients
        ]

    def is_changing(self, id_: str) -> bool:
        """See `Spool`."""
        return (
            any(id_ == one.id for kept, _, _ in self._kept for one in kept.recipients)
            or any(id_ == mark.id for marks, _ in self._notes for mark in marks)
            or any(id_ == outcome.id for outcome, _ in self._outcomes)
        )

    def judge(self, id_: str, created: float, hop: int) -> Verdict:
        """See `Spool`."""
        return Verdict.BUSY if self.is_changing(id_) else judge(self.mark(id_), created, hop)

    def mark(self, id_: str) -> Mark | None:
        """See `Spool`."""
        known = self.shard.marks.get(id_)
        if known is None and (created := self.shard.created(id_)) is not None:
            return Mark(id_, created, State.HELD, 0)
        return known

    def marks(self) -> list[Mark]:
        """See `Spool`."""
        return self.shard.marks.all()

    def new_id(self) -> str:
        """See `Spool`."""
        id_ = self._ids.next()
        assert id_ is not None
        return id_

    def keep(self, transaction: Transaction, body: File | None, on_kept: Callable[[Stored | None], None]) -> None:
        """See `Spool`."""
        self._kept.append((transaction, body, on_kept))

    def note(self, marks: Sequence[Mark], on_noted: Callable[[bool], None]) -> None:
        """See `Spool`."""
        self._notes.append((marks, on_noted))

    def end(self, id_: str, on_durable: Callable[[], None]) -> None:
        """The message was delivered."""
        self._outcomes.append((Outcome(id_, Result.DELIVERED), on_durable))

    def commit(self) -> None:
        """Write what waits; the callbacks come when it is durable."""
        kept, self._kept = self._kept, []
        notes, self._notes = self._notes, []
        outcomes, self._outcomes = self._outcomes, []
        if not (kept or notes or outcomes):
            return
        stored = self.shard.write(
            [(one, body) for one, body, _ in kept],
            [one for one, _ in outcomes],
            [mark for marks, _ in notes for mark in marks],
            self.now,
        )
        for _, on_durable in outcomes:
            on_durable()
        for (_, _, on_kept), place in zip(kept, stored, strict=True):
            on_kept(place)
        for _, on_noted in notes:
            on_noted(True)


@dataclass(eq=False)
class Wire:
    """One session of a move. The halves live in two processes."""

    giver: Giver
    sender: Sender
    receiver: Receiver
    taker: Taker
    source: "Node"
    target: "Node"
    to_target: bytes = b""
    to_source: bytes = b""
    arriving: Arriving | None = None
    pieces: list[bytes] = field(default_factory=list)
    is_open: bool = True


@dataclass(eq=False)
class Node:
    """A node that may be down."""

    name: str
    number: int
    disk: SimulatedDisk
    spool: PlainSpool | None = None
    queue: dict[str, Message] = field(default_factory=dict)  # waiting, and not with a `Giver`


class World:
    """The nodes, the owner of the one binding there is, and what the outside world has seen."""

    def __init__(self, names: Sequence[str], seed: int, broken: tuple[str, str] | None = None) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - a story to repeat, not a secret
        self.now = 1000.0
        self.nodes = [Node(name, number, SimulatedDisk(broken=broken)) for number, name in enumerate(names, 1)]
        self.owner: Node | None = self.nodes[0]
        self.wires: list[Wire] = []
        self.promised: dict[str, bytes] = {}  # id → content: acknowledged to a client
        self.delivered: Counter[str] = Counter()
        self.doubtful: Counter[str] = Counter()  # deliveries whose record a crash may have lost
        self._unrecorded: dict[Node, set[str]] = {node: set() for node in self.nodes}
        self.problems: list[Unreadable] = []
        for node in self.nodes:
            self.start(node)

    @property
    def up(self) -> list[Node]:
        """Nodes that run."""
        return [node for node in self.nodes if node.spool is not None]

    def owners(self, here: Node) -> Owners:
        """The view of a node."""
        owner = self.owner.name if self.owner is not None and self.owner.spool is not None else None
        return Owners(here.name, frozenset(node.name for node in self.up), {BINDING: owner})

    # -- life and death

    def start(self, node: Node) -> None:
        """Power on: read the spool."""
        node.disk.cut_at = None
        node.spool = PlainSpool(node.disk, node.number, self.rng, self.problems)
        node.queue = {message.id: message for message in node.spool.recover()}

    def crash(self, node: Node, *, with_power: bool) -> None:
        """kill -9, or the power goes too."""
        for wire in [wire for wire in self.wires if node in {wire.source, wire.target}]:
            self.cut(wire)
        node.spool = None
        node.queue = {}
        self.doubtful.update(self._unrecorded[node])
        self._unrecorded[node].clear()
        if with_power:
            node.disk = node.disk.after_power_cut(self.rng)
        node.disk.cut_at = None

    def attempt(self, node: Node, work: Callable[[], None]) -> None:
        """Do something on a node at which its power may go."""
        try:
            work()
        except PowerCut:
            self.crash(node, with_power=True)

    # -- mail

    def submit(self, node: Node) -> None:
        """A client hands in one message with one or two recipients; it counts once it is durable."""
        spool = node.spool
        assert spool is not None
        ids = [spool.new_id() for _ in range(self.rng.choice((1, 1, 2)))]
        head, body = b"Received: x\r\n", self.rng.randbytes(self.rng.choice((10, 300)))
        recipients = tuple(Recipient(id_, f"{number}@b.test", BINDING, "b.test") for number, id_ in enumerate(ids))
        transaction = Transaction(Envelope(self.now, "s@a.test", len(head + body)), recipients, head, (body,))

        def kept(stored: Stored | None) -> None:
            assert stored is not None
            for one in recipients:
                self.promised[one.id] = head + body
                node.queue[one.id] = Message(one.id, transaction.envelope, one.address, BINDING, "b.test", stored, 0)

        spool.keep(transaction, None, kept)

    def deliver(self, node: Node) -> None:
        """The next hop takes one message that this node may deliver."""
        spool = node.spool
        assert spool is not None
        owners = self.owners(node)
        for id_, message in list(node.queue.items()):
            if destination(message, spool.mark(id_), owners, self.now) is Stay.HERE and not spool.is_changing(id_):
                assert spool.shard.read(message.stored) == self.promised.get(id_, spool.shard.read(message.stored))
                del node.queue[id_]
                self.delivered[id_] += 1
                self._unrecorded[node].add(id_)
                spool.end(id_, partial(self._unrecorded[node].discard, id_))
                return

    # -- moving

    def connect(self, source: Node, target: Node) -> None:
        """Open a session, unless there is one."""
        if any((wire.source, wire.target) == (source, target) for wire in self.wires):
            return
        assert source.spool is not None
        assert target.spool is not None

        def gone(messages: Sequence[Message]) -> None:
            for message in messages:
                source.queue.pop(message.id, None)

        def back(messages: Sequence[Message], _why: Reply | None) -> None:
            source.queue.update((message.id, message) for message in messages)

        def taken(messages: Sequence[Message]) -> None:
            target.queue.update((message.id, message) for message in messages)

        sender = Sender(source.name)
        giver = Giver(source.spool, sender, target.name, lambda: self.now, gone, back)
        self.wires.append(Wire(giver, sender, Receiver(target.name), Taker(target.spool, taken), source, target))

    def move(self, node: Node) -> None:
        """Offer the first batch that should go, where a session is ready; open one where there is none."""
        spool = node.spool
        assert spool is not None
        owners = self.owners(node)
        queued = [message for message in node.queue.values() if not spool.is_changing(message.id)]
        going = [one for one in queued if isinstance(destination(one, spool.mark(one.id), owners, self.now), Move)]
        if going:
            where = destination(going[0], spool.mark(going[0].id), owners, self.now)
            assert isinstance(where, Move)
            alike = [
                one
                for one in going
                if one.stored is going[0].stored and destination(one, spool.mark(one.id), owners, self.now) == where
            ]
            self._offer(node, where.node, alike, spool)
            return
        for mark in spool.marks():
            target = next((one for one in self.up if mark.owes and one.name == mark.node), None)
            if target is not None:
                self.connect(node, target)

    def _offer(self, node: Node, to: str, messages: list[Message], spool: PlainSpool) -> None:
        (target,) = [one for one in self.nodes if one.name == to]
        self.connect(node, target)
        for wire in self.wires:
            if (wire.source, wire.target) == (node, target) and wire.sender.is_ready:
                for message in messages:
                    del node.queue[message.id]
                wire.giver.offer(messages, spool.shard.read(messages[0].stored))

    def cut(self, wire: Wire) -> None:
        """The connection breaks: what is under way is lost. What either side does already goes on."""
        wire.is_open = False
        self.wires.remove(wire)
        wire.giver.hear(wire.sender.lost())

    def pump(self, wire: Wire, most: int) -> None:
        """At most `most` bytes go each way."""
        wire.to_target += wire.sender.output()
        data, wire.to_target = wire.to_target[:most], wire.to_target[most:]
        if not wire.receiver.waits:
            self._hear(wire, wire.receiver.receive(data))
        else:
            wire.to_target = data + wire.to_target
        wire.to_source += wire.receiver.output()
        data, wire.to_source = wire.to_source[:most], wire.to_source[most:]
        if data:
            wire.giver.hear(wire.sender.receive(data))

    def _hear(self, wire: Wire, events: Sequence[Event]) -> None:
        def answer(ticket: Ticket, reply: Reply) -> None:
            if wire.is_open:
                self._hear(wire, wire.receiver.answer(ticket, reply))

        def take(ticket: Ticket) -> None:
            assert wire.arriving is not None
            block, addresses = wire.arriving.block, wire.arriving.addresses
            wire.taker.take(block, addresses, tuple(wire.pieces), None, lambda reply, _kept: answer(ticket, reply))

        for event in events:
            match event:
                case Arriving():
                    wire.arriving, wire.pieces = event, []
                case Piece(data):
                    wire.pieces.append(data)
                case Arrived(ticket):
                    take(ticket)
                case Released(releases, ticket):
                    wire.taker.release(releases, partial(answer, ticket))
                case Close():
                    raise AssertionError("the receiver closed the session")
