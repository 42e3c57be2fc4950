"""Appending records to segments: one write and one sync for everything that was put since the last one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from momentum_node.spool.disk import Disk, File
from momentum_node.spool.message import Place
from momentum_node.spool.recovery import segment_name
from momentum_node.spool.segment import FIRST_RECORD, HEADER_COPIES, Header, encode_header, encode_record, record_size

SEGMENT_BYTES: Final = 64 << 20


@dataclass(slots=True, eq=False)
class _Open:
    """The segment being written; records between `flushed` and `end` are still in memory."""

    header: Header
    file: File
    size: int
    end: int = FIRST_RECORD
    flushed: int = FIRST_RECORD
    synced: int = FIRST_RECORD


class SegmentLog:
    """`put` records, then `finish`. After any exception call `abandon`: nobody knows what the file holds then."""

    def __init__(
        self, disk: Disk, folder: str, *, salt: Callable[[], bytes], segment_bytes: int = SEGMENT_BYTES, sync: bool
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._salt = salt
        self.sync = sync
        self._next_number = 0
        self._previous_synced = 0
        self._open: _Open | None = None
        self._parts: list[bytes] = []
        self.segment_bytes = segment_bytes
        self.made: list[int] = []
        """Numbers of the segments made; the owner takes them from here."""

    @property
    def number(self) -> int | None:
        """The segment that is being written; None between two."""
        return None if self._open is None else self._open.header.number

    def begin_at(self, number: int) -> None:
        """The first segment gets this number: one that no file in the folder has."""
        self._next_number = number

    def put(self, kind: int, payload: Sequence[bytes], content_at: int = 0) -> Place:
        """Add one record and tell where it will lie. Raises `OSError` when a new segment cannot be made."""
        size = sum(map(len, payload))
        room = record_size(size)
        target = self._open
        if target is None or target.end + room > target.size:
            target = self._next_segment(room)
        parts = encode_record(target.header, kind, payload, target.end, target.synced)
        payload_at = target.end + len(parts[0])
        self._parts += parts
        target.end += room
        return Place(target.header.number, payload_at, size, payload_at + content_at)

    def finish(self) -> None:
        """Write and sync what was put. Raises `OSError`."""
        target = self._open
        if target is None or not self._parts:
            return
        target.file.pwritev(self._parts, target.flushed)
        self._parts = []
        target.flushed = target.end
        if self.sync:
            target.file.fdatasync()
            target.synced = target.end

    def abandon(self) -> None:
        """Never write to the open segment again: after a failed sync the kernel may hold pages it calls clean."""
        self._parts = []
        self._previous_synced = 0
        self.close()

    def close(self) -> None:
        """Let go of the open segment."""
        if self._open is not None:
            self._open.file.close()
            self._open = None

    def _next_segment(self, room: int) -> _Open:
        self.finish()
        self._previous_synced = 0 if self._open is None else self._open.synced
        self.close()
        number, self._next_number = self._next_number, self._next_number + 1
        header = Header(number, self._salt(), self._previous_synced)
        size = max(self.segment_bytes, FIRST_RECORD + room)
        self._open = _Open(header, self._create(header, size), size)
        self.made.append(number)
        return self._open

    def _create(self, header: Header, size: int) -> File:
        path = f"{self._folder}/{segment_name(header.number)}"
        file = self._disk.create(path)
        try:
            file.preallocate(size)
            for at in HEADER_COPIES:
                file.pwritev([encode_header(header)], at)
            if self.sync:  # before any record: a segment without a header is then one without records
                file.fdatasync()
                self._disk.sync_directory(self._folder)
        except OSError:
            file.close()
            self._disk.unlink(path)
            raise
        return file
