"""The election: which member owns which address. Pure, and the same result wherever the same facts are known.

    1 fixed    a pin, else the first of the preferred nodes that may have it
    2 stay     exactly one anchor (or, without one, exactly one holder) that may have it keeps it
    3 merge    several anchors: the least loaded of them
    4 orphans  nobody left: the least loaded of all that may have it, the scarcest addresses first
    5 follow   a follower goes where its head is

In 3 and 4 a node without another address of the same apart group comes first, and load is by weight (`weights.py`).
Cluster §2.7; sets of addresses are bits of one index in address order (`addresses.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from momentum_node.duravip.addresses import Bits
from momentum_node.duravip.dealing import Hand, deal
from momentum_node.duravip.weights import scales


@dataclass(frozen=True, slots=True)
class Candidate:
    """One member and what speaks for it. `eligible` is empty for members that may own nothing now.

    `doubtful` are those for which it is the last choice.
    `claims` are the addresses that prefer it first, `fallbacks` those that name it second, third …
    """

    name: str
    eligible: Bits
    claims: Bits = 0
    anchors: Bits = 0
    holds: Bits = 0
    pinned: Bits = 0
    is_cordoned: bool = False
    fallbacks: tuple[Bits, ...] = ()
    weight: int = 1
    doubtful: Bits = 0

    @property
    def ranks(self) -> tuple[Bits, ...]:
        """What it claims, by rank."""
        return self.claims, *self.fallbacks


@dataclass(frozen=True, slots=True)
class Terms:
    """What the members' definitions say of addresses together: positions and sets over the index."""

    broken: Bits = 0  # refused: nobody may own them
    follows: tuple[tuple[int, int], ...] = ()  # (follower, head), by follower
    apart: tuple[Bits, ...] = ()  # each set should be spread over different members

    @property
    def followers(self) -> Bits:
        """Placed by step 5 only."""
        return _union(1 << follower for follower, _ in self.follows)


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who owns what (`owns[i]` belongs to candidate i; no address twice) and by which step."""

    owns: tuple[Bits, ...]
    fixed: Bits
    merged: Bits
    orphans: Bits
    disputed: Bits  # several members claim it at one rank: preferences are ignored
    eligible: tuple[Bits, ...] = ()  # what each may own, the last choice left out where there is a better one
    astray: Bits = 0  # followers that are not with their head


def elect(candidates: Sequence[Candidate], terms: Terms = NO_TERMS) -> Outcome:
    """Deal all addresses. Idempotent: with the result as anchors the result is the same."""
    eligible = _last_choice_last(candidates, terms.broken)
    followers = terms.followers
    heads = [e & ~followers for e in eligible] if followers else eligible
    fixed, disputed = _fixed(candidates, heads)
    settled = _union(fixed)
    anchors = _anchors(candidates, heads, settled)
    once, twice = _counted(anchors)
    scaled = zip(candidates, fixed, scales([c.weight for c in candidates]), strict=True)
    hands = [Hand(c.name, f.bit_count(), scale) for c, f, scale in scaled]
    owns = [f | (a & once) for f, a in zip(fixed, anchors, strict=True)]
    for hand, anchor in zip(hands, anchors, strict=True):
        hand.take((anchor & once).bit_count())
    deal(twice, anchors, hands, owns, terms.apart, scarcest_first=False)
    orphans = _union(heads) & ~(settled | once | twice)
    deal(orphans, heads, hands, owns, terms.apart, scarcest_first=True)
    astray = _follow(candidates, eligible, owns, terms.follows)
    return Outcome(tuple(owns), settled, twice, orphans, disputed, tuple(heads), astray)


def _last_choice_last(candidates: Sequence[Candidate], broken: Bits) -> list[Bits]:
    """Cordoned members count only where nobody else does (failover R16), those in doubt where nobody else is (R18)."""
    best = _union(c.eligible & ~c.doubtful for c in candidates if not c.is_cordoned)
    better = best | _union(c.eligible & ~c.doubtful for c in candidates if c.is_cordoned)
    good = better | _union(c.eligible for c in candidates if not c.is_cordoned)
    return [_left(c, best, better, good) & ~broken for c in candidates]


def _left(candidate: Candidate, best: Bits, better: Bits, good: Bits) -> Bits:
    """What it may have while others may have these: the best, also the cordoned ones, also those in doubt."""
    sure, doubtful = candidate.eligible & ~candidate.doubtful, candidate.eligible & candidate.doubtful
    if candidate.is_cordoned:
        return sure & ~best | doubtful & ~good
    return sure | doubtful & ~better


def _fixed(candidates: Sequence[Candidate], eligible: Sequence[Bits]) -> tuple[list[Bits], Bits]:
    """Pins and claims. A rank at which several members claim an address ends its preferences there."""
    fixed = [c.pinned & e for c, e in zip(candidates, eligible, strict=True)]
    closed = _union(fixed)
    disputed = 0
    for rank in range(max((1 + len(c.fallbacks) for c in candidates), default=0)):
        claims = [c.ranks[rank] if rank <= len(c.fallbacks) else 0 for c in candidates]
        once, twice = _counted(claims)
        disputed |= twice & ~closed
        closed |= twice
        for at, claim in enumerate(claims):
            fixed[at] |= claim & once & eligible[at] & ~closed
        closed |= _union(fixed)
    return fixed, disputed


def _anchors(candidates: Sequence[Candidate], eligible: Sequence[Bits], settled: Bits) -> list[Bits]:
    anchors = [c.anchors & e & ~settled for c, e in zip(candidates, eligible, strict=True)]
    anchored = _union(anchors)
    return [a | (c.holds & e & ~settled & ~anchored) for a, c, e in zip(anchors, candidates, eligible, strict=True)]


def _follow(
    candidates: Sequence[Candidate],
    eligible: Sequence[Bits],
    owns: list[Bits],
    follows: Sequence[tuple[int, int]],
) -> Bits:
    """Place the followers. Returns those that could not be put where their head is."""
    by_name = sorted(range(len(candidates)), key=lambda at: candidates[at].name)
    heads = list(owns)
    astray = 0
    for follower, head in follows:
        able = [at for at in by_name if eligible[at] >> follower & 1]
        if not able:
            continue
        chosen = next((at for at in able if heads[at] >> head & 1), None)
        if chosen is None:
            astray |= 1 << follower
            chosen = next((at for at in able if candidates[at].holds >> follower & 1), able[0])
        owns[chosen] |= 1 << follower
    return astray


def _union(sets: Iterable[Bits]) -> Bits:
    result = 0
    for bits in sets:
        result |= bits
    return result


def _counted(sets: Sequence[Bits]) -> tuple[Bits, Bits]:
    """(addresses in exactly one set, addresses in several)."""
    seen = several = 0
    for bits in sets:
        several |= seen & bits
        seen |= bits
    return seen & ~several, several
