"""A member of the group: the half of the machine that every member runs alike (cluster §2.5).

    JOINING ──view──▶ GATHER ──every STATE in──▶ RUN ──somebody joined──▶ GATHER …
                                                  └─ only left: elect at once, no exchange

Views and messages go in, in agreed order, and change the table; what this node does about it is `machine.py`'s.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import islice

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Translation, positions
from momentum_node.duravip.catalogue import MessageError
from momentum_node.duravip.declaration import Declaration
from momentum_node.duravip.fragments import Assembler
from momentum_node.duravip.gather import Gather, view_key
from momentum_node.duravip.holds import Holds
from momentum_node.duravip.messages import (
    Balance,
    Beacon,
    Cleared,
    Contested,
    Defs,
    Drain,
    Envelope,
    Failed,
    Heartbeat,
    Mature,
    Message,
    Move,
    Released,
    State,
    Suspect,
)
from momentum_node.duravip.moves import Moves, refusal
from momentum_node.duravip.orders import Orders
from momentum_node.duravip.outbox import Outbox
from momentum_node.duravip.standing import union
from momentum_node.duravip.table import Table
from momentum_node.duravip.ticks import Ticks
from momentum_node.duravip.vigil import Vigil
from momentum_node.duravip.vip import Definition, Identity, Isolate, Policy, short_name
from momentum_node.duravip.witness import BURST, Witnessing, hears_for


class GroupMember(ABC):
    """One membership of one process."""

    def __init__(self, identity: Identity, local: Member, definitions: Sequence[Definition], policy: Policy) -> None:
        self._identity = identity
        self._local = local
        self._own = Declaration(identity, definitions, policy)
        self._index = self._own.catalogue.index
        self._holds = Holds()
        self._orders = Orders(local, self._holds)
        self._outbox = Outbox(identity.incarnation)
        self._assembler = Assembler()
        self._members: tuple[Member, ...] = ()
        self._reachable: frozenset[int] = frozenset()
        self._view = b""
        self._gather: Gather | None = None
        self._table: Table | None = None
        self._last_answer = 0  # number of the last STATE that answers a view
        self._ticks = Ticks()
        self._vigil = Vigil(local)
        self._moves = Moves()
        self._witness = Witnessing()
        self._to_hear: list[Address] = []  # since the last turn, for others
        self._names: dict[bytes, str] = {}  # of all members there were, by hardware address
        self._over: str | None = None  # why we start anew: nothing that is told counts any more
        self._isolating: list[Isolate] = []
        self.ignored: dict[str, int] = {}  # messages that were not understood, by kind of error

    # -- what the bus tells ----------------------------------------------------------------------

    def on_view(self, event: ViewChanged, now: float) -> None:
        """A new member list, or the same one on another ring."""
        before, after = set(self._members), set(event.members)
        joined, left = self._changes(event, before, after)
        table = self._table
        if table is not None and table.is_quorate(self._reachable):
            self._ticks.left((s for member, s in table.standings.items() if member in left), now)
        self._members, self._reachable = event.members, event.reachable
        if joined or left:
            self._view = view_key(event.members)
            self._ticks.disturbed(now)
            self._vigil.view(event.members, joined, now)
        if joined:
            self._start_gather(now)
        elif left:
            self._lose(left, now)
        else:
            self._vigil.events += 1
            self._decide()  # the ring changed alone: the quorum may have
        self._settle(now)

    def _changes(
        self, event: ViewChanged, before: set[Member], after: set[Member]
    ) -> tuple[frozenset[Member], frozenset[Member]]:
        """Who joined and left. Whoever was away is new, however short it was (S4)."""
        return event.joined | (after - before), event.left | (before - after)

    def _start_gather(self, now: float) -> None:
        self._assembler.forget()
        self._orders.void()
        self._gather = Gather(self._members)
        self._vigil.clocks.gathers(now)
        self._tell_news()
        self._last_answer = self._outbox.send(self._state(now, gather=True))

    def _lose(self, left: frozenset[Member], now: float) -> None:
        self._assembler.drop(left)
        if self._gather is not None:
            self._gather.drop(left)
            self._try_complete(now)
        elif self._table is not None:
            self._table.drop(left)
            self._table.vacated = 0
            self._decide()
            self._orders.remind()

    def on_message(self, sender: Member, data: bytes, now: float) -> None:
        """A message in agreed order. Never raises for its content: what cannot be read is counted in `ignored`."""
        envelope = self._read(sender, data)
        if envelope is None:
            return
        self._vigil.clocks.heard(sender, now)
        if sender == self._local and envelope.incarnation == self._identity.incarnation:
            self._came_back(envelope.sequence, now)
        if isinstance(envelope.message, Beacon):
            return
        if isinstance(envelope.message, Contested):  # about wires, not about the table: also while states are exchanged
            self._orders.contest(self._index, sender, envelope.message)
            return
        if self._is_reborn(sender, envelope):
            self._start_gather(now)
        if isinstance(envelope.message, Suspect):
            self._suspect(envelope.message, now)
        elif self._gather is not None:
            self._gather.take(sender, envelope)
            self._try_complete(now)
        elif self._table is not None:
            self._deliver(self._table, sender, envelope, now)
        self._settle(now)

    def _read(self, sender: Member, data: bytes) -> Envelope | None:
        if sender not in self._members or self._over is not None:
            return None
        try:
            return self._assembler.take(sender, data)
        except MessageError as error:
            kind = type(error).__name__
            self.ignored[kind] = self.ignored.get(kind, 0) + 1
            return None

    def _came_back(self, sequence: int, now: float) -> None:
        self._vigil.clocks.came_back(now)
        self._outbox.came_back(sequence)
        self._holds.came_back(sequence)
        self._moves.came_back(sequence, worked=self._gather is None)

    def _is_reborn(self, sender: Member, envelope: Envelope) -> bool:
        """The table knows an earlier process with the same pid, whose last STATE came late: everybody gathers (S4)."""
        message = envelope.message
        if self._gather is not None or self._table is None or not (isinstance(message, State) and message.gather):
            return False
        standing = self._table.standings.get(sender)
        return standing is not None and standing.incarnation != envelope.incarnation

    def _suspect(self, said: Suspect, now: float) -> None:
        """Somebody counts as left; if it is us, we are: let go and join anew."""
        if said.view != self._view or said.member not in self._members:
            return
        standing = self._table.standings.get(said.member) if self._table and self._gather is None else None
        if self._gather is not None:
            if not self._gather.suspect(said.member, said.incarnation):
                return
        elif standing is None or standing.incarnation != said.incarnation:
            return
        self._vigil.suspected.add(said.member)
        self._vigil.events += 1
        if said.member == self._local:
            self._isolate("the others suspect us")
        elif self._gather is not None:
            self._try_complete(now)
        else:
            self._ticks.disturbed(now)
            self._lose(frozenset({said.member}), now)

    def _deliver(self, table: Table, sender: Member, envelope: Envelope, now: float) -> None:
        """A message in RUN. Late answers to a view are ignored there."""
        standing = table.standings.get(sender)
        if standing is None or standing.incarnation != envelope.incarnation:
            return
        if isinstance(envelope.message, Heartbeat):
            if envelope.message.view == self._view and (why := self._vigil.compare(sender, envelope.message, table)):
                self._isolate(why)
            return
        self._vigil.events += 1
        match envelope.message:
            case Mature(view) | Balance(view):
                if self._is_valid_tick(table, sender, view):
                    self._tick(table, envelope.message, now)
            case State() as state:
                if not state.gather:
                    self._redefine(table, sender, state, now)
            case Defs(catalogue):
                table.catalogues[catalogue.digest] = catalogue
            case _:
                self._apply(table, sender, envelope.message)

    def _tick(self, table: Table, tick: Mature | Balance, now: float) -> None:
        if isinstance(tick, Balance):
            table.balance(self._reachable, tick.limit)
            self._grant(table)
            self._ticks.has_balanced(table, self._own.policy, now)
            return
        if table.mature_all():
            self._own.claiming = True
            self._ticks.began_cold(table, self._own.policy, now)
        self._decide()

    def _apply(self, table: Table, sender: Member, message: Message) -> None:
        match message:
            case Move() as move if refusal(table, move) is None:
                table.pin(move)
            case Released() | Failed() | Cleared() | Drain() as news:
                table.apply(sender, news)
            case _:
                return
        self._decide()
        if isinstance(message, Released) and sender != self._local:
            self._orders.announce(self._index.bits((*message.removed, *message.unused)))

    def _is_valid_tick(self, table: Table, sender: Member, view: bytes) -> bool:
        """Ticks come from the leader and are for this view (S5)."""
        return sender == table.leader() and view == self._view

    def _redefine(self, table: Table, sender: Member, state: State, now: float) -> None:
        catalogue = table.catalogues.get(state.facts.digest)
        if catalogue is None:
            return  # its DEFS was before a view with joins: so was this, and a newer STATE follows
        before = table.standings[sender].facts
        if table.index.missing(catalogue.index.addresses):
            larger = table.index.of([*table.index.addresses, *catalogue.index.addresses])
            self._carry(table.carry_to(larger), table)
        table.replace(sender, state)
        self._learn_hardware(table)
        if (before.digest, before.all_claims) != (state.facts.digest, state.facts.all_claims):
            self._ticks.disturbed(now)
        self._decide()

    # -- completing a gather ---------------------------------------------------------------------

    def _try_complete(self, now: float) -> None:
        gather = self._gather
        if gather is None or not gather.is_reported:
            return
        for digest in gather.offers(self._local):
            if digest in self._own.catalogues:  # else the report is of an earlier process with our pid; ours follows
                self._outbox.send(Defs(self._own.catalogues[digest]))
        catalogues = gather.catalogues(self._own.catalogues)
        if not catalogues:
            return
        mine = self._index.select(self._holds.held | self._holds.blocked)
        table = self._rebuild(gather.build(catalogues, mine))
        self._carry(Translation(self._index, table.index), table)
        self._table, self._gather = table, None
        self._learn_hardware(table)
        self._vigil.completed(gather)
        self._ticks.completed(gather, short_name(self._identity.node_name), now)
        self._decide()
        self._orders.remind()

    def _rebuild(self, table: Table) -> Table:
        """Nothing of the old table survives (S6)."""
        return table

    def _carry(self, carry: Translation, table: Table) -> None:
        self._orders.carry(carry)
        self._index = table.index

    # -- what follows for everybody --------------------------------------------------------------

    def _isolate(self, why: str) -> None:
        self._over = self._over or why
        self._isolating = [Isolate(why)]

    def _decide(self) -> None:
        if self._gather is None and self._table is not None:
            self._table.elect(self._reachable)
            self._grant(self._table)

    def _grant(self, table: Table) -> None:
        """Owners become holders; where others will ask the wire for an address, this member may be their witness."""
        granted = table.grant()
        me = table.standings.get(self._local)
        if granted and me is not None:
            asking = hears_for([standing.member for standing in table.by_name()], self._local)
            bits = union(bits for member, bits in granted.items() if member in asking) & me.listed
            self._to_hear += [self._index.addresses[at] for at in islice(positions(bits), BURST)]

    def _state(self, now: float, *, gather: bool) -> State:
        me = self._table.standings.get(self._local) if self._table else None
        if me is not None and me.incarnation != self._identity.incarnation:
            me = None
        return self._own.state(
            self._index,
            gather=gather,
            view=self._view,
            mature=self._ticks.is_mature,
            holds=self._hold_bits(),
            owns=me.owns if me else 0,
            failed=self._holds.failed,
            starting=self._ticks.is_starting(now),
            departures=self._ticks.departures(now),
            suspected=self._vigil.suspected,
            pins=self._table.pins.values() if self._table else (),
        )

    def _hold_bits(self) -> Bits:
        """Granted to us or possibly on the wire (S1)."""
        return self._holds.held

    def _learn_hardware(self, table: Table) -> None:
        self._names |= {mac: s.facts.name for s in table.standings.values() for mac in s.facts.macs}

    def _macs_of_members(self) -> set[bytes]:
        """Hardware addresses of those that are here: an owner among them has the address by right."""
        standings = self._table.standings if self._table else {}
        return {mac for member in self._members if (s := standings.get(member)) for mac in s.facts.macs}

    def _tell_news(self) -> None:
        for news in self._holds.news(self._index):
            self._holds.told(self._outbox.send(news), news, self._index)

    @abstractmethod
    def _settle(self, now: float) -> None:
        """Do what follows for this node."""
