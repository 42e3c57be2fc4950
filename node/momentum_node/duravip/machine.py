"""The DuraVIP machine: views, messages and what the driver tells go in, effects come out (cluster §2.4-2.7).

    JOINING ──view──▶ GATHER ──every STATE in──▶ RUN ──somebody joined──▶ GATHER …
                                                  └─ only left: elect at once, no exchange

It knows neither network nor kernel nor clock. Who owns what is the table's (`table.py`), the same on every member;
this module adds what only this node does: sending its state, holding and releasing, and asking for maturity when it
leads. All of it is level-triggered: after each event `_settle` compares the table with what is held here.

A lost bus needs no event: the driver takes everything down and makes a new machine.
"""

from collections.abc import Sequence

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Translation
from momentum_node.duravip.catalogue import MessageError
from momentum_node.duravip.declaration import Declaration
from momentum_node.duravip.fragments import Assembler
from momentum_node.duravip.gather import Gather, view_key
from momentum_node.duravip.holds import Holds
from momentum_node.duravip.maturity import Maturity
from momentum_node.duravip.messages import Cleared, Defs, Drain, Envelope, Failed, Mature, Message, Released, State
from momentum_node.duravip.orders import Orders
from momentum_node.duravip.outbox import Outbox
from momentum_node.duravip.quorum import Rule
from momentum_node.duravip.reasons import Explainer
from momentum_node.duravip.table import Standing, Table
from momentum_node.duravip.vip import Definition, Effect, Identity, Placement, Policy

NEWS_WINDOW = 32
"""Messages of ours that may be under way before RELEASED, FAILED and CLEARED wait and grow instead: a node that gives
up thousands of addresses one by one must not fill the bus."""


class DuraVip:
    """One membership of one process. Everything that takes `now` may change what `effects` and `next_timer` say."""

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
        self._maturity = Maturity()
        self._placed: tuple[tuple[Table, int, Bits], tuple[Placement, ...]] | None = None
        self.ignored: dict[str, int] = {}  # messages that were not understood, by kind of error

    # -- what the bus tells ----------------------------------------------------------------------

    def on_view(self, event: ViewChanged, now: float) -> None:
        """A new member list, or the same one on another ring."""
        before, after = set(self._members), set(event.members)
        joined, left = self._changes(event, before, after)
        self._members, self._reachable = event.members, event.reachable
        if joined or left:
            self._view = view_key(event.members)
            self._maturity.disturbed(now)
        if joined:
            self._start_gather()
        elif left:
            self._lose(left)
        else:
            self._decide()  # the ring changed alone: the quorum may have
        self._settle(now)

    def _changes(
        self, event: ViewChanged, before: set[Member], after: set[Member]
    ) -> tuple[frozenset[Member], frozenset[Member]]:
        """Who joined and left. Whoever was away is new, however short it was (S4)."""
        return event.joined | (after - before), event.left | (before - after)

    def _start_gather(self) -> None:
        self._assembler.forget()
        self._orders.void()
        self._gather = Gather(self._members)
        self._tell_news()
        self._last_answer = self._send(self._state(gather=True))

    def _lose(self, left: frozenset[Member]) -> None:
        self._assembler.drop(left)
        if self._gather is not None:
            self._gather.drop(left)
            self._try_complete()
        elif self._table is not None:
            self._table.drop(left)
            self._table.vacated = 0
            self._decide()
            self._orders.announce(self._index.everything)

    def on_message(self, sender: Member, data: bytes, now: float) -> None:
        """A message in agreed order. Never raises for its content: what cannot be read is counted in `ignored`."""
        if sender not in self._members:
            return
        try:
            envelope = self._assembler.take(sender, data)
        except MessageError as error:
            kind = type(error).__name__
            self.ignored[kind] = self.ignored.get(kind, 0) + 1
            return
        if envelope is None:
            return
        if sender == self._local and envelope.incarnation == self._identity.incarnation:
            self._outbox.came_back(envelope.sequence)
            self._holds.came_back(envelope.sequence)
        if self._is_reborn(sender, envelope):
            self._start_gather()
        if self._gather is not None:
            self._gather.take(sender, envelope)
            self._try_complete()
        elif self._table is not None:
            self._deliver(self._table, sender, envelope, now)
        self._settle(now)

    def _is_reborn(self, sender: Member, envelope: Envelope) -> bool:
        """The table knows an earlier process with the same pid, whose last STATE came late: everybody gathers (S4)."""
        message = envelope.message
        if self._gather is not None or self._table is None or not (isinstance(message, State) and message.gather):
            return False
        standing = self._table.standings.get(sender)
        return standing is not None and standing.incarnation != envelope.incarnation

    def _deliver(self, table: Table, sender: Member, envelope: Envelope, now: float) -> None:
        """A message in RUN. Late answers to a view are ignored there."""
        standing = table.standings.get(sender)
        if standing is None or standing.incarnation != envelope.incarnation:
            return
        match envelope.message:
            case Defs(catalogue):
                table.catalogues[catalogue.digest] = catalogue
            case State() as state if not state.gather:
                self._redefine(table, sender, state, now)
            case Mature(view) if self._is_valid_tick(table, sender, view):
                self._own.claiming |= table.mature_all()
                self._decide()
            case Released() | Failed() | Cleared() | Drain() as message:
                table.apply(sender, message)
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
        if (before.digest, before.claims) != (state.facts.digest, state.facts.claims):
            self._maturity.disturbed(now)
        self._decide()

    # -- completing a gather ---------------------------------------------------------------------

    def _try_complete(self) -> None:
        gather = self._gather
        if gather is None or not gather.is_reported:
            return
        for digest in gather.offers(self._local):
            if digest in self._own.catalogues:  # else the report is of an earlier process with our pid; ours follows
                self._send(Defs(self._own.catalogues[digest]))
        catalogues = gather.catalogues(self._own.catalogues)
        if not catalogues:
            return
        mine = self._index.select(self._holds.held | self._holds.blocked)
        table = self._rebuild(gather.build(catalogues, mine))
        self._carry(Translation(self._index, table.index), table)
        self._table, self._gather = table, None
        self._decide()
        self._orders.announce(self._index.everything)

    def _rebuild(self, table: Table) -> Table:
        """Nothing of the old table survives (S6)."""
        return table

    def _carry(self, carry: Translation, table: Table) -> None:
        self._orders.carry(carry)
        self._index = table.index

    # -- what the driver tells -------------------------------------------------------------------

    def on_plumbed(self, vip: Address, now: float) -> None:
        """It is on the interface and served."""
        self._holds.has_plumbed(self._index.bit(vip))
        self._settle(now)

    def on_unplumbed(self, vip: Address, now: float) -> None:
        """The kernel confirmed that it is gone, whether asked for or not."""
        self._orders.withdraw(vip)
        self._holds.has_unplumbed(self._index.bit(vip))
        self._settle(now)

    def on_plumb_failed(self, vip: Address, reason: str, now: float) -> None:
        """It cannot be put up; nothing of the attempt is left."""
        self._orders.withdraw(vip)
        self._holds.has_failed(self._index.bit(vip), reason)
        self._settle(now)

    def on_plumb_clear(self, vip: Address, now: float) -> None:
        """What made it fail is gone."""
        self._holds.has_cleared(self._index.bit(vip))
        self._settle(now)

    def on_usable(self, vips: frozenset[Address], reason: str | None, now: float) -> None:
        """Which addresses can be served here now; `reason`: why the others cannot. Until told: all with a topology."""
        self._own.use(vips, reason)
        self._settle(now)

    def on_definitions(self, definitions: Sequence[Definition], policy: Policy, now: float) -> None:
        """A configuration is in use from now on."""
        self._own.configure(definitions, policy)
        self._settle(now)

    def on_drain(self, now: float) -> None:
        """Hand everything over; see `is_drained`."""
        if not self._own.draining:
            self._own.draining = True
            if self._members:
                self._send(Drain())
        self._settle(now)

    def on_cordon(self, cordoned: bool, now: float) -> None:
        """Be the last choice for addresses, or no longer."""
        self._own.cordoned = cordoned
        self._settle(now)

    def on_timer(self, now: float) -> None:
        """The time `next_timer` named has come. Harmless at any other time."""
        self._settle(now)

    # -- what follows ----------------------------------------------------------------------------

    def _decide(self) -> None:
        if self._gather is None and self._table is not None:
            self._table.elect(self._reachable)
            self._table.grant()

    def _settle(self, now: float) -> None:
        """Bring what is held here in line with the table, and tell the group what it does not know."""
        table = self._table
        if self._gather is not None or table is None:
            return
        me = table.standings.get(self._local)
        is_quorate = table.is_quorate(self._reachable)
        self._maturity.watch(is_mature=me is not None and me.mature, is_quorate=is_quorate, now=now)
        self._own.claiming &= is_quorate  # who had to let go takes nothing back at once (R10)
        self._own.claiming |= self._maturity.may_claim(now, self._own.policy)
        self._orders.let_go(table, is_quorate=is_quorate, grace_s=self._own.policy.release_grace_s)
        if not self._is_blind():
            self._orders.take(table)
        if self._leads(table) and self._maturity.is_due(table, now, self._own.policy):
            self._send(Mature(self._view))
            self._maturity.asked()
        if me is not None:
            self._refresh(table, me)

    def _is_blind(self) -> bool:
        """The last answer to a view has not come back: an older one may complete a gather without our newer holds."""
        return self._outbox.delivered < self._last_answer

    def _leads(self, table: Table) -> bool:
        return table.leader() == self._local and table.is_quorate(self._reachable)

    def _refresh(self, table: Table, me: Standing) -> None:
        """Say what changed here, once everything said before has come back: a late STATE may have been ignored."""
        if not self._outbox.is_quiet:
            return
        if me.facts == self._own.facts():
            self._own.forget_old_catalogues()
            return
        if self._own.catalogue.digest not in table.catalogues:
            self._send(Defs(self._own.catalogue))
        self._send(self._state(gather=False))

    def _state(self, *, gather: bool) -> State:
        me = self._table.standings.get(self._local) if self._table else None
        if me is not None and me.incarnation != self._identity.incarnation:
            me = None
        return self._own.state(
            self._index,
            gather=gather,
            view=self._view,
            mature=self._maturity.is_mature,
            holds=self._hold_bits(),
            owns=me.owns if me else 0,
            failed=self._holds.failed,
        )

    def _hold_bits(self) -> Bits:
        """Granted to us or possibly on the wire (S1)."""
        return self._holds.held

    def _send(self, message: Message) -> int:
        return self._outbox.send(message)

    def _tell_news(self) -> None:
        for news in self._holds.news(self._index):
            self._holds.told(self._send(news), news, self._index)

    # -- what the driver asks --------------------------------------------------------------------

    def effects(self) -> list[Effect]:
        """What to do now, in this order, each handed out once: releases first."""
        if self._outbox.under_way < NEWS_WINDOW:
            self._tell_news()
        return [*self._orders.releases(), *self._outbox.take(), *self._orders.acquisitions(self._index)]

    def next_timer(self) -> float | None:
        """When to call `on_timer`; None = never."""
        table = self._table
        if self._gather is not None or table is None:
            return None
        policy = self._own.policy
        mature = self._maturity.due(table, policy) if self._leads(table) else None
        claim = None if self._own.claiming else self._maturity.claim_due(policy)
        return min((due for due in (mature, claim) if due is not None), default=None)

    def is_granted(self, vip: Address) -> bool:
        """The ticket of a `Plumb` still holds: asked immediately before the kernel call (S7)."""
        table = self._table
        if self._gather is not None or table is None or self._is_blind():
            return False
        return bool(self._index.bit(vip) & self._holds.asked & table.tickets(self._local) & ~self._holds.blocked)

    def placements(self) -> tuple[Placement, ...]:
        """Every address that anybody declares or holds. During a gather: as the last table had it."""
        table, held = self._table, self._holds.held
        if table is None:
            why = "this node is not a member yet"
            return tuple(Placement(vip, None, f"nobody owns {vip}: {why}", False, ()) for vip in self._own.definitions)
        key = (table, table.elections, held)
        if self._placed is None or self._placed[0] != key:
            explainer = Explainer(table, self._reachable, self._own.definitions)
            self._placed = (key, tuple(explainer.placements(held)))
        return self._placed[1]

    @property
    def state(self) -> str:
        """JOINING, GATHER, RUN or DRAINING."""
        if not self._members:
            return "JOINING"
        if self._own.draining:
            return "DRAINING"
        return "RUN" if self._gather is None else "GATHER"

    def members(self) -> tuple[tuple[str, int, bool, bool], ...]:
        """(node name, bus node id, mature, draining) of each member of the view; a name not known yet is empty."""
        return tuple(self._member(member) for member in self._members)

    def _member(self, member: Member) -> tuple[str, int, bool, bool]:
        report = self._gather.reports.get(member) if self._gather else None
        if report is not None:
            return report.state.facts.name, member.node_id, report.state.mature, report.state.facts.draining
        standing = self._table.standings.get(member) if self._table and not self._gather else None
        if standing is not None:
            return standing.facts.name, member.node_id, standing.mature, standing.facts.draining
        return "", member.node_id, False, False

    def quorum(self) -> tuple[int, int, bool]:
        """(nodes of the node list on the ring, nodes in the list, may this part own addresses)."""
        rule = Rule.of(self._own.policy)
        have, of = rule.count(self._reachable)
        known = self._table if self._gather is None else None
        return have, of or have, (known or rule).is_quorate(self._reachable)

    @property
    def is_drained(self) -> bool:
        """After `on_drain`: nothing is held, nothing can be granted, and everything we said has come back (S8)."""
        if not self._own.draining or self._holds.held or self._holds.blocked:
            return False
        if not self._members:
            return True
        if self._gather is not None or self._table is None or not self._outbox.is_quiet:
            return False
        me = self._table.standings.get(self._local)
        return me is None or (me.facts.draining and not me.holds)
