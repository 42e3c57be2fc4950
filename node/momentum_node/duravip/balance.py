"""Balancing: which addresses to move so that the load is even, at the cost of the fewest moves (cluster §2.8).

A member gives an address to another one that may have it; where the fullest and the emptiest have none in common,
a chain of members passes load along (an augmenting path). Before that, addresses that should be apart are parted.
Who is full is a matter of weight (`weights.py`). Each step makes either more pairs apart, or the sum of the squares
of the loads, each by its weight, smaller, so it comes to an end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from momentum_node.duravip.addresses import Bits, pack, positions
from momentum_node.duravip.weights import cost, relief, scales

Step = tuple[int, int, Bits]
"""From which member to which, and what."""


@dataclass(slots=True)
class Share:
    """One member that may own addresses. `floating`: of those it owns, the ones that may be moved."""

    name: str
    eligible: Bits
    owned: Bits
    floating: Bits
    weight: int = 1
    load: int = field(init=False)
    scale: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        self.load = self.floating.bit_count()

    @property
    def cost(self) -> int:
        """Of one more: the emptiest is where it is least."""
        return cost(self.load, self.scale)

    @property
    def relief(self) -> int:
        """By one less: the fullest is where it is most."""
        return relief(self.load, self.scale)


def balance(shares: Sequence[Share], limit: int, apart: Sequence[Bits] = ()) -> int:
    """Move at most `limit` addresses (or one chain, if that is longer) between `shares`. Returns how many moved."""
    spread = _Spread(shares, apart)
    moved = 0
    while moved < limit:
        steps = spread.part() or spread.path(limit - moved)
        if not steps or (moved and moved + sum(bits.bit_count() for *_, bits in steps) > limit):
            break
        for step in steps:
            spread.move(step)
            moved += step[2].bit_count()
    return moved


class _Spread:
    """The shares while they change."""

    def __init__(self, shares: Sequence[Share], apart: Sequence[Bits]) -> None:
        self._shares = shares
        self._apart = [group for group in apart if group.bit_count() > 1]
        self._grouped = 0
        for group in self._apart:
            self._grouped |= group
        for share, scale in zip(shares, scales([share.weight for share in shares]), strict=True):
            share.scale = scale
        self._loads = sum(share.load for share in shares)
        self._weights = sum(share.weight for share in shares)

    def move(self, step: Step) -> None:
        source, target, bits = step
        a, b, count = self._shares[source], self._shares[target], bits.bit_count()
        a.floating, a.owned, a.load = a.floating & ~bits, a.owned & ~bits, a.load - count
        b.floating, b.owned, b.load = b.floating | bits, b.owned | bits, b.load + count

    # -- apart -----------------------------------------------------------------------------------

    def part(self) -> list[Step]:
        """One address that leaves others of its group behind."""
        for group in self._apart:
            counts = [(share.owned & group).bit_count() for share in self._shares]
            for source in sorted(self._order(), key=lambda at: -counts[at]):
                if counts[source] < 2:
                    break
                if step := self._part_from(source, group, counts):
                    return [step]
        return []

    def _part_from(self, source: int, group: Bits, counts: Sequence[int]) -> Step | None:
        for place in positions(self._shares[source].floating & group):
            able = [
                at
                for at in self._order()
                if counts[at] <= counts[source] - 2 and self._shares[at].eligible >> place & 1
            ]
            if able:
                best = min(able, key=lambda at: (counts[at], self._shares[at].cost, self._shares[at].name))
                return source, best, 1 << place
        return None

    # -- even ------------------------------------------------------------------------------------

    def path(self, most: int) -> list[Step]:
        """A chain from the fullest member that can be relieved; over one link as many at once as it takes."""
        emptiest = min((share.cost for share in self._shares), default=0)
        links: dict[int, dict[int, Bits]] = {}
        for source in self._order():
            if self._shares[source].relief <= emptiest:
                return []  # nor can any later one be relieved
            if steps := self._relieve(source, emptiest, links):
                return [self._several(*steps[0], most)] if len(steps) == 1 else [self._one(*step) for step in steps]
        return []

    def _order(self) -> list[int]:
        """Fullest first."""
        return sorted(range(len(self._shares)), key=lambda at: (-self._shares[at].relief, self._shares[at].name))

    def _relieve(self, source: int, emptiest: int, links: dict[int, dict[int, Bits]]) -> list[Step]:
        came_from: dict[int, int] = {source: source}
        front, distance = [source], 0
        best: tuple[int, int, str, int] | None = None
        bound = self._shares[source].relief
        while front and (best is None or best[0] > emptiest):  # farther away there is nothing better
            distance += 1
            front = self._next_front(front, came_from, links)
            for at in front:
                share = self._shares[at]
                if share.cost < bound and (best is None or (share.cost, distance, share.name) < best[:3]):
                    best = share.cost, distance, share.name, at
        return self._chain(source, best[3], came_from, links) if best else []

    def _next_front(
        self, front: Sequence[int], came_from: dict[int, int], links: dict[int, dict[int, Bits]]
    ) -> list[int]:
        found = []
        for at in front:
            if at not in links:
                links[at] = self._links(at)
            for target in links[at]:
                if target not in came_from:
                    came_from[target] = at
                    found.append(target)
        return found

    def _links(self, source: int) -> dict[int, Bits]:
        """Whom `source` could give what, the emptiest first; never such that a group would be closer together."""
        floating = self._shares[source].floating
        found = {}
        for target in sorted(range(len(self._shares)), key=lambda at: (self._shares[at].cost, self._shares[at].name)):
            bits = floating & self._shares[target].eligible if target != source else 0
            if bits & self._grouped:
                bits = self._without_crowding(source, target, bits)
            if bits:
                found[target] = bits
        return found

    def _without_crowding(self, source: int, target: int, bits: Bits) -> Bits:
        a, b = self._shares[source].owned, self._shares[target].owned
        for group in self._apart:
            if bits & group and (b & group).bit_count() >= (a & group).bit_count():
                bits &= ~group
        return bits

    def _chain(
        self, source: int, target: int, came_from: dict[int, int], links: dict[int, dict[int, Bits]]
    ) -> list[Step]:
        steps: list[Step] = []
        while target != source:
            before = came_from[target]
            steps.append((before, target, links[before][target]))
            target = before
        return steps[::-1]

    def _one(self, source: int, target: int, bits: Bits) -> Step:
        """The first address of a link."""
        return source, target, bits & -bits

    def _several(self, source: int, target: int, bits: Bits, most: int) -> Step:
        """As many as bring both nearer to their share, but of apart groups one only."""
        a, b = self._shares[source], self._shares[target]
        spare = a.load + (-self._loads * a.weight) // self._weights  # above its share, rounded up
        room = self._loads * b.weight // self._weights - b.load
        count = max(1, min(spare, room, most))
        free = bits & ~self._grouped
        if count == 1 or not free:
            return self._one(source, target, bits)
        chosen = [place for place, _ in zip(positions(free), range(count), strict=False)]
        return source, target, pack(chosen)
