"""When the claims of this node begin to count (failover R10): a preferred node that comes back proves itself first.

It waits for the fail-back delay, and longer each time it was lost lately: twice as long for the second time, four
times for the third, at most sixteen times. The others tell it how often it left, for its own memory may be gone too.
What was lost here alone (a link, a listener) waits by address.
"""

from collections.abc import Iterable, Mapping

from momentum_node.config.model import Address
from momentum_node.duravip.vip import Policy

REMEMBERED_S = 600.0
LONGEST = 16


class Failback:
    """The clocks of one node's claims."""

    def __init__(self) -> None:
        self._well_since: float | None = None
        self._departures = 0
        self._losses: dict[Address, tuple[float, ...]] = {}
        self._waiting: dict[Address, float] = {}
        self._unclaimed: frozenset[Address] = frozenset()  # these, as last told
        self._first_due = float("inf")

    def watch(self, *, is_mature: bool, is_quorate: bool, now: float) -> None:
        """What the table says about us. Without a quorum we had to let go: our claims wait anew when it is back."""
        if not is_quorate:
            self._well_since = None
        elif is_mature and self._well_since is None:
            self._well_since = now

    def left_before(self, times: int) -> None:
        """Others saw us leave so often lately."""
        self._departures = max(self._departures, times)

    def due(self, policy: Policy) -> float | None:
        """When our claims begin to count; None while we are not mature in a quorate part."""
        if self._well_since is None:
            return None
        return self._well_since + policy.failback_delay_s * _times(self._departures)

    def is_due(self, now: float, policy: Policy) -> bool:
        """We have been mature, and quorate, for long enough."""
        due = self.due(policy)
        return due is not None and now >= due

    def lost(self, addresses: Iterable[Address], now: float) -> None:
        """These were here and cannot be any more."""
        for address in addresses:
            recent = (when for when in self._losses.get(address, ()) if when > now - REMEMBERED_S)
            self._losses[address] = (*recent, now)
            self._waiting[address] = float("inf")
        self._changed()

    def back(self, addresses: Iterable[Address], now: float, policy: Policy) -> None:
        """These could be here again."""
        for address in self._waiting.keys() & set(addresses):
            if self._waiting[address] == float("inf"):
                self._waiting[address] = now + policy.failback_delay_s * _times(len(self._losses[address]))
        self._changed()

    def waiting(self, now: float) -> frozenset[Address]:
        """What is not claimed yet, the same object until it changes; what has waited long enough is forgotten."""
        if now >= self._first_due:
            self._waiting = {address: due for address, due in self._waiting.items() if now < due}
            self._changed()
        return self._unclaimed

    def next_due(self) -> float | None:
        """When the first of them may be claimed."""
        return self._first_due if self._first_due < float("inf") else None

    def _changed(self) -> None:
        self._unclaimed = frozenset(self._waiting)
        self._first_due = min(self._waiting.values(), default=float("inf"))


def _times(losses: int) -> int:
    return min(LONGEST, 1 << min(max(0, losses - 1), LONGEST))  # another member may say that we left 2^31 times


class Departures:
    """How often each node left lately, as this one saw it."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, ...]] = {}

    def note(self, names: Iterable[str], now: float) -> None:
        """Mature members with these names left."""
        for name in names:
            self._seen[name] = (*self._seen.get(name, ()), now)[-LONGEST:]

    def counts(self, now: float) -> Mapping[str, int]:
        """For STATE."""
        kept = {n: tuple(when for when in seen if when > now - REMEMBERED_S) for n, seen in self._seen.items()}
        self._seen = {name: seen for name, seen in kept.items() if seen}
        return {name: len(seen) for name, seen in self._seen.items()}
