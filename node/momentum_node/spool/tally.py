"""What came of the delivery of one worker since its start. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """Messages, letters, connections."""

    delivered: int  # messages that a next hop took
    failed: int  # messages that failed for good
    signed: int  # letters that went out with a DKIM signature
    by_class: Mapping[int, int]  # refusals by class, final or not
    secured: Mapping[str, int]
    """Connections that could take letters, by TLS version or "none"; and "failed" handshakes."""
