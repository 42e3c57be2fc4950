"""The only place that asks what time it is. Everything that decides is told.

`monotonic` drives every timer: steps of the wall clock (NTP, an operator's `date`) must not move an address.
`wall` is for people and mail headers only.
"""

import time
from datetime import UTC, datetime


def monotonic() -> float:
    """Seconds on a clock that never steps; also counts while the process was stopped."""
    return time.monotonic()


def wall() -> float:
    """Seconds since the epoch, for message ages and logs."""
    return time.time()


def timestamp(at: float | None = None) -> str:
    """A moment of `wall`, else now, as RFC 3339 with milliseconds, UTC."""
    moment = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
