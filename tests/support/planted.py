"""Machines with one safety rule taken out (cluster §2.6): the simulation must find each of them.

A simulation that never fails proves nothing; these are its test.
"""

from collections.abc import Mapping

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits
from momentum_node.duravip.gather import Gather
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.messages import State
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Contest, Effect


class WithoutS1(DuraVip):
    """The hold bit says "plumbed" only: a plumb in progress is invisible to the new view."""

    def _hold_bits(self) -> Bits:
        return self._holds.plumbed


class _TakesAnyState(Gather):
    def counts(self, state: State) -> bool:
        return True


class WithoutS2(DuraVip):
    """Any STATE completes a gather, also one of a configuration change before it."""

    def _start_gather(self, now: float) -> None:
        super()._start_gather(now)
        self._gather = _TakesAnyState(self._members)


class WithoutS3Answers(DuraVip):
    """Plumbs although the last answer to a view has not come back."""

    def _is_blind(self) -> bool:
        return False


class WithoutS3Releases(DuraVip):
    """Goes on with an address although its RELEASED has not come back."""

    def _tell_news(self) -> None:
        for news in self._holds.news(self._index):
            self._outbox.send(news)


class WithoutS4(DuraVip):
    """Compares member lists: who was away for a moment only is not noticed."""

    def _changes(
        self, event: ViewChanged, before: set[Member], after: set[Member]
    ) -> tuple[frozenset[Member], frozenset[Member]]:
        return frozenset(after - before), frozenset(before - after)


class WithoutS5(DuraVip):
    """Acts on a tick of any view and of anybody."""

    def _is_valid_tick(self, table: Table, sender: Member, view: bytes) -> bool:
        return True


class WithoutS6(DuraVip):
    """Keeps what it knew of members that it knew, instead of their reports."""

    def _rebuild(self, table: Table) -> Table:
        if self._table is not None:
            for member, old in self._table.standings.items():
                if (new := table.standings.get(member)) is not None and self._table.index is table.index:
                    new.holds, new.owns = old.holds, old.owns
        return table


class WithoutS7(DuraVip):
    """A ticket once given is good for ever."""

    def is_granted(self, vip: Address) -> bool:
        return True


class WithoutS8(DuraVip):
    """Says RELEASED when it begins to remove, not when the kernel has confirmed it."""

    def _tell_news(self) -> None:
        early = self._holds.releasing & self._holds.held
        self._holds.held &= ~early
        self._holds._removed |= early
        super()._tell_news()


class WithoutWitnesses(DuraVip):
    """Nobody listens for others (failover F15)."""

    def _listen(self, now: float) -> None:
        self._to_hear.clear()


class WithoutTheirWord(DuraVip):
    """Others say whom they hear, and nobody heeds it."""

    def effects(self) -> list[Effect]:
        return [effect for effect in super().effects() if not isinstance(effect, Contest)]


PLANTED: Mapping[str, type[DuraVip]] = {
    planted.__name__: planted
    for planted in (
        WithoutS1,
        WithoutS2,
        WithoutS3Answers,
        WithoutS3Releases,
        WithoutS4,
        WithoutS6,
        WithoutS7,
        WithoutS8,
        WithoutWitnesses,
        WithoutTheirWord,
    )
}
