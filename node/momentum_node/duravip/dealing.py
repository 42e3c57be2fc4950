"""Dealing addresses one by one to the least loaded of those that may have them: steps 3 and 4 of an election."""

from bisect import insort
from collections.abc import Sequence

from momentum_node.duravip.addresses import Bits, pack, positions
from momentum_node.duravip.weights import cost

MANY_CLASSES = 40
"""Above so many different sets of candidates it is quicker to look at each address than at each set."""


class Hand:
    """What one candidate has been dealt so far: floating addresses first, then all, then the name decides.

    `scale`: what one address counts for there (`weights.py`).
    """

    __slots__ = ("floating", "name", "scale", "total")

    def __init__(self, name: str, fixed: int, scale: int = 1) -> None:
        self.name, self.floating, self.total, self.scale = name, 0, fixed, scale

    def take(self, count: int) -> None:
        """So many floating addresses more."""
        self.floating += count
        self.total += count


def deal(
    items: Bits,
    choices: Sequence[Bits],
    hands: Sequence[Hand],
    owns: list[Bits],
    apart: Sequence[Bits],
    *,
    scarcest_first: bool,
) -> None:
    """Give each of `items`, by address, to the least loaded candidate whose choices contain it.

    `owns` and `hands` grow. The candidates are kept in order of load: the first one that may have an address gets it,
    and goes to its new place, which is never far away.
    """
    if not items:
        return
    order = sorted((cost(h.floating, h.scale), cost(h.total, h.scale), h.name, at) for at, h in enumerate(hands))
    more = [2 * hand.scale for hand in hands]
    groups = _Groups(apart, items, owns)
    dealt: list[list[int]] = [[] for _ in owns]
    wanted = masks(items, choices)
    wanted.sort(key=(lambda item: (item[1].bit_count(), item[0])) if scarcest_first else None)
    for place, mask in wanted:
        found = groups.choose(place, mask, order) if place in groups.of else _first(mask, order)
        floating, total, name, at = order.pop(found)
        insort(order, (floating + more[at], total + more[at], name, at), found)
        dealt[at].append(place)
    for at, places in enumerate(dealt):
        hands[at].take(len(places))
        owns[at] |= pack(places)


Load = tuple[int, int, str, int]


def _first(mask: int, order: Sequence[Load]) -> int:
    found = 0
    while not mask >> order[found][3] & 1:
        found += 1
    return found


class _Groups:
    """How many addresses of each apart group each candidate has."""

    def __init__(self, apart: Sequence[Bits], items: Bits, owns: Sequence[Bits]) -> None:
        self.of: dict[int, list[int]] = {}
        for group in apart:
            if group & items:
                counts = [(owned & group).bit_count() for owned in owns]
                self.of.update(dict.fromkeys(positions(group & items), counts))

    def choose(self, place: int, mask: int, order: Sequence[Load]) -> int:
        """Where in `order` the least loaded one stands of those with the fewest of the group."""
        counts = self.of[place]
        able = [found for found, load in enumerate(order) if mask >> load[3] & 1]
        best = min(able, key=lambda found: counts[order[found][3]])
        counts[order[best][3]] += 1
        return best


def masks(items: Bits, choices: Sequence[Bits]) -> list[tuple[int, int]]:
    """(position, candidates that may have it as bits) of each item that anybody may have, by position."""
    classes: list[tuple[Bits, int]] = [(items, 0)]
    for at, choice in enumerate(choices):
        split: list[tuple[Bits, int]] = []
        for members, mask in classes:
            inside = members & choice
            if inside:
                split.append((inside, mask | 1 << at))
            if outside := members ^ inside:
                split.append((outside, mask))
        classes = split
        if len(classes) > MANY_CLASSES:
            return _columns(items, choices)
    found = [(place, mask) for members, mask in classes if mask for place in positions(members)]
    found.sort()
    return found


def _columns(items: Bits, choices: Sequence[Bits]) -> list[tuple[int, int]]:
    """The same, read column by column from the sets written as rows of digits."""
    size = items.bit_length()
    rows = [f"{choice & items:0{size}b}"[::-1] for choice in reversed(choices)]
    known: dict[tuple[str, ...], int] = {}
    found = []
    for place, column in enumerate(zip(*rows, strict=True)):
        mask = known.get(column)
        if mask is None:
            mask = known[column] = int("".join(column), 2)
        if mask:
            found.append((place, mask))
    return found
