"""Which replica works: a Lease that its holder renews. Decided by our own clock, never by times that others wrote.

Clocks of machines differ, so a lease has run out when *we* saw it unchanged for its whole duration (client-go,
tools/leaderelection).

    0 s            4 s            8 s     10 s              15 s
    renewed ────── try again ──── again ── holder stops ──── another replica may begin
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

DURATION_S: Final = 15
RENEW_EVERY_S: Final = 4.0
LOOK_EVERY_S: Final = 1.0
"""A replica that waits, or whose renewal failed, looks so often: a lease that was given back is taken within this."""
ATTEMPT_S: Final = 3.0
"""One look or renewal may take so long: the cable may be cut, and then no answer ever comes."""
GIVE_UP_S: Final = 10.0
"""A holder that could not renew for so long stops working, well before another may begin."""


@dataclass(frozen=True, slots=True)
class Record:
    """The Lease as it was read: who holds it, and the stamp that each renewal changes. No holder: it is free."""

    holder: str
    renewed: str


@dataclass
class Election:
    """One replica's view of the lease. Feed it what was read; it says whether to write."""

    me: str
    seen: Record | None = None
    seen_at: float = 0.0
    renewed_at: float | None = None

    def look(self, record: Record | None, now: float) -> bool:
        """Whether to write the lease now, after it was read as `record` at `now` (monotonic seconds)."""
        if record != self.seen:
            self.seen, self.seen_at = record, now
        if record is None or not record.holder or record.holder == self.me:
            return True
        return now - self.seen_at > DURATION_S

    def wrote(self, record: Record | None, began: float) -> None:
        """The write of `record`, begun at `began`, succeeded: we work. Counted from its begin, to be safe."""
        self.seen, self.renewed_at = record, began

    def lost(self, now: float) -> bool:
        """Whether we worked and must stop: somebody else holds it, or it could not be renewed for too long."""
        if self.renewed_at is None:
            return False
        is_taken = self.seen is not None and self.seen.holder not in {"", self.me}
        return is_taken or now - self.renewed_at >= GIVE_UP_S

    def holds(self, now: float) -> bool:
        """Whether we may write other objects."""
        return self.renewed_at is not None and not self.lost(now)

    def patience(self, now: float) -> float:
        """How many seconds an attempt that begins now may take: a holder must notice in time that it is none."""
        left = ATTEMPT_S if self.renewed_at is None else self.renewed_at + GIVE_UP_S - now
        return min(ATTEMPT_S, max(left, 0.0))

    def pause(self, now: float) -> float:
        """Seconds until the lease is to be looked at again."""
        due = 0.0 if self.renewed_at is None else self.renewed_at + RENEW_EVERY_S - now
        left = GIVE_UP_S if self.renewed_at is None else self.renewed_at + GIVE_UP_S - now
        return max(min(max(due, LOOK_EVERY_S), left), 0.0)


def record(live: Mapping[str, Any] | None) -> Record | None:
    """What a Lease object says; None when there is none."""
    if live is None:
        return None
    spec = live.get("spec") or {}
    return Record(spec.get("holderIdentity") or "", spec.get("renewTime") or "")


def held(before: Mapping[str, Any] | None, holder: str, stamp: str) -> dict[str, Any]:
    """The spec of a Lease that `holder` takes or renews; `before` is the spec that it replaces.

    `acquireTime` and `leaseTransitions` are for people: since when, and how often it changed hands.
    """
    spec = {"holderIdentity": holder, "leaseDurationSeconds": DURATION_S, "renewTime": stamp}
    if before and before.get("holderIdentity") == holder:
        kept = {key: before[key] for key in ("acquireTime", "leaseTransitions") if key in before}
        return {**spec, **kept}
    changes = 0 if before is None else int(before.get("leaseTransitions") or 0) + 1
    return {**spec, "acquireTime": stamp, "leaseTransitions": changes}


def released(before: Mapping[str, Any], stamp: str) -> dict[str, Any]:
    """The spec of a Lease that its holder gives back: the next replica need not wait."""
    return {**before, "holderIdentity": "", "renewTime": stamp}
