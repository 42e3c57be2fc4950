"""Names of which the DNS tells nothing: how often in a row they were asked for in vain. Pure; `now` is a clock that
never goes back.

All workers of a node count together: who asked in vain, or had an answer, tells the others his counts, and they
take them for theirs.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

MOST: Final = 10_000  # names that are remembered


class Counts(NamedTuple):
    """In a row."""

    queries: int = 0  # for MX records
    periods: int = 0  # in which a look-up of the whole failed


ANSWERED: Final = Counts()


@dataclass(slots=True)
class _Failing:
    counts: Counts
    counted_at: float = 0.0  # the last period


class Unanswered:
    """By name."""

    def __init__(self) -> None:
        self._names: dict[str, _Failing] = {}

    def of(self, name: str) -> Counts:
        """How often."""
        found = self._names.get(name)
        return ANSWERED if found is None else found.counts

    def query_failed(self, name: str) -> int:
        """A query for MX records had no answer; the how-manieth in a row."""
        failing = self._known(name)
        failing.counts = failing.counts._replace(queries=failing.counts.queries + 1)
        return failing.counts.queries

    def query_answered(self, name: str) -> None:
        """Its MX records, or that it has none, are known."""
        self._set(name, self.of(name)._replace(queries=0))

    def failed(self, name: str, period_s: float, now: float) -> int:
        """The look-up gave nothing; in how many periods in a row. What fails within one period counts once."""
        failing = self._known(name)
        if not failing.counts.periods or now - failing.counted_at >= period_s:
            failing.counts = failing.counts._replace(periods=failing.counts.periods + 1)
            failing.counted_at = now
        return failing.counts.periods

    def answered(self, name: str) -> None:
        """The look-up said where its mail goes, or that there is no such place."""
        self._set(name, self.of(name)._replace(periods=0))

    def heed(self, name: str, counts: Counts, now: float) -> None:
        """Another worker counted."""
        if counts.periods > self.of(name).periods:
            self._known(name).counted_at = now
        self._set(name, counts)

    def forget(self, name: str | None = None) -> None:
        """Count anew; None: for every name."""
        if name is None:
            self._names.clear()
        else:
            self._names.pop(name, None)

    def _set(self, name: str, counts: Counts) -> None:
        if counts == ANSWERED:
            self._names.pop(name, None)
        else:
            self._known(name).counts = counts

    def _known(self, name: str) -> _Failing:
        found = self._names.get(name)
        if found is None:
            if len(self._names) >= MOST:
                self._names.clear()
            found = self._names[name] = _Failing(ANSWERED)
        return found
