"""Why an address is where it is, in words: derived from the table, never part of a decision.

Addresses that share owner, holders and cause share one text, so ten thousand of them cost little more than a few.
"""

from collections.abc import Iterator, Mapping

from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, positions
from momentum_node.duravip.standing import Standing, union
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Definition, Placement, names_in

SHOWN_OBSTACLES = 3

Why = tuple[str | None, str, tuple[str, ...]]
"""Owner, why, holders."""


class Explainer:
    """Reads one table once and explains all of its addresses."""

    def __init__(self, table: Table, reachable: frozenset[int], definitions: Mapping[Address, Definition]) -> None:
        self._table = table
        self._standings = table.by_name()
        self._electable = table.electable(reachable)
        self._twins = table.duplicates()
        self._agreed = table.agreed()
        self._pinned = table.index.bits(table.pins)
        self._nobody = self._why_nobody(reachable)
        self._wishes = _wishes(table, definitions)
        self._weights = dict(zip([s.member for s in self._standings], table.weights(), strict=True))

    def placements(self, held: Bits) -> Iterator[Placement]:
        """Every known address, in order. `held` = possibly on this node's wire."""
        addresses = self._table.index.addresses
        known = self._table.known() | held
        why: list[Why] = [(None, "", ())] * len(addresses)
        for owner, owned in self._by_owner(known):
            for holders, bits in self._by_holders(owned):
                for text, some in self._by_cause(owner, bits):
                    shared = self._share(owner, text, holders)
                    for at in positions(some):
                        why[at] = shared
        tags = self._tags(known)
        here = set(positions(held))
        for at in positions(known):
            name, text, names = why[at]
            yield Placement(addresses[at], name, text, at in here, names, tags.get(at, ()))

    def _share(self, owner: Standing | None, text: str, holders: tuple[Standing, ...]) -> Why:
        waits = [standing.facts.name for standing in holders if standing is not owner]
        until = f", once {' and '.join(waits)} released it" if waits and owner else ""
        return owner.facts.name if owner else None, text + until, tuple(s.facts.name for s in holders)

    # -- parting sets ----------------------------------------------------------------------------

    def _by_owner(self, known: Bits) -> Iterator[tuple[Standing | None, Bits]]:
        for standing in self._standings:
            if owned := standing.owns & known:
                yield standing, owned
        if rest := known & ~union(standing.owns for standing in self._standings):
            yield None, rest

    def _by_holders(self, bits: Bits) -> Iterator[tuple[tuple[Standing, ...], Bits]]:
        parts: list[tuple[tuple[Standing, ...], Bits]] = [((), bits)]
        for standing in self._standings:
            if not standing.holds & bits:
                continue
            split = []
            for holders, some in parts:
                if inside := some & standing.holds:
                    split.append(((*holders, standing), inside))
                if outside := some & ~standing.holds:
                    split.append((holders, outside))
            parts = split
        yield from parts

    def _by_cause(self, owner: Standing | None, bits: Bits) -> Iterator[tuple[str, Bits]]:
        if owner is None:
            yield from self._unowned(bits)
            return
        for text, some in self._causes(owner, bits):
            if inside := bits & some:
                yield text, inside
                bits &= ~inside
        if bits:
            yield "it had it already", bits

    # -- owned -----------------------------------------------------------------------------------

    def _causes(self, owner: Standing, bits: Bits) -> Iterator[tuple[str, Bits]]:
        """The first one that fits an address is its cause."""
        yield "an administrator moved it there", self._pinned & self._pins_to(owner)
        yield from self._following(owner)
        for wanted, wish in self._wishes.items():
            if wish & bits:
                yield from self._wished(owner, wanted, wish & bits)
        yield "several nodes claim it, so preferences are ignored", self._table.outcome.disputed
        for rank, claims in enumerate(owner.valid_claims()):
            yield f"it is the {'' if rank == 0 else _ordinal(rank) + ' '}preferred node", claims
        table = self._table
        apart = union(self._agreed.apart)
        weight = self._weights[owner.member]
        by_weight = f" for a weight of {weight}" if len(set(self._weights.values())) > 1 else ""
        yield f"balancing parted it from others of its group, or evened the load{by_weight}", table.balanced & apart
        yield f"balancing evened the load{by_weight}", table.balanced
        yield f"the least loaded{by_weight} when it had no owner", table.orphaned
        yield f"the least loaded{by_weight} of those that had it", table.merged

    def _pins_to(self, owner: Standing) -> Bits:
        return self._table.index.bits(a for a, pin in self._table.pins.items() if pin.incarnation == owner.incarnation)

    def _following(self, owner: Standing) -> Iterator[tuple[str, Bits]]:
        addresses = self._table.index.addresses
        for follower, head in self._agreed.follows:
            if owner.owns >> head & 1:
                yield f"it follows {addresses[head]}", 1 << follower
            else:
                yield f"it cannot follow {addresses[head]} to its node", 1 << follower

    def _wished(self, owner: Standing, wanted: tuple[str, ...], bits: Bits) -> Iterator[tuple[str, Bits]]:
        """Preferences that are not met, with what keeps each preferred node from it."""
        before = wanted[: wanted.index(owner.name)] if owner.name in wanted else wanted
        if not before:
            return
        for texts, some in self._obstacles_of(before, bits & ~self._table.outcome.disputed):
            is_next = owner.name in wanted
            after = f", and it is the {_ordinal(len(before))} choice" if is_next else ""
            yield " and ".join(texts) + after, some

    def _obstacles_of(self, names: tuple[str, ...], bits: Bits) -> Iterator[tuple[tuple[str, ...], Bits]]:
        parts: list[tuple[tuple[str, ...], Bits]] = [((), bits)]
        for name in names:
            split = []
            for texts, some in parts:
                split += [((*texts, text), inside) for text, inside in self._why_not(name, some)]
            parts = split
        yield from parts

    def _why_not(self, name: str, bits: Bits) -> Iterator[tuple[str, Bits]]:
        preferred = next((s for s in self._standings if s.name == name), None)
        if preferred is None:
            yield f"preferred {name} is not in the view", bits
            return
        who = f"preferred {preferred.facts.name}"
        for text, some in self._hindrances(preferred):
            if inside := bits & some:
                yield f"{who} {text}", inside
                bits &= ~inside
        if self._table.speaks_alike() and (doubtful := bits & preferred.doubtful):
            yield f"{who} is the last choice: {preferred.facts.doubt}", doubtful
            bits &= ~doubtful
        if bits and preferred.facts.cordoned:
            yield f"{who} is cordoned", bits
        elif bits:
            claimed = bits & union(preferred.claims)
            if claimed:
                yield f"{who} waits for its fail-back delay", claimed
            if unclaimed := bits & ~claimed:
                yield f"{who} does not claim it now", unclaimed

    def _hindrances(self, standing: Standing) -> Iterator[tuple[str, Bits]]:
        """What keeps a member from owning addresses at all."""
        everything = self._table.index.everything
        yield "does not declare it", everything & ~standing.listed
        if standing.facts.draining:
            yield "is draining", everything
        if standing.member in self._twins:
            yield "has the name or address of another member", everything
        if not standing.mature:
            yield "is not mature yet", everything
        yield f"cannot serve it: {standing.facts.unusable_reason}", standing.unusable
        for reason, failed in sorted(standing.failed.items()):
            yield f"failed: {reason}", failed

    # -- not owned -------------------------------------------------------------------------------

    def _unowned(self, bits: Bits) -> Iterator[tuple[str, Bits]]:
        if broken := bits & self._table.broken:
            yield "BROKEN, its binding names differ between nodes", broken
        bits &= ~self._table.broken
        if bits and self._nobody:
            yield self._nobody, bits
        elif bits:
            yield from self._impossible(bits)

    def _impossible(self, bits: Bits) -> Iterator[tuple[str, Bits]]:
        parts: list[tuple[tuple[str, ...], Bits]] = [((), bits)]
        for standing in self._standings:
            split = []
            for texts, some in parts:
                if undeclared := some & ~standing.listed:
                    split.append((texts, undeclared))
                rest = some & standing.listed
                for text, failing in self._hindrances(standing):
                    if inside := rest & failing:
                        split.append(((*texts, f"{standing.facts.name} {text}"), inside))
                        rest &= ~inside
                if rest:
                    split.append(((*texts, f"{standing.facts.name} has not been asked"), rest))
            parts = split
        for texts, some in parts:
            more = [f"{len(texts) - SHOWN_OBSTACLES} more cannot either"] if len(texts) > SHOWN_OBSTACLES else []
            yield ", ".join([*texts[:SHOWN_OBSTACLES], *more]) or "no node declares it any more", some

    def _why_nobody(self, reachable: frozenset[int]) -> str | None:
        """What holds for every address alike."""
        for standing in self._standings:
            rule = standing.facts.rule
            if not rule.is_quorate(reachable):
                have, of = rule.count(reachable)
                return f"no quorum, {have} of {of} nodes"
        if self._electable:
            return None
        if not any(standing.mature for standing in self._standings):
            return "no member is mature yet"
        return None

    # -- tags ------------------------------------------------------------------------------------

    def _tags(self, known: Bits) -> dict[int, tuple[str, ...]]:
        """The words of `duravip show`, for those that have any."""
        table, addresses = self._table, self._table.index.addresses
        moving = union(s.owns & table.held_by_others(s.member) for s in self._standings)
        words: list[tuple[str, Bits]] = [
            ("BROKEN", table.broken),
            ("UNSAFE", (self._agreed.unsafe | table.outcome.astray) & ~table.broken),
            ("conflict", table.outcome.disputed),
            ("pinned", self._pinned),
            ("moving", moving),
        ]
        words += [(f"follows {addresses[head]}", 1 << follower) for follower, head in self._agreed.follows]
        found: dict[int, tuple[str, ...]] = {}
        for word, bits in words:
            for at in positions(bits & known):
                found[at] = (*found.get(at, ()), word)
        return found


def _wishes(table: Table, definitions: Mapping[Address, Definition]) -> dict[tuple[str, ...], Bits]:
    """Addresses by the nodes they prefer, as this node's configuration says."""
    by_text: dict[str, list[Address]] = {}
    for address, definition in definitions.items():
        if definition.preference:
            by_text.setdefault(definition.preference, []).append(address)
    found: dict[tuple[str, ...], Bits] = {}
    for text, addresses in by_text.items():
        names = names_in(text)
        found[names] = found.get(names, 0) | table.index.bits(addresses)
    return found


def _ordinal(rank: int) -> str:
    return {1: "second", 2: "third"}.get(rank, f"{rank + 1}th")
