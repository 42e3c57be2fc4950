"""The one door to the file system for spool and logs, so that a test can put a disk behind it that loses power.

What callers may rely on after a power cut is exactly this, and nothing that a friendly file system adds:

    written bytes and the size of a file     after `fdatasync` of that file
    the name of a file (made, moved, gone)   after `sync_directory` of its folder

Paths are text, absolute or relative to the working directory. Every call raises `OSError` as the kernel does.
"""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

IOV_MAX: Final = 1024  # limits.h: buffers of one pwritev


class File(Protocol):
    """One open file. `read`, `pwritev` and `fdatasync` may run in any thread."""

    def pwritev(self, parts: Sequence[bytes], offset: int) -> None:
        """Write all parts, one after another, from `offset`."""
        ...

    def read(self, size: int, offset: int) -> bytes:
        """At most `size` bytes; fewer only at the end of the file."""
        ...

    def size(self) -> int:
        """The length of the file in bytes."""
        ...

    def preallocate(self, size: int) -> None:
        """Make the file `size` bytes long, zero where nothing was written, with its room reserved on the disk."""
        ...

    def fdatasync(self) -> None:
        """Return when all that was written, and the size, would survive a power cut."""
        ...

    def close(self) -> None:
        """Let go of the descriptor."""
        ...


class Lock(Protocol):
    """A folder that is ours until `release`, or until the process ends."""

    def release(self) -> None:
        """Let another process have it."""
        ...


class Disk(Protocol):
    """Names and files."""

    def create(self, path: str) -> File:
        """A new, empty file, for reading and writing. Raises `FileExistsError` rather than overwrite."""
        ...

    def open(self, path: str) -> File:
        """An existing file, for reading only."""
        ...

    def list(self, directory: str) -> list[str]:
        """The names in a folder, sorted; an absent folder has none."""
        ...

    def make_directory(self, path: str) -> None:
        """Make a folder and what is missing above it; each new name is made durable. It may be there already."""
        ...

    def sync_directory(self, path: str) -> None:
        """Return when the names in this folder would survive a power cut."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Move a name, replacing `new`, at once."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a name."""
        ...

    def lock(self, path: str) -> Lock:
        """Own the lock file `path`. Raises `BlockingIOError` when another process owns it."""
        ...


class RealFile:
    """A descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def pwritev(self, parts: Sequence[bytes], offset: int) -> None:
        """See `File`."""
        for start in range(0, len(parts), IOV_MAX):
            group = parts[start : start + IOV_MAX]
            size = sum(map(len, group))
            written = os.pwritev(self._descriptor, group, offset)
            if written < size:  # a full disk, or more than 2 GiB at once: the rest tells which
                self._write_rest(b"".join(group)[written:], offset + written)
            offset += size

    def _write_rest(self, rest: bytes, offset: int) -> None:
        while rest:
            written = os.pwrite(self._descriptor, rest, offset)
            rest, offset = rest[written:], offset + written

    def read(self, size: int, offset: int) -> bytes:
        """See `File`."""
        data = os.pread(self._descriptor, size, offset)
        if len(data) == size or not data:
            return data
        parts = [data]
        total = len(data)
        while total < size and (data := os.pread(self._descriptor, size - total, offset + total)):
            parts.append(data)
            total += len(data)
        return b"".join(parts)

    def size(self) -> int:
        """See `File`."""
        return os.fstat(self._descriptor).st_size

    def preallocate(self, size: int) -> None:
        """See `File`."""
        os.posix_fallocate(self._descriptor, 0, size)

    def fdatasync(self) -> None:
        """See `File`."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """See `File`."""
        os.close(self._descriptor)

    def detach(self) -> int:
        """The descriptor, now the caller's."""
        return self._descriptor


class RealLock:
    """flock(2): it goes with the process, however that ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """See `Lock`."""
        os.close(self._descriptor)


class RealDisk:
    """The file system. `mode` is that of new files (`Spool_Mode`); `owner`, whose they are (uid, gid): root may say."""

    def __init__(self, mode: int = 0o640, owner: tuple[int, int] | None = None) -> None:
        self._mode = mode
        self._owner = owner

    def create(self, path: str) -> RealFile:
        """See `Disk`."""
        return RealFile(self._own(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._mode)))

    def _own(self, descriptor: int) -> int:
        if self._owner is not None:
            os.fchown(descriptor, *self._owner)
        return descriptor

    def open(self, path: str) -> RealFile:
        """See `Disk`."""
        return RealFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def list(self, directory: str) -> list[str]:
        """See `Disk`."""
        try:
            return sorted(entry.name for entry in Path(directory).iterdir())
        except FileNotFoundError:
            return []

    def make_directory(self, path: str) -> None:
        """See `Disk`."""
        folder = Path(path)
        if folder.is_dir():
            return
        self.make_directory(str(folder.parent))
        folder.mkdir(mode=0o2770, exist_ok=True)
        if self._owner is not None:
            os.chown(folder, *self._owner)
        self.sync_directory(str(folder.parent))

    def sync_directory(self, path: str) -> None:
        """See `Disk`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: str, new: str) -> None:
        """See `Disk`."""
        Path(old).replace(new)

    def unlink(self, path: str) -> None:
        """See `Disk`."""
        Path(path).unlink()

    def lock(self, path: str) -> RealLock:
        """See `Disk`."""
        descriptor = self._own(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return RealLock(descriptor)


def replace_file(disk: Disk, folder: str, name: str, data: bytes) -> None:
    """Have the file `name` contain `data`: durable when this returns, and never a part of it. Raises `OSError`."""
    new = name.rpartition(".")[0] + ".new"
    if new in disk.list(folder):  # of a process that was killed meanwhile
        disk.unlink(f"{folder}/{new}")
    file = disk.create(f"{folder}/{new}")
    try:
        file.pwritev([data], 0)
        file.fdatasync()
    finally:
        file.close()
    disk.rename(f"{folder}/{new}", f"{folder}/{name}")
    disk.sync_directory(folder)
