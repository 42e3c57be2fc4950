"""What a client saw of an address while it moved: pure arithmetic on tries.

    try      answered      answered  answered   -         -         answered
             220           220       421        silence             220
                           └──── unserved: until the next 220 ────────┘
                                     └──── silent: until the next answer ──┘

Counted from answer to answer, not from try to try: a try that is answered late was without an answer until then.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Try:
    """One connection. Seconds: `at` is when it began, `took` until it was answered (None: it was not).

    `code`: the first word of the greeting; empty where nobody greets.
    """

    at: float
    took: float | None
    code: str = ""

    @property
    def is_answered(self) -> bool:
        """Somebody was there, if only to say 421."""
        return self.took is not None

    @property
    def is_served(self) -> bool:
        """Somebody would have taken mail."""
        return self.is_answered and not self.code.startswith(("4", "5"))

    @property
    def answered_at(self) -> float:
        """When the answer was there."""
        return self.at + (self.took or 0.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """One way of the address. `silent_s`: the longest time without an answer; `unserved_s`: without a welcome."""

    tries: int
    answered: int
    turned_away: int
    silent_s: float
    unserved_s: float


def seen(tries: Sequence[Try], until: float) -> Seen:
    """The figures of the tries of one way; one that was never answered again is silent `until` its end."""
    answered = [one for one in tries if one.is_answered]
    served = [one for one in answered if one.is_served]
    return Seen(
        tries=len(tries),
        answered=len(answered),
        turned_away=len(answered) - len(served),
        silent_s=_longest_gap(answered, tries, until),
        unserved_s=_longest_gap(served, tries, until),
    )


def _longest_gap(good: Iterable[Try], tries: Sequence[Try], until: float) -> float:
    if not tries:
        return 0.0
    began = min(one.at for one in tries)
    moments = [began, *sorted(one.answered_at for one in good), max(until, began)]
    return max((later - sooner for sooner, later in itertools.pairwise(moments)), default=0.0)
