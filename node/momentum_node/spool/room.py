"""Whether there is room for more mail: on the disk of the spool, and in memory. The disk must never be quite full: the
end of a message is written there too, and what cannot be noted as delivered is delivered again.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from momentum_node import clock
from momentum_node.spool.memory import Memory

RESERVE_BYTES: Final = 256 << 20  # two segments that are written, one that is moved, and ends of messages
RESERVE_SHARE: Final = 20  # of a small disk: one in so many bytes
LOOK_EVERY_S: Final = 1.0


class Room:
    """Of the file system below `base` and of our memory, looked at once a second."""

    def __init__(
        self,
        base: Path,
        look: Callable[[Path], os.statvfs_result] = os.statvfs,
        is_short: Callable[[], bool] | None = None,
    ) -> None:
        """`is_short`: of memory; `Memory` tells."""
        self._base = base
        self._look = look
        self._is_short = is_short or Memory().is_short
        self._looked_at = float("-inf")
        self._is_full = False

    @property
    def is_full(self) -> bool:
        """New mail is to be refused for now."""
        now = clock.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._is_full = self._has_too_little() or self._is_short()
        return self._is_full

    def _has_too_little(self) -> bool:
        try:
            found = self._look(self._base)
        except OSError:  # not made yet; what is wrong with it shows when it is opened
            return False
        reserve = min(RESERVE_BYTES, found.f_blocks * found.f_frsize // RESERVE_SHARE)
        return found.f_bavail * found.f_frsize < reserve
