"""A disk that loses power. Whatever was not synced may be there afterwards, or not, or in part: sector by sector for
bytes, name by name for folders, in any combination. That is more than any real file system dares, and all POSIX allows.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

SECTOR = 512


class PowerCut(Exception):
    """The machine is dead; only `SimulatedDisk.after_power_cut` knows what is left."""


@dataclass(eq=False)
class Inode:
    """A file's bytes: as programs see them, as they are on the platter, and the writes in between."""

    seen: bytearray = field(default_factory=bytearray)
    platter: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[int, bytes]] = field(default_factory=list)

    def survive(self, rng: random.Random) -> "Inode":
        """What a power cut leaves of it."""
        left = bytearray(self.platter)
        mood = rng.choice(("none", "all", "some", "some"))
        if mood != "none" and len(self.seen) > len(left):
            left += bytes(len(self.seen) - len(left)) if mood == "all" or rng.random() < 0.5 else b""
        for offset, data in self.unsynced:
            for start, piece in _sectors(offset, data):
                if mood == "all" or (mood == "some" and rng.random() < 0.5):
                    _put(left, start, piece)
        return Inode(bytearray(left), left)


@dataclass(eq=False)
class Folder:
    """Names: as programs see them, as they are on the platter, and what changed in between."""

    seen: dict[str, Inode] = field(default_factory=dict)
    platter: dict[str, Inode] = field(default_factory=dict)
    unsynced: list[tuple[str, Inode | None]] = field(default_factory=list)

    def set(self, name: str, inode: Inode | None) -> None:
        """Link or unlink a name."""
        if inode is None:
            del self.seen[name]
        else:
            self.seen[name] = inode
        self.unsynced.append((name, inode))


def _sectors(offset: int, data: bytes) -> Iterable[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        size = min(SECTOR - (offset + at) % SECTOR, len(data) - at)
        yield offset + at, data[at : at + size]
        at += size


def _put(target: bytearray, offset: int, data: bytes) -> None:
    if len(target) < offset + len(data):
        target += bytes(offset + len(data) - len(target))
    target[offset : offset + len(data)] = data


class SimulatedFile:
    """An open file of the disk."""

    def __init__(self, disk: "SimulatedDisk", path: str, inode: Inode) -> None:
        self._disk = disk
        self._path = path
        self._inode = inode

    def pwritev(self, parts: Sequence[bytes], offset: int) -> None:
        """See `File`."""
        data = b"".join(parts)
        self._inode.unsynced.append((offset, data))
        _put(self._inode.seen, offset, data)
        self._disk.step()

    def read(self, size: int, offset: int) -> bytes:
        """See `File`."""
        return bytes(self._inode.seen[offset : offset + size])

    def size(self) -> int:
        """See `File`."""
        return len(self._inode.seen)

    def preallocate(self, size: int) -> None:
        """See `File`."""
        self._inode.seen += bytes(size - len(self._inode.seen))
        self._disk.step()

    def fdatasync(self) -> None:
        """See `File`."""
        self._disk.step()
        if not self._disk.is_broken("fdatasync", self._path):
            self._inode.platter = bytearray(self._inode.seen)
            self._inode.unsynced.clear()

    def close(self) -> None:
        """See `File`."""


class SimulatedLock:
    """One process, so nobody waits."""

    def release(self) -> None:
        """See `Lock`."""


class SimulatedDisk:
    """`cut_at`: the step at which the power goes.

    `broken`: a call and the end of a path for which it does nothing, as if someone had removed that line.
    """

    def __init__(self, folders: dict[str, Folder] | None = None, broken: tuple[str, str] | None = None) -> None:
        self.cut_at: int | None = None
        self.steps = 0
        self.broken = broken
        self._folders = folders if folders is not None else {}

    def step(self) -> None:
        """One thing that the kernel was asked to do."""
        self.steps += 1
        if self.steps == self.cut_at:
            raise PowerCut

    def is_broken(self, call: str, path: str) -> bool:
        """This call was removed."""
        return self.broken is not None and self.broken[0] == call and path.endswith(self.broken[1])

    def after_power_cut(self, rng: random.Random) -> "SimulatedDisk":
        """The machine starts again on what is left."""
        survivors: dict[Inode, Inode] = {}
        folders = {}
        for path, folder in self._folders.items():
            names = dict(folder.platter)
            for name, inode in folder.unsynced:
                if rng.random() < 0.5:
                    continue
                if inode is None:
                    names.pop(name, None)
                else:
                    names[name] = inode
            for inode in names.values():
                survivors.setdefault(inode, inode.survive(rng))
            left = {name: survivors[inode] for name, inode in names.items()}
            folders[path] = Folder(dict(left), left)
        return SimulatedDisk(folders, self.broken)

    def damage(self, path: str, offset: int, data: bytes) -> None:
        """Overwrite bytes on the platter, as a failing disk does."""
        inode = self._inode(path)
        _put(inode.seen, offset, data)
        _put(inode.platter, offset, data)

    def _inode(self, path: str) -> Inode:
        folder, _, name = path.rpartition("/")
        try:
            return self._folders[folder].seen[name]
        except KeyError:
            raise FileNotFoundError(path) from None

    def create(self, path: str) -> SimulatedFile:
        """See `Disk`."""
        folder, _, name = path.rpartition("/")
        if name in self._folders[folder].seen:
            raise FileExistsError(path)
        inode = Inode()
        self._folders[folder].set(name, inode)
        self.step()
        return SimulatedFile(self, path, inode)

    def open(self, path: str) -> SimulatedFile:
        """See `Disk`."""
        return SimulatedFile(self, path, self._inode(path))

    def list(self, directory: str) -> list[str]:
        """See `Disk`."""
        return sorted(self._folders[directory].seen) if directory in self._folders else []

    def make_directory(self, path: str) -> None:
        """See `Disk`: durable at once, as the real one syncs the folder above."""
        while path:
            self._folders.setdefault(path, Folder())
            path = path.rpartition("/")[0]

    def sync_directory(self, path: str) -> None:
        """See `Disk`."""
        self.step()
        folder = self._folders[path]
        if not self.is_broken("sync_directory", path):
            folder.platter = dict(folder.seen)
            folder.unsynced.clear()

    def rename(self, old: str, new: str) -> None:
        """See `Disk`."""
        inode = self._inode(old)
        folder, _, name = new.rpartition("/")
        self._folders[folder].set(name, inode)
        self._folders[old.rpartition("/")[0]].set(old.rpartition("/")[2], None)
        self.step()

    def unlink(self, path: str) -> None:
        """See `Disk`."""
        self._inode(path)
        folder, _, name = path.rpartition("/")
        self._folders[folder].set(name, None)
        self.step()

    def lock(self, path: str) -> SimulatedLock:
        """See `Disk`."""
        folder, _, name = path.rpartition("/")
        self._folders[folder].seen.setdefault(name, Inode())
        return SimulatedLock()
