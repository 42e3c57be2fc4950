"""A shard that could not be opened is opened later by the same process."""

import errno
from pathlib import Path

import pytest

from momentum_node.errors import SpoolError
from momentum_node.spool.disk import RealDisk, RealFile
from momentum_node.spool.store import Store


class FullDisk(RealDisk):
    """Takes no new file for now."""

    is_full = True

    def create(self, path: str) -> RealFile:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().create(path)


def store_on(disk: RealDisk, folder: Path) -> Store:
    return Store(disk, str(folder / "shard-00"), 0, on_unreadable=lambda found: pytest.fail(str(found)))


async def test_a_full_disk_at_the_start_does_not_lock_its_own_process_out(tmp_path: Path) -> None:
    disk = FullDisk()
    store = store_on(disk, tmp_path)
    with pytest.raises(OSError, match="No space left"):
        await store.open(1)
    with pytest.raises(SpoolError, match="in use by another process"):
        await store_on(RealDisk(), tmp_path).open(1)  # it stays ours meanwhile
    disk.is_full = False
    await store.open(1)
    assert store.new_id()
    await store.close()
