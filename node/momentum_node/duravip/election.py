"""The election: which member owns which address. Pure, and the same result wherever the same facts are known.

    1 fixed    a pin, else the only member that claims the address, if it may have it
    2 stay     exactly one anchor (or, without one, exactly one holder) that may have it keeps it
    3 merge    several anchors: the least loaded of them
    4 orphans  nobody left: the least loaded of all that may have it, the scarcest addresses first

Cluster §2.7. Sets of addresses are bits of one index in address order (`addresses.py`).
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from momentum_node.duravip.addresses import Bits, pack, positions


@dataclass(frozen=True, slots=True)
class Candidate:
    """One member and what speaks for it. `eligible` is empty for members that may own nothing now."""

    name: str
    eligible: Bits
    claims: Bits = 0
    anchors: Bits = 0
    holds: Bits = 0
    pinned: Bits = 0
    is_cordoned: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who owns what (`owns[i]` belongs to candidate i; no address twice) and by which step."""

    owns: tuple[Bits, ...]
    fixed: Bits
    merged: Bits
    orphans: Bits
    disputed: Bits  # more than one member claims it: preferences are ignored


def elect(candidates: Sequence[Candidate]) -> Outcome:
    """Deal all addresses. Idempotent: with the result as anchors the result is the same."""
    eligible = _last_choice_last(candidates)
    fixed, disputed = _fixed(candidates, eligible)
    settled = _union(fixed)
    anchors = _anchors(candidates, eligible, settled)
    once, twice = _counted(anchors)
    hands = [_Hand(c.name, f.bit_count()) for c, f in zip(candidates, fixed, strict=True)]
    owns = [f | (a & once) for f, a in zip(fixed, anchors, strict=True)]
    for hand, anchor in zip(hands, anchors, strict=True):
        hand.take((anchor & once).bit_count())
    _deal(twice, anchors, hands, owns, scarcest_first=False)
    orphans = _union(eligible) & ~(settled | once | twice)
    _deal(orphans, eligible, hands, owns, scarcest_first=True)
    return Outcome(tuple(owns), settled, twice, orphans, disputed)


def _last_choice_last(candidates: Sequence[Candidate]) -> list[Bits]:
    """Cordoned members count only where nobody else does (failover R16)."""
    others = _union(c.eligible for c in candidates if not c.is_cordoned)
    return [c.eligible & ~others if c.is_cordoned else c.eligible for c in candidates]


def _fixed(candidates: Sequence[Candidate], eligible: Sequence[Bits]) -> tuple[list[Bits], Bits]:
    claimed, disputed = _counted([c.claims for c in candidates])
    pinned = [c.pinned & e for c, e in zip(candidates, eligible, strict=True)]
    all_pinned = _union(pinned)
    fixed = [p | (c.claims & claimed & e & ~all_pinned) for c, e, p in zip(candidates, eligible, pinned, strict=True)]
    return fixed, disputed


def _anchors(candidates: Sequence[Candidate], eligible: Sequence[Bits], settled: Bits) -> list[Bits]:
    anchors = [c.anchors & e & ~settled for c, e in zip(candidates, eligible, strict=True)]
    anchored = _union(anchors)
    return [a | (c.holds & e & ~settled & ~anchored) for a, c, e in zip(anchors, candidates, eligible, strict=True)]


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


class _Hand:
    """What one candidate has been dealt so far: floating addresses first, then all, then the name decides."""

    __slots__ = ("floating", "name", "total")

    def __init__(self, name: str, fixed: int) -> None:
        self.name, self.floating, self.total = name, 0, fixed

    def take(self, count: int) -> None:
        self.floating += count
        self.total += count

    @property
    def load(self) -> tuple[int, int, str]:
        return self.floating, self.total, self.name


def _deal(
    items: Bits, choices: Sequence[Bits], hands: Sequence[_Hand], owns: list[Bits], *, scarcest_first: bool
) -> None:
    """Give each of `items`, by address, to the least loaded candidate whose choices contain it.

    One heap for each distinct set of choices. Loads only grow, so an entry that is out of date is too small: it comes
    up early, is corrected and put back; what comes up correct is the minimum.
    """
    if not items:
        return
    classes = _classes(items, choices)
    heaps = [[(*hands[at].load, at) for at in chosen] for _, chosen in classes]
    for heap in heaps:
        heapq.heapify(heap)
    order = [
        (len(chosen) if scarcest_first else 0, place, which)
        for which, (members, chosen) in enumerate(classes)
        for place in positions(members)
    ]
    dealt: list[list[int]] = [[] for _ in owns]
    for _, place, which in sorted(order):
        at = _least(heaps[which], hands)
        hands[at].take(1)
        dealt[at].append(place)
    for at, places in enumerate(dealt):
        owns[at] |= pack(places)


def _least(heap: list[tuple[int, int, str, int]], hands: Sequence[_Hand]) -> int:
    while True:
        *load, at = heap[0]
        current = hands[at].load
        if tuple(load) == current:
            return at
        heapq.heapreplace(heap, (*current, at))


def _classes(items: Bits, choices: Sequence[Bits]) -> list[tuple[Bits, tuple[int, ...]]]:
    """`items` by the set of candidates that may have them: (addresses, candidate numbers), nothing empty."""
    classes: list[tuple[Bits, tuple[int, ...]]] = [(items, ())]
    for at, choice in enumerate(choices):
        split: list[tuple[Bits, tuple[int, ...]]] = []
        for members, chosen in classes:
            inside = members & choice
            outside = members ^ inside
            if inside:
                split.append((inside, (*chosen, at)))
            if outside:
                split.append((outside, chosen))
        classes = split
    return [(members, chosen) for members, chosen in classes if chosen]
