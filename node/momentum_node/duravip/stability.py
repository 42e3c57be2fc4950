"""The two clocks of each address (cluster §2.1): since when it has the same candidates, and means the same. Pure.

    view stable since             the set of its candidates changed: somebody came, left, or cannot serve it any more
    configuration stable since    a candidate's definition of it changed

Compared from table to table, address by address only where something differs: most tables differ in nothing.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Index, Translation
from momentum_node.duravip.catalogue import Catalogue
from momentum_node.duravip.table import Table

Run: TypeAlias = tuple[Member, int]
"""A member and its incarnation: who was away for a moment is another one."""


class Clocks(NamedTuple):
    """Since when, by whatever clock `look` is told."""

    view: float
    configuration: float


class Stability:
    """What one node has seen."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._table: Table | None = None
        self._elections = -1
        self._index: Index | None = None
        self._candidates: dict[Run, Bits] = {}
        self._catalogues: dict[Run, Catalogue] = {}
        self._view: dict[Address, float] = {}
        self._configuration: dict[Address, float] = {}
        self.looks = 0
        """How many tables were seen."""

    def look(self, table: Table | None, now: float) -> None:
        """The table as it is; None while states are exchanged: what they change is seen afterwards."""
        if table is None or (table is self._table and table.elections == self._elections):
            return
        self._table, self._elections = table, table.elections
        self.looks += 1
        standings = {(s.member, s.incarnation): s for s in table.standings.values()}
        self._see_candidates({run: s.candidate_for for run, s in standings.items()}, table.index, now)
        self._see_catalogues({run: table.catalogues[s.facts.digest] for run, s in standings.items()}, now)

    def of(self, address: Address) -> Clocks:
        """Its clocks. What was not seen to change is as it was when this began."""
        return Clocks(self._view.get(address, self._began), self._configuration.get(address, self._began))

    def _see_candidates(self, candidates: dict[Run, Bits], index: Index, now: float) -> None:
        if self._index is not None and self._index is not index:
            carry = Translation(self._index, index)
            self._candidates = {run: carry(bits) for run, bits in self._candidates.items()}
        changed = 0
        for run in self._candidates.keys() | candidates.keys():
            changed |= self._candidates.get(run, 0) ^ candidates.get(run, 0)
        self._view |= dict.fromkeys(index.select(changed), now)
        self._index, self._candidates = index, candidates

    def _see_catalogues(self, catalogues: dict[Run, Catalogue], now: float) -> None:
        known = {catalogue.digest: catalogue for catalogue in self._catalogues.values()}
        for run, catalogue in catalogues.items():
            if catalogue.digest in known and run not in self._catalogues:
                continue  # one more that means the same
            before = [self._catalogues[run]] if run in self._catalogues else list(known.values())
            self._configuration |= dict.fromkeys(_redefined(before, catalogue), now)
        self._catalogues = catalogues


def _redefined(before: Sequence[Catalogue], after: Catalogue) -> Iterator[Address]:
    """What means something now that it did not mean in any of `before`, or is declared no longer."""
    if any(catalogue.digest == after.digest for catalogue in before):
        return
    for address, entry in after.entries.items():
        if all(catalogue.entries.get(address) != entry for catalogue in before):
            yield address
    if len(before) == 1:
        yield from before[0].entries.keys() - after.entries.keys()
