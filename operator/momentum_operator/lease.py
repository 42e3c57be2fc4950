"""Which replica works: a Lease that its holder renews. Decided by our own clock, never by times that others wrote.

Clocks of machines differ, so a lease has run out when *we* saw it unchanged for its whole duration (client-go,
tools/leaderelection).
"""

from dataclasses import dataclass
from typing import Final

DURATION_S: Final = 15
RENEW_EVERY_S: Final = 4.0
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

    def wrote(self, now: float) -> None:
        """The write succeeded: we work."""
        self.renewed_at = now

    def lost(self, now: float) -> bool:
        """Whether we worked and must stop: somebody else holds it, or it could not be renewed for too long."""
        if self.renewed_at is None:
            return False
        is_taken = self.seen is not None and self.seen.holder not in {"", self.me}
        return is_taken or now - self.renewed_at > GIVE_UP_S
