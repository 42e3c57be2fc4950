"""What the members' definitions say together: who follows whom, what is to be apart, and where they contradict each
other (cluster §2.11).

    binding names differ, or one binding has two addresses    BROKEN: refused from the next MATURE on
    services differ                                           UNSAFE: shown, nothing else
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Index
from momentum_node.duravip.catalogue import Catalogue, Entry


@dataclass(frozen=True, slots=True)
class Agreement:
    """Positions and sets over one index."""

    follows: tuple[tuple[int, int], ...] = ()  # (follower, head), by follower
    apart: tuple[Bits, ...] = ()
    contradicted: Bits = 0
    unsafe: Bits = 0

    def head(self, position: int) -> int | None:
        """Whom an address follows."""
        return next((head for follower, head in self.follows if follower == position), None)


Used = Sequence[tuple[Catalogue, Bits]]
"""The catalogues in use, by digest, and for which addresses a member that uses it is a candidate."""


def agreement(index: Index, used: Used) -> Agreement:
    """Read all catalogues together; of several that differ the first by digest says what follows what."""
    special: dict[Address, Entry] = {}
    for catalogue, _ in reversed(used):
        special.update(catalogue.special)
    follows = _follows(index, special) if special else ()
    apart = _apart(index, special) if special else ()
    if len(used) < 2:
        return Agreement(follows, apart)
    return Agreement(follows, apart, _contradicted(index, used), _unsafe(index, used))


def _follows(index: Index, special: Mapping[Address, Entry]) -> tuple[tuple[int, int], ...]:
    found = []
    for address, entry in special.items():
        head = entry.follow
        if head is None or not index.bit(head) or not index.bit(address):
            continue
        if (of_head := special.get(head)) is None or of_head.follow is None:
            found.append((index.bit(address).bit_length() - 1, index.bit(head).bit_length() - 1))
    return tuple(sorted(found))


def _apart(index: Index, special: Mapping[Address, Entry]) -> tuple[Bits, ...]:
    groups: dict[str, Bits] = {}
    for address, entry in special.items():
        if entry.apart:
            groups[entry.apart] = groups.get(entry.apart, 0) | index.bit(address)
    return tuple(group for _, group in sorted(groups.items()) if group.bit_count() > 1)


def _contradicted(index: Index, used: Used) -> Bits:
    names: dict[Address, tuple[str, ...]] = {}
    places: dict[str, set[Address]] = {}
    bad: set[Address] = set()
    for catalogue, candidates in used:
        here: dict[str, set[Address]] = {}
        for address, entry in _entries(index, catalogue, candidates):
            if entry.bindings and names.setdefault(address, entry.bindings) != entry.bindings:
                bad.add(address)
            for binding in entry.bindings:
                here.setdefault(binding, set()).add(address)
        for binding, addresses in here.items():
            bad |= places.setdefault(binding, addresses) ^ addresses
    return index.bits(bad)


def _unsafe(index: Index, used: Used) -> Bits:
    services: dict[Address, tuple[str, ...]] = {}
    return index.bits(
        address
        for catalogue, candidates in used
        for address, entry in _entries(index, catalogue, candidates)
        if services.setdefault(address, entry.services) != entry.services
    )


def _entries(index: Index, catalogue: Catalogue, candidates: Bits) -> list[tuple[Address, Entry]]:
    if candidates == index.bits(catalogue.entries):
        return list(catalogue.entries.items())
    return [(address, entry) for address, entry in catalogue.entries.items() if candidates & index.bit(address)]
