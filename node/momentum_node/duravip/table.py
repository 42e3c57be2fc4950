"""The ownership table: a function of member list, reports and the ordered messages of a view (cluster §2.5).

Every member of a view computes it alone, from the same input; nothing in it comes from a clock or from a NIC.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Index, Translation
from momentum_node.duravip.agreement import Agreement, agreement
from momentum_node.duravip.balance import Share, balance
from momentum_node.duravip.catalogue import Catalogue
from momentum_node.duravip.election import Candidate, Outcome, Terms, elect
from momentum_node.duravip.messages import Cleared, Drain, Failed, Move, News, Pin, Released, State
from momentum_node.duravip.standing import SETS, Standing, union
from momentum_node.duravip.weights import in_force

Fact = TypeVar("Fact")

LAST_STAMP = 2**64 - 1
"""The largest number that travels."""


class Table:
    """Standings of all members of one view; changed only by what the stream delivers, in its order."""

    def __init__(self, index: Index, catalogues: Mapping[bytes, Catalogue]) -> None:
        self.index = index
        self.catalogues = dict(catalogues)
        self.standings: dict[Member, Standing] = {}
        self.pins: dict[Address, Pin] = {}
        self.broken: Bits = 0  # the verdict in force
        self.vacated: Bits = 0  # its last holder removed it from the wire in this view
        self.orphaned: Bits = 0  # placed as an orphan, and not moved since
        self.merged: Bits = 0  # placed among several holders, and not moved since
        self.balanced: Bits = 0  # moved by balancing, and not moved since
        self.outcome = Outcome((), 0, 0, 0, 0)
        self.elections = 0
        self._known: dict[object, object] = {}  # what follows from the standings, until they change

    # -- what is known ---------------------------------------------------------------------------

    def add(self, member: Member, incarnation: int, state: State) -> None:
        """A report. Its catalogue must be known."""
        source = self.catalogues[state.facts.digest].index
        carry = Translation(source, self.index)
        standing = Standing(member, incarnation, state.mature, state.facts)
        self.standings[member] = standing
        self._declare(standing, state, carry)
        standing.holds = carry(state.holds) | self.index.bits(state.strays)
        standing.owns = carry(state.owns)
        for pin in state.pins:
            self._learn(pin)

    def _learn(self, pin: Pin) -> None:
        """Of two pins the later one counts, then the higher incarnation: the same choice everywhere."""
        known = self.pins.get(pin.address)
        if known is None or (known.stamp, known.incarnation) < (pin.stamp, pin.incarnation):
            self.pins[pin.address] = pin

    def replace(self, member: Member, state: State) -> None:
        """A member says something new about itself. Its holds, ownership and maturity are the stream's to say."""
        standing = self.standings[member]
        standing.facts = state.facts
        catalogue = self.catalogues[state.facts.digest]
        self._declare(standing, state, Translation(catalogue.index, self.index))

    def _declare(self, standing: Standing, state: State, carry: Translation) -> None:
        self._known.clear()
        standing.listed = carry(self.catalogues[state.facts.digest].index.everything)
        standing.claims = tuple(carry(claims) for claims in state.facts.all_claims)
        standing.unusable = carry(state.facts.unusable)
        standing.unsure, standing.doubtful = carry(state.facts.unsure), carry(state.facts.doubtful)
        standing.failed = {reason: failed for reason, bits in state.failed if (failed := carry(bits))}

    def carry_to(self, index: Index) -> Translation:
        """Extend the table to a larger index. Returns the way for other sets over the old one."""
        carry = Translation(self.index, index)
        for standing in self.standings.values():
            for name in SETS:
                setattr(standing, name, carry(getattr(standing, name)))
            standing.claims = tuple(map(carry, standing.claims))
            standing.failed = {reason: carry(bits) for reason, bits in standing.failed.items()}
        for name in ("broken", "vacated", "orphaned", "merged", "balanced"):
            setattr(self, name, carry(getattr(self, name)))
        self.index = index
        self._known.clear()
        return carry

    def complete(self) -> None:
        """Every report is in: pins to nobody end, and what nobody serves may be refused at once (§2.11)."""
        self._end_pins()
        self.broken = self.agreed().contradicted & ~union(s.owns for s in self.standings.values())

    # -- what the stream says --------------------------------------------------------------------

    def drop(self, members: Iterable[Member]) -> None:
        """These left: every fact about them goes."""
        for member in members:
            self.standings.pop(member, None)
        self._known.clear()
        self._end_pins()

    def _end_pins(self) -> None:
        present = {standing.incarnation for standing in self.standings.values()}
        self.pins = {address: pin for address, pin in self.pins.items() if pin.incarnation in present}

    def apply(self, sender: Member, message: News) -> None:
        """One message of a member about its own addresses."""
        standing = self.standings[sender]
        match message:
            case Released(removed, unused):
                gone, never = self.index.bits(removed), self.index.bits(unused)
                standing.holds &= ~(gone | never)
                self.vacated = (self.vacated | gone) & ~never
            case Failed(addresses, reason):
                bits = self.index.bits(addresses)
                standing.holds &= ~bits
                self.vacated &= ~bits
                standing.forget_failures(bits)
                standing.failed[reason] = standing.failed.get(reason, 0) | bits
            case Cleared(addresses):
                standing.forget_failures(self.index.bits(addresses))
            case Drain():
                standing.facts = replace(standing.facts, draining=True)
                self._known.clear()

    def mature_all(self) -> bool:
        """Everybody may own addresses. True at a cold start: nobody could before, so claims count at once (§2.1)."""
        is_cold = not any(standing.mature for standing in self.standings.values())
        for standing in self.standings.values():
            standing.mature = True
            if is_cold:
                standing.facts = replace(standing.facts, claiming=True)
        self._known.clear()
        self.broken = self.agreed().contradicted
        return is_cold

    def pin(self, move: Move) -> None:
        """A manual move, or (without a node) the end of one. The same pin again changes nothing."""
        if not move.node:
            self.pins.pop(move.address, None)
            return
        target = next(standing for standing in self.by_name() if standing.name == move.node)
        known = self.pins.get(move.address)
        if known is None or known.incarnation != target.incarnation:
            stamp = min(LAST_STAMP, 1 + max((pin.stamp for pin in self.pins.values()), default=0))
            self.pins[move.address] = Pin(move.address, target.incarnation, stamp)

    # -- what follows ----------------------------------------------------------------------------

    def elect(self, reachable: frozenset[int]) -> None:
        """Name the owner of every address. Anchors are the owners there are (after a gather: own bits)."""
        self.broken &= self.agreed().contradicted
        outcome = elect(self._candidates(reachable), self.terms())
        self.outcome = outcome
        moved = self._settle(outcome.owns)
        still = ~(moved | outcome.fixed)
        self.orphaned = self.orphaned & still | outcome.orphans
        self.merged = self.merged & still | outcome.merged
        self.balanced &= still

    def balance(self, reachable: frozenset[int], limit: int) -> None:
        """Even the load by at most `limit` moves, and elect: followers go along."""
        shares = self._balanced_shares(limit)
        for standing, share in zip(self.by_name(), shares, strict=True):
            self.balanced |= share.floating & ~standing.owns
            standing.owns = share.owned
        balanced = self.balanced
        self.elect(reachable)
        self.balanced = balanced & ~self.outcome.fixed

    def is_uneven(self) -> bool:
        """A BALANCE would move something, and no move is under way."""
        if any(self.held_by_others(standing.member) & standing.owns for standing in self.standings.values()):
            return False
        shares = self._balanced_shares(1)
        return any(share.owned != standing.owns for standing, share in zip(self.by_name(), shares, strict=True))

    def _balanced_shares(self, limit: int) -> list[Share]:
        fixed = self.outcome.fixed | self.terms().followers
        shares = [
            Share(standing.name, eligible, standing.owns, standing.owns & ~fixed, weight)
            for standing, eligible, weight in zip(self.by_name(), self.outcome.eligible, self.weights(), strict=True)
        ]
        balance([share for share in shares if share.eligible], limit, self.agreed().apart)
        return shares

    def _settle(self, owns: Iterable[Bits]) -> Bits:
        """Put the result down. Returns what moved."""
        self.elections += 1
        moved = 0
        for standing, owned in zip(self.by_name(), owns, strict=True):
            moved |= owned & ~standing.owns
            standing.owns = owned
        return moved

    def terms(self) -> Terms:
        """What an election must know besides its candidates."""
        agreed = self.agreed()
        return Terms(self.broken, agreed.follows, agreed.apart)

    def _candidates(self, reachable: frozenset[int]) -> list[Candidate]:
        allowed = self.electable(reachable)
        pinned: dict[int, Bits] = {}
        for pin in self.pins.values():
            pinned[pin.incarnation] = pinned.get(pin.incarnation, 0) | self.index.bit(pin.address)
        return [
            self._candidate(standing, weight, standing.member in allowed, pinned.get(standing.incarnation, 0))
            for standing, weight in zip(self.by_name(), self.weights(), strict=True)
        ]

    def _candidate(self, standing: Standing, weight: int, is_allowed: bool, pinned: Bits) -> Candidate:
        first, *others = standing.valid_claims()
        return Candidate(
            name=standing.name,
            eligible=standing.candidate_for & ~standing.all_failed if is_allowed else 0,
            claims=first,
            anchors=standing.owns,
            holds=standing.holds,
            pinned=pinned,
            is_cordoned=standing.facts.cordoned,
            fallbacks=tuple(others),
            weight=weight,
            doubtful=standing.doubtful if self.speaks_alike() else 0,
        )

    def grant(self) -> dict[Member, Bits]:
        """The owner of an address that nobody else holds becomes its holder. Needs no message (§2.5).

        Returns what each was granted now and has to ask the wire for, as nobody said that he removed it.
        """
        held = union(standing.holds for standing in self.standings.values())
        granted = {}
        for member, standing in self.standings.items():
            new = standing.owns & ~held
            standing.holds |= new
            if unknown := new & ~self.vacated:
                granted[member] = unknown
        return granted

    def tickets(self, member: Member) -> Bits:
        """What `member` may plumb: it owns and holds it, and nobody else does."""
        standing = self.standings.get(member)
        return standing.owns & standing.holds & ~self.held_by_others(member) if standing else 0

    def held_by_others(self, member: Member) -> Bits:
        """What anybody but `member` may have on the wire."""
        return union(standing.holds for other, standing in self.standings.items() if other != member)

    # -- questions -------------------------------------------------------------------------------

    def _once(self, what: object, find: Callable[[], Fact]) -> Fact:
        """Found at most once until the standings change."""
        if what not in self._known:
            self._known[what] = find()
        return self._known[what]  # type: ignore[return-value]

    def by_name(self) -> list[Standing]:
        """In node-name order; the first is the leader."""
        return self._once("by name", lambda: sorted(self.standings.values(), key=lambda s: (s.name, s.member)))

    def weights(self) -> list[int]:
        """Of the members, by name; all alike while somebody is there whose version knows none."""
        return self._once("weights", lambda: in_force([standing.facts.weight for standing in self.by_name()]))

    def speaks_alike(self) -> bool:
        """Everybody's version knows weights and doubt: what some do not know must count for nobody."""
        return self._once("alike", lambda: all(standing.facts.weight for standing in self.standings.values()))

    def leader(self) -> Member | None:
        """The first member by node name."""
        return self.by_name()[0].member if self.standings else None

    def is_quorate(self, reachable: frozenset[int]) -> bool:
        """By the policy of every member."""
        known = self._known.get(reachable)
        if known is None:
            rules = {standing.facts.rule for standing in self.standings.values()}
            known = self._known[reachable] = all(rule.is_quorate(reachable) for rule in rules)
        return bool(known)

    def electable(self, reachable: frozenset[int]) -> set[Member]:
        """E of cluster §2.7: mature, not draining, no duplicate; nobody without quorum."""
        return self._once("able", self._able) if self.is_quorate(reachable) else set()

    def _able(self) -> set[Member]:
        twins = self.duplicates()
        standings = self.standings.values()
        return {s.member for s in standings if s.mature and not s.facts.draining and s.member not in twins}

    def duplicates(self) -> set[Member]:
        """Members whose node name or address another one has: mature ones stay, then the lower member (§1.1)."""
        return self._once("twins", self._twins)

    def _twins(self) -> set[Member]:
        names: set[str] = set()
        addresses: set[str] = set()
        twins: set[Member] = set()
        for standing in sorted(self.standings.values(), key=lambda s: (not s.mature, s.member)):
            if standing.name in names or standing.facts.address in addresses:
                twins.add(standing.member)
            names.add(standing.name)
            addresses.add(standing.facts.address)
        return twins

    def agreed(self) -> Agreement:
        """What the definitions of all members say together."""
        return self._once("agreed", self._agree)

    def _agree(self) -> Agreement:
        candidates: dict[bytes, Bits] = {}
        for standing in self.standings.values():
            digest = standing.facts.digest
            candidates[digest] = candidates.get(digest, 0) | standing.candidate_for
        return agreement(self.index, [(self.catalogues[digest], bits) for digest, bits in sorted(candidates.items())])

    def known(self) -> Bits:
        """Declared or held by anybody."""
        return union(standing.listed | standing.holds for standing in self.standings.values())

    def digest(self) -> bytes:
        """Equal on members that took the same events."""
        state = hashlib.blake2b(repr(sorted(self.pins.items(), key=lambda item: str(item[0]))).encode(), digest_size=8)
        for standing in self.by_name():
            state.update(standing.digest())
        return state.digest()

    def without(self, gone: Iterable[Member]) -> "Table":
        """A copy in which these have left; this one stays as it is."""
        copy = Table(self.index, self.catalogues)
        copy.standings = {member: standing.copy() for member, standing in self.standings.items()}
        copy.pins, copy.broken = dict(self.pins), self.broken
        copy.orphaned, copy.merged, copy.balanced = self.orphaned, self.merged, self.balanced
        copy.drop(gone)
        return copy


def index_of(catalogues: Iterable[Catalogue], others: Iterable[Address]) -> Index:
    """The index over everything declared, and `others`."""
    first, *rest = {catalogue.digest: catalogue.index for catalogue in catalogues}.values()
    missing = [address for index in rest for address in first.missing(index.addresses)]
    missing += first.missing(others)
    return Index.of([*first.addresses, *missing]) if missing else first
