"""Where the marks of a shard lie: which segment holds the newest one of each message, so that none is lost with it.

Written by the committing thread and the recovery, read by anybody: each look is one dictionary look-up.
"""

import threading
from collections.abc import Iterable
from typing import Final

from momentum_node.spool.marks import Mark, State

MARK_BYTES: Final = 96  # about what one takes on the disk


class MarkKeeper:
    """The marks of one shard that are in force."""

    def __init__(self) -> None:
        self._marks: dict[str, tuple[Mark, int]] = {}
        self._segments: dict[int, set[str]] = {}
        self._lock = threading.RLock()  # committing thread and recovery

    def get(self, id_: str) -> Mark | None:
        """What is known of a message."""
        found = self._marks.get(id_)
        return None if found is None else found[0]

    def __len__(self) -> int:
        return len(self._marks)

    def all(self) -> list[Mark]:
        """Every mark in force."""
        return [mark for mark, _ in list(self._marks.values())]

    def put(self, mark: Mark, segment: int) -> None:
        """A newer mark, written to `segment`."""
        with self._lock:
            self.drop(mark.id)
            if mark.state is not State.FORGOTTEN:
                self._marks[mark.id] = (mark, segment)
                self._segments.setdefault(segment, set()).add(mark.id)

    def learn(self, marks: Iterable[Mark], segment: int) -> None:
        """Marks read back from an older segment: what is known already is newer."""
        for mark in marks:
            with self._lock:
                if mark.id not in self._marks:
                    self.put(mark, segment)

    def drop(self, id_: str) -> None:
        """Nothing is to be remembered of it."""
        with self._lock:
            found = self._marks.pop(id_, None)
            if found is not None:
                self._segments[found[1]].discard(id_)

    def expire(self, now: float) -> None:
        """Drop what nobody will ask for any more."""
        for mark in self.all():
            if mark.is_over(now):
                self.drop(mark.id)

    def gone(self, segment: int) -> None:
        """The segment was removed."""
        with self._lock:
            self._segments.pop(segment, None)

    def of(self, segment: int) -> list[Mark]:
        """The marks that go with a segment."""
        with self._lock:
            return [self._marks[id_][0] for id_ in sorted(self._segments.get(segment, ()))]

    def size(self, segment: int) -> int:
        """Bytes that have to be written anew before the segment may go."""
        return len(self._segments.get(segment, ())) * MARK_BYTES
