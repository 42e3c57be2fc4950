"""What cannot be read of a shard is kept byte for byte in `quarantine/`: its segment goes when the rest is finished."""

from collections.abc import Callable
from typing import Final

from momentum_node.spool.disk import Disk
from momentum_node.spool.recovery import Unreadable, segment_name
from momentum_node.spool.segment import FIRST_RECORD

QUARANTINE: Final = "quarantine"


class SetAside:
    """Of one shard. `on_unreadable` is told once of each piece."""

    def __init__(self, disk: Disk, folder: str, on_unreadable: Callable[[Unreadable], None]) -> None:
        self._disk = disk
        self._shard = folder
        self._folder = f"{folder}/{QUARANTINE}"
        self._on_unreadable = on_unreadable

    def segment(self, number: int, reason: str) -> None:
        """One without a header: removed when it has no records (power went as it was made), else kept."""
        path = f"{self._shard}/{segment_name(number)}"
        file = self._disk.open(path)
        size = file.size()
        is_empty = not file.read(size, FIRST_RECORD).strip(b"\0")
        file.close()
        if is_empty:
            self._disk.unlink(path)
            return
        self._disk.make_directory(self._folder)
        self._disk.rename(path, f"{self._folder}/{segment_name(number)}")
        self._disk.sync_directory(self._folder)
        self._on_unreadable(Unreadable(number, 0, size, reason))

    def piece(self, unreadable: Unreadable) -> None:
        """Some bytes of a segment."""
        name = f"{unreadable.segment:012d}-{unreadable.start}.raw"
        self._disk.make_directory(self._folder)
        if name not in self._disk.list(self._folder):
            source = self._disk.open(f"{self._shard}/{segment_name(unreadable.segment)}")
            data = source.read(unreadable.end - unreadable.start, unreadable.start)
            source.close()
            copy = self._disk.create(f"{self._folder}/{name}")
            copy.pwritev([data], 0)
            copy.fdatasync()
            copy.close()
            self._disk.sync_directory(self._folder)
            self._on_unreadable(unreadable)

    @property
    def has_some(self) -> bool:
        """Something is kept there."""
        return bool(self._disk.list(self._folder))
