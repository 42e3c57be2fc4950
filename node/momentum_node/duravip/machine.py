"""The DuraVIP machine: views, messages and what the driver tells go in, effects come out (cluster §2.4-2.7).

It knows neither network nor kernel nor clock. Who owns what is the table's (`table.py`), the same on every member, and
how the members agree on it is `member.py`'s; this module adds what only this node does: what its driver tells, holding
and releasing, and the ticks of a leader. All of it is level-triggered: after each event `_settle` compares the table
with what is held here.

A lost bus needs no event: the driver takes everything down and makes a new machine.
"""

from collections.abc import Collection, Mapping, Sequence

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip import inquiry
from momentum_node.duravip.doubt import Doubt
from momentum_node.duravip.member import GroupMember
from momentum_node.duravip.messages import Defs, Drain, Move
from momentum_node.duravip.moves import outlook
from momentum_node.duravip.quorum import Rule
from momentum_node.duravip.standing import Standing
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Definition, Effect, Identity, Placement, Policy, Witness, short_name

NEWS_WINDOW = 32
"""Messages of ours that may be under way before RELEASED, FAILED and CLEARED wait and grow instead: a node that gives
up thousands of addresses one by one must not fill the bus."""


class DuraVip(GroupMember):
    """One membership of one process. Everything that takes `now` may change what `effects` and `next_timer` say."""

    def __init__(self, identity: Identity, local: Member, definitions: Sequence[Definition], policy: Policy) -> None:
        super().__init__(identity, local, definitions, policy)
        self._inquiry = inquiry.Inquiry()
        self._doubt = Doubt()
        self._now = 0.0

    # -- what the driver tells -------------------------------------------------------------------

    def on_plumbed(self, vips: Collection[Address], now: float) -> None:
        """They are on the interface and served."""
        self._holds.has_plumbed(self._index.bits(vips))
        self._settle(now)

    def on_unplumbed(self, vips: Collection[Address], now: float) -> None:
        """The kernel confirmed that they are gone, whether asked for or not."""
        for vip in vips:
            self._orders.withdraw(vip)
        self._holds.has_unplumbed(self._index.bits(vips))
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

    def on_witnessed(self, answers: Collection[tuple[Address, bytes | None]], now: float) -> None:
        """Who answered for addresses that `Witness` named; None = nobody within 40 ms."""
        members = self._macs_of_members()
        for vip, mac in answers:
            self._witness.heard(vip, None if mac in members else mac, now)
        self._settle(now)

    def on_hardware(self, macs: tuple[bytes, ...], now: float) -> None:
        """The hardware addresses of the interfaces on which this node plumbs."""
        self._own.plumb_on(macs)
        self._settle(now)

    def on_usable(self, vips: frozenset[Address], reason: str | None, now: float) -> None:
        """Which addresses can be served here now; `reason`: why the others cannot. Until told: all with a topology."""
        self._ticks.failback.lost(self._index.select(self._holds.held & ~self._index.bits(vips)), now)
        self._ticks.failback.back(vips, now, self._own.policy)
        self._own.use(vips, reason)
        self._settle(now)

    def on_unsure(self, vips: frozenset[Address], reason: str, now: float) -> None:
        """Which addresses nobody is proven to reach here, and why: see `doubt.py` (R18)."""
        proven = self._doubt.say(vips, reason, now)
        self._ticks.failback.lost(proven - frozenset(self._index.select(self._holds.held)), now)  # they moved meanwhile
        self._ticks.failback.back(proven, now, self._own.policy)
        self._own.doubt(self._doubt.unsure, self._doubt.doubtful, reason)
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
                self._outbox.send(Drain())
        self._settle(now)

    def on_undrain(self, now: float) -> None:
        """Own addresses again."""
        self._own.draining = False
        self._settle(now)

    def on_cordon(self, cordoned: bool, now: float) -> None:
        """Be the last choice for addresses, or no longer."""
        self._own.cordoned = cordoned
        self._settle(now)

    def on_move(self, vip: Address, node: str | None, now: float) -> None:
        """An administrator wants `vip` on `node`, or (None) wherever it would be. See `outlook` for what it does."""
        self._moves.ask(Move(vip, short_name(node or "")))
        self._settle(now)

    def on_announce_view(self, now: float) -> None:
        """An administrator wants this member to say anew what it is (`duravip announce view`, cluster §2.13)."""
        if self._gather is None and self._table is not None and self._over is None:
            if self._own.catalogue.digest not in self._table.catalogues:
                self._outbox.send(Defs(self._own.catalogue))
            self._outbox.send(self._state(now, gather=False))
        self._settle(now)

    def on_timer(self, now: float) -> None:
        """The time `next_timer` named has come. Harmless at any other time."""
        self._settle(now)

    # -- what follows ----------------------------------------------------------------------------

    def _settle(self, now: float) -> None:
        """Bring what is held here in line with the table, and tell the group what it does not know."""
        self._watch_over(now)
        self._listen(now)
        table = self._table
        if self._gather is not None or table is None or self._over is not None:
            return
        me = table.standings.get(self._local)
        if self._doubt.confirm(table, self._local, now):
            self._own.doubt(self._doubt.unsure, self._doubt.doubtful, self._doubt.reason)
        is_quorate = table.is_quorate(self._reachable)
        self._ticks.watch(self._own, is_mature=me is not None and me.mature, is_quorate=is_quorate, now=now)
        self._orders.let_go(table, is_quorate=is_quorate, grace_s=self._own.policy.release_grace_s)
        if not self._is_blind():
            self._orders.take(table)
        if self._leads(table):
            self._ticks.lead(table, self._outbox, self._view, self._own.policy, now)
        for move in self._moves.unsent():
            self._moves.sent(move, self._outbox.send(move))
        if me is not None:
            self._refresh(table, me, now)

    def _watch_over(self, now: float) -> None:
        """Signs of life: ours, and those of the others."""
        self._now = now
        if not self._members or self._over is not None:
            return
        policy = self._own.policy
        if why := self._vigil.cut_off(now, policy):
            self._isolate(why)
            return
        table = self._table if self._gather is None else None
        self._vigil.say_signs(self._outbox, now, policy, self._view, table)
        self._vigil.accuse(self._outbox, policy, self._view, self._gather, table)

    def _listen(self, now: float) -> None:
        """For others that are about to plumb: what was granted just now, and what is still answered for."""
        begun, self._to_hear = self._to_hear, []
        self._witness.begin(begun, now)
        self._witness.turn(now)

    def _leads(self, table: Table) -> bool:
        return table.leader() == self._local and table.is_quorate(self._reachable)

    def _refresh(self, table: Table, me: Standing, now: float) -> None:
        """Say what changed here, once everything said before has come back: a late STATE may have been ignored."""
        if not self._outbox.is_quiet:
            return
        if me.facts == self._own.facts():
            self._own.forget_old_catalogues()
            return
        if self._own.catalogue.digest not in table.catalogues:
            self._outbox.send(Defs(self._own.catalogue))
        self._outbox.send(self._state(now, gather=False))

    def _is_blind(self) -> bool:
        """The last answer to a view has not come back: an older one may complete a gather without our newer holds."""
        return self._outbox.delivered < self._last_answer

    # -- what the driver asks --------------------------------------------------------------------

    def effects(self) -> list[Effect]:
        """What to do now, in this order, each handed out once: releases first."""
        if self._over is not None:
            isolating, self._isolating = self._isolating, []
            return [*isolating]
        if self._outbox.under_way < NEWS_WINDOW:
            self._tell_news()
            for word in self._witness.words():
                self._outbox.send(word)
        questions = self._witness.questions()
        acquisitions = self._orders.acquisitions(self._index)
        asked = [Witness(questions)] if questions else []
        return [*self._orders.releases(), *self._outbox.take(), *acquisitions, *asked]

    def next_timer(self) -> float | None:
        """When to call `on_timer`; None = never."""
        if self._over is not None or not self._members:
            return None
        due = self._vigil.clocks.next_due(self._outbox.delivered, self._own.policy)
        due += [at for at in (self._witness.next_due(self._now), self._doubt.next_due(self._now)) if at is not None]
        table = self._table
        if self._gather is None and table is not None:
            leads = self._leads(table)
            due += [at for at in self._ticks.next_due(table, self._own, self._now, leads=leads) if at is not None]
        return min(due, default=None)

    def is_granted(self, vip: Address) -> bool:
        """The ticket of a `Plumb` still holds: asked immediately before the kernel call (S7)."""
        table = self._table
        if self._gather is not None or table is None or self._is_blind() or self._over is not None:
            return False
        return bool(self._index.bit(vip) & self._holds.asked & table.tickets(self._local) & ~self._holds.blocked)

    def placements(self) -> tuple[Placement, ...]:
        """Every address that anybody declares or holds. During a gather: as the last table had it."""
        if self._table is None:
            return inquiry.not_placed(self._own.definitions)
        return self._inquiry.placements(self._table, self._reachable, self._own.definitions, self._holds.held)

    @property
    def mark(self) -> object:
        """Another one when a report could say something else: most messages are signs of life and change nothing."""
        return self.owners_mark, self._holds.held, self._holds.plumbed

    @property
    def owners_mark(self) -> object:
        """Another one when an address may have another owner: not each time that one of ours is put up or removed."""
        table = self._table
        return table, table.elections if table else 0, self.state, self._members, self._reachable

    def what_if(self, gone: Collection[str]) -> tuple[Placement, ...]:
        """Where each address would go if the nodes of these names died now."""
        if self._table is None:
            return inquiry.not_placed(self._own.definitions)
        return inquiry.what_if(self._table, self._reachable, self._own.definitions, gone)

    def outlook(self, vip: Address, node: str | None) -> str:
        """What `on_move` would do, as the console says it. Raises `MoveRefused` with the reason."""
        return outlook(self._table if self._gather is None else None, Move(vip, short_name(node or "")))

    def whose(self, mac: bytes) -> str | None:
        """The member that has this hardware address, or had it when it left; None for a stranger's."""
        return self._names.get(mac)

    @property
    def local(self) -> Member:
        """Whose machine it is."""
        return self._local

    def basis(self) -> tuple[Table | None, frozenset[int], Mapping[Address, Definition]]:
        """What questions about placements are answered from: the agreed table (None while states are exchanged), the
        nodes on the ring, this node's definitions. To be read only; a drill tries its moves on a copy."""
        return (None if self._gather else self._table), self._reachable, self._own.definitions

    def alarms(self) -> tuple[str, ...]:
        """What an administrator must hear of, one line each; empty when all is well."""
        return inquiry.alarms(self._table, self._vigil.differs) if self._table and self._gather is None else ()

    def self_delivery_age(self, now: float) -> float:
        """Seconds since the bus last brought something of ours back (failover §4.2)."""
        return self._vigil.clocks.age(now)

    @property
    def state(self) -> str:
        """JOINING, GATHER, RUN, DRAINING or ISOLATED."""
        if self._over is not None:
            return "ISOLATED"
        if not self._members:
            return "JOINING"
        if self._own.draining:
            return "DRAINING"
        return "RUN" if self._gather is None else "GATHER"

    def members(self) -> tuple[tuple[str, int, bool, bool], ...]:
        """(node name, bus node id, mature, draining) of each member of the view; a name not known yet is empty."""
        return inquiry.members(self._members, self._gather, self._table)

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
