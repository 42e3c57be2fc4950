"""What a spool knows of messages: all its shards, read from their files beside the workers that use them.

What is found is on the platter when it is told: a process that was killed may have written what nobody synced, and
who acts upon this ends other copies.
"""

from contextlib import suppress
from typing import Final

from momentum_node.errors import SpoolError
from momentum_node.spool.disk import Disk
from momentum_node.spool.marks import Mark, State
from momentum_node.spool.recovery import BODIES, Recovery, segment_name, segment_numbers
from momentum_node.spool.segment import NewerFormat

MOST_LOOKS: Final = 100


def census(disk: Disk, folders: list[str]) -> dict[str, Mark]:
    """The newest mark of every message that lies in one of these shards or is remembered there.

    Where two shards know something of one message the copy that lies there counts, then the higher hop number.
    Raises `OSError`, and `SpoolError` for a segment of a newer version.
    """
    known: dict[str, Mark] = {}
    for folder in folders:
        for mark in _shard(disk, folder).values():
            other = known.get(mark.id)
            if other is None or _weight(mark) > _weight(other):
                known[mark.id] = mark
    return known


def _weight(mark: Mark) -> tuple[bool, int]:
    return mark.state.is_here, mark.hop


def _shard(disk: Disk, folder: str) -> dict[str, Mark]:
    """A worker may remove a segment, having written anew what lives in it, before we read that: then all over."""
    for _ in range(MOST_LOOKS):
        with suppress(FileNotFoundError):
            return _once(disk, folder)
    raise SpoolError(f"{folder} changes faster than it can be read")


def _once(disk: Disk, folder: str) -> dict[str, Mark]:
    known: dict[str, Mark] = {}
    recovery = Recovery(disk, folder, lambda _unreadable: None)
    _sync(disk, folder)
    for number in reversed(segment_numbers(disk, folder)):
        try:
            kept = recovery.segment(number)
        except NewerFormat:
            raise
        except SpoolError:
            continue  # power went as it was made; or it is for the quarantine
        for mark in recovery.marks:
            known.setdefault(mark.id, mark)
        for one in kept:
            for to in one.recipients:
                known.setdefault(to.id, Mark(to.id, one.envelope.created, State.HELD, to.hop))
    return known


def _sync(disk: Disk, folder: str) -> None:
    segments = [segment_name(number) for number in segment_numbers(disk, folder)]
    for place, names in ((f"{folder}/{BODIES}", disk.list(f"{folder}/{BODIES}")), (folder, segments)):
        for name in names:
            file = disk.open(f"{place}/{name}")
            try:
                file.fdatasync()
            finally:
                file.close()
        if names:
            disk.sync_directory(place)
