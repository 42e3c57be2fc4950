"""What mail workers find of next hops and of names. Pure: frames of the worker link that tell of it, and what the core
keeps for workers that come later.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

MOST: Final = 10_000  # of each kind; the oldest go first
SHORTEST_REST_S: Final = 0.001  # a rest that is over, of a host that nobody has tried since
FORGET_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class HostRests:
    """worker → core → the other workers: a next hop took no connection, leave it alone; `rest_s` 0: it is back."""

    address: str
    rest_s: float
    code: int = 451
    enhanced: str = ""
    text: str = ""
    failures: int = 1  # rests in a row, this one included


@dataclass(frozen=True, slots=True)
class LookupFails:
    """worker → core → the other workers: so often in a row the DNS was asked for a name in vain; 0 and 0: it answers.

    See `unanswered.Counts`.
    """

    name: str
    queries: int
    periods: int


@dataclass(frozen=True, slots=True)
class Inquire:
    """core → worker: what do you know of a routing domain? Answered by `Knows` at once."""

    number: int
    domain: str


@dataclass(frozen=True, slots=True)
class Knows:
    """worker → core: this, as `knowledge.told` has it, in JSON."""

    number: int
    text: str


Finding: TypeAlias = HostRests | LookupFails


class Findings:
    """The newest word about each. `now`: seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._resting: dict[str, tuple[HostRests, float]] = {}  # and until when
        self._unanswered: dict[str, LookupFails] = {}

    def note(self, finding: Finding, now: float) -> None:
        """A worker has said this."""
        if isinstance(finding, HostRests):
            self._resting.pop(finding.address, None)
            if finding.rest_s:
                self._resting[finding.address] = finding, now + finding.rest_s
        else:
            self._unanswered.pop(finding.name, None)
            if finding.queries or finding.periods:
                self._unanswered[finding.name] = finding
        for known in (self._resting, self._unanswered):
            if len(known) > MOST:
                del known[next(iter(known))]

    def forget_names(self) -> None:
        """They are asked for anew: one of them, or hosts of it, or all."""
        self._unanswered.clear()

    def all(self, now: float) -> Iterator[Finding]:
        """For a worker that knows nothing yet."""
        for found, until in self._resting.values():
            if until + FORGET_S > now:
                yield replace(found, rest_s=max(until - now, SHORTEST_REST_S))
        yield from self._unanswered.values()
