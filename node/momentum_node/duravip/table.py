"""The ownership table: a function of member list, reports and the ordered messages of a view (cluster §2.5).

Every member of a view computes it alone, from the same input; nothing in it comes from a clock or from a NIC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Index, Translation
from momentum_node.duravip.catalogue import Catalogue
from momentum_node.duravip.election import Candidate, elect
from momentum_node.duravip.messages import Cleared, Drain, Facts, Failed, Released, State
from momentum_node.duravip.vip import short_name


@dataclass(slots=True)
class Standing:
    """What the group knows of one member. Sets are over the table's index."""

    member: Member
    incarnation: int
    mature: bool
    facts: Facts
    listed: Bits = 0
    claims: Bits = 0
    unusable: Bits = 0
    holds: Bits = 0
    owns: Bits = 0
    failed: dict[str, Bits] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The node name as elections compare it."""
        return short_name(self.facts.name)

    @property
    def all_failed(self) -> Bits:
        """What it cannot serve, for whatever reason."""
        return _union(self.failed.values())

    @property
    def candidate_for(self) -> Bits:
        """Declared here, and its interface and services could carry it now."""
        return self.listed & ~self.unusable

    def forget_failures(self, bits: Bits) -> None:
        """These can be served again, or failed for another reason now."""
        self.failed = {reason: left for reason, failed in self.failed.items() if (left := failed & ~bits)}


class Table:
    """Standings of all members of one view; changed only by what the stream delivers, in its order."""

    def __init__(self, index: Index, catalogues: Mapping[bytes, Catalogue]) -> None:
        self.index = index
        self.catalogues = dict(catalogues)
        self.standings: dict[Member, Standing] = {}
        self.vacated: Bits = 0  # its last holder removed it from the wire in this view
        self.orphaned: Bits = 0  # placed as an orphan, and not moved since
        self.merged: Bits = 0  # placed among several holders, and not moved since
        self.elections = 0

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

    def replace(self, member: Member, state: State) -> None:
        """A member says something new about itself. Its holds, ownership and maturity are the stream's to say."""
        standing = self.standings[member]
        standing.facts = state.facts
        catalogue = self.catalogues[state.facts.digest]
        self._declare(standing, state, Translation(catalogue.index, self.index))

    def _declare(self, standing: Standing, state: State, carry: Translation) -> None:
        standing.listed = carry(self.catalogues[state.facts.digest].index.everything)
        standing.claims = carry(state.facts.claims)
        standing.unusable = carry(state.facts.unusable)
        standing.failed = {reason: failed for reason, bits in state.failed if (failed := carry(bits))}

    def carry_to(self, index: Index) -> Translation:
        """Extend the table to a larger index. Returns the way for other sets over the old one."""
        carry = Translation(self.index, index)
        for standing in self.standings.values():
            for name in ("listed", "claims", "unusable", "holds", "owns"):
                setattr(standing, name, carry(getattr(standing, name)))
            standing.failed = {reason: carry(bits) for reason, bits in standing.failed.items()}
        self.vacated, self.orphaned, self.merged = carry(self.vacated), carry(self.orphaned), carry(self.merged)
        self.index = index
        return carry

    # -- what the stream says --------------------------------------------------------------------

    def drop(self, members: Iterable[Member]) -> None:
        """These left: every fact about them goes."""
        for member in members:
            self.standings.pop(member, None)

    def apply(self, sender: Member, message: Released | Failed | Cleared | Drain) -> None:
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

    def mature_all(self) -> bool:
        """Everybody may own addresses. True at a cold start: nobody could before, so claims count at once (§2.1)."""
        is_cold = not any(standing.mature for standing in self.standings.values())
        for standing in self.standings.values():
            standing.mature = True
            if is_cold:
                standing.facts = replace(standing.facts, claiming=True)
        return is_cold

    # -- what follows ----------------------------------------------------------------------------

    def elect(self, reachable: frozenset[int]) -> None:
        """Name the owner of every address. Anchors are the owners there are (after a gather: own bits)."""
        ordered = self.by_name()
        allowed = self.electable(reachable)
        outcome = elect([self._candidate(standing, standing.member in allowed) for standing in ordered])
        self.elections += 1
        moved = 0
        for standing, owns in zip(ordered, outcome.owns, strict=True):
            moved |= owns & ~standing.owns
            standing.owns = owns
        still = ~(moved | outcome.fixed)
        self.orphaned = self.orphaned & still | outcome.orphans
        self.merged = self.merged & still | outcome.merged

    def _candidate(self, standing: Standing, is_allowed: bool) -> Candidate:
        return Candidate(
            name=standing.name,
            eligible=standing.candidate_for & ~standing.all_failed if is_allowed else 0,
            claims=self.claims_of(standing),
            anchors=standing.owns,
            holds=standing.holds,
            is_cordoned=standing.facts.cordoned,
        )

    def claims_of(self, standing: Standing) -> Bits:
        """The addresses whose preferred node this member says it is, and may say so now.

        A cordoned member claims nothing: it keeps what nobody else can have, but pulls nothing in.
        """
        may_claim = standing.facts.claiming and not standing.facts.cordoned
        return standing.claims & standing.candidate_for if may_claim else 0

    def grant(self) -> None:
        """The owner of an address that nobody else holds becomes its holder. Needs no message (§2.5)."""
        for standing in self.standings.values():
            standing.holds |= standing.owns & ~self.held_by_others(standing.member)

    def tickets(self, member: Member) -> Bits:
        """What `member` may plumb: it owns and holds it, and nobody else does."""
        standing = self.standings.get(member)
        return standing.owns & standing.holds & ~self.held_by_others(member) if standing else 0

    def held_by_others(self, member: Member) -> Bits:
        """What anybody but `member` may have on the wire."""
        return _union(standing.holds for other, standing in self.standings.items() if other != member)

    # -- questions -------------------------------------------------------------------------------

    def by_name(self) -> list[Standing]:
        """In node-name order; the first is the leader."""
        return sorted(self.standings.values(), key=lambda standing: (standing.name, standing.member))

    def leader(self) -> Member | None:
        """The first member by node name."""
        return min(self.standings.values(), key=lambda s: (s.name, s.member)).member if self.standings else None

    def is_quorate(self, reachable: frozenset[int]) -> bool:
        """By the policy of every member."""
        return all(rule.is_quorate(reachable) for rule in {standing.facts.rule for standing in self.standings.values()})

    def electable(self, reachable: frozenset[int]) -> set[Member]:
        """E of cluster §2.7: mature, not draining, no duplicate; nobody without quorum."""
        if not self.is_quorate(reachable):
            return set()
        twins = self.duplicates()
        return {
            member
            for member, standing in self.standings.items()
            if standing.mature and not standing.facts.draining and member not in twins
        }

    def duplicates(self) -> set[Member]:
        """Members whose node name or address another one has: mature ones stay, then the lower member (§1.1)."""
        names: set[str] = set()
        addresses: set[str] = set()
        twins: set[Member] = set()
        for standing in sorted(self.standings.values(), key=lambda s: (not s.mature, s.member)):
            if standing.name in names or standing.facts.address in addresses:
                twins.add(standing.member)
            names.add(standing.name)
            addresses.add(standing.facts.address)
        return twins

    def owner(self, bit: Bits) -> Standing | None:
        """Who owns the one address of `bit`."""
        return next((standing for standing in self.standings.values() if standing.owns & bit), None)

    def disputed(self) -> Bits:
        """Claimed by several members: preferences are ignored (§2.11)."""
        seen = several = 0
        for standing in self.standings.values():
            claims = self.claims_of(standing)
            several |= seen & claims
            seen |= claims
        return several

    def known(self) -> Bits:
        """Declared or held by anybody."""
        return _union(standing.listed | standing.holds for standing in self.standings.values())


def index_of(catalogues: Iterable[Catalogue], others: Iterable[Address]) -> Index:
    """The index over everything declared, and `others`."""
    first, *rest = {catalogue.digest: catalogue.index for catalogue in catalogues}.values()
    missing = [address for index in rest for address in first.missing(index.addresses)]
    missing += first.missing(others)
    return Index.of([*first.addresses, *missing]) if missing else first


def _union(sets: Iterable[Bits]) -> Bits:
    result = 0
    for bits in sets:
        result |= bits
    return result
