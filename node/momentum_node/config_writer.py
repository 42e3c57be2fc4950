"""Puts changed configuration files onto the disk: each one is whole at every moment, the old or the new.

    all temporary files written and synced ─▶ each renamed over its file ─▶ each folder synced

A full disk or a read-only mount is met before the first rename, so nothing is half done then. A file that somebody
changed since it was read is not touched.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from momentum_node.config.transactions import Generation
from momentum_node.config.words.answer import Answer
from momentum_node.config.writeback import FileChange, WriteFiles
from momentum_node.errors import ConfigurationError
from momentum_node.spool.disk import Disk, RealDisk

_SUFFIX = ".momentum-new"
_REASONS = {
    errno.EROFS: "the file system is read-only (a ConfigMap, for instance: change its source)",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
}


class NotWritten(ConfigurationError):
    """A file that could not be written, and why; `written` are those that are in place already."""

    def __init__(self, path: str, why: str, written: Sequence[str] = ()) -> None:
        self.path, self.written = path, tuple(written)
        done = f"; written: {', '.join(written)}" if written else "; no file is changed"
        super().__init__(f"'{path}' is not written: {why}{done}")


class ConfigurationDisk(Disk, Protocol):
    """What `write` needs besides names and files."""

    def target(self, path: str) -> str:
        """The file behind a path, symbolic links followed."""
        ...

    def take_after(self, new: str, old: str) -> None:
        """Give `new` the mode and owner of `old`, if there is one."""
        ...


class RealConfigurationDisk(RealDisk):
    """The file system. A new file that replaces none may be read by its owner and group."""

    def target(self, path: str) -> str:
        """See `ConfigurationDisk`."""
        return os.path.realpath(path)

    def take_after(self, new: str, old: str) -> None:
        """See `ConfigurationDisk`."""
        try:
            status = Path(old).stat()
        except FileNotFoundError:
            return
        os.chown(new, status.st_uid, status.st_gid)
        Path(new).chmod(status.st_mode & 0o7777)


def write(changes: Sequence[FileChange], disk: ConfigurationDisk | None = None) -> None:
    """Put all of them in place, in their order. Raises NotWritten."""
    disk = disk or RealConfigurationDisk()
    prepared: list[tuple[FileChange, str]] = []
    try:
        for change in changes:
            with _naming(change):
                target = disk.target(change.path)
                if not _is_there(disk, change, target):
                    prepared.append((change, target))
                    _prepare(disk, change, target)
    except NotWritten:
        for _, target in prepared:
            with suppress(OSError):
                disk.unlink(_temporary(target))
        raise
    _put(disk, prepared)


def _put(disk: ConfigurationDisk, prepared: Sequence[tuple[FileChange, str]]) -> None:
    done: list[str] = []
    for change, target in prepared:
        with _naming(change, done):
            disk.rename(_temporary(target), target)
        done.append(change.path)
    folders = {target.rpartition("/")[0] or "/": change for change, target in prepared}
    for folder, change in folders.items():
        with _naming(change, done):
            disk.sync_directory(folder)


@contextmanager
def _naming(change: FileChange, written: Sequence[str] = ()) -> Iterator[None]:
    """Say of which file the kernel speaks, and what to do."""
    try:
        yield
    except OSError as wrong:
        why = _REASONS.get(wrong.errno or 0) or wrong.strerror or type(wrong).__name__
        raise NotWritten(change.path, why, written) from wrong


def _is_there(disk: ConfigurationDisk, change: FileChange, target: str) -> bool:
    """Whether the disk has the new content already, as after a writeback that was interrupted."""
    current = _content(disk, target)
    if current == change.after:
        return True
    if change.whatever or current == change.before:
        return False
    why = "it was made by somebody else" if change.before is None else "it was changed since it was read"
    raise NotWritten(change.path, f"{why}; `config reload` reads it")


def _content(disk: ConfigurationDisk, target: str) -> bytes | None:
    try:
        file = disk.open(target)
    except FileNotFoundError:
        return None
    try:
        return file.read(file.size(), 0)
    finally:
        file.close()


def _prepare(disk: ConfigurationDisk, change: FileChange, target: str) -> None:
    temporary = _temporary(target)
    with suppress(FileNotFoundError):
        disk.unlink(temporary)  # left by a process that was killed
    file = disk.create(temporary)
    try:
        file.pwritev([change.after], 0)
        disk.take_after(temporary, target)
        file.fdatasync()
    finally:
        file.close()


def _temporary(target: str) -> str:
    """Beside the file, and hidden: `include` of a folder skips names that begin with a dot."""
    folder, _, name = target.rpartition("/")
    return f"{folder}/.{name}{_SUFFIX}"


def perform(answer: Answer, install: Callable[[Generation], None], disk: ConfigurationDisk | None = None) -> Answer:
    """Do what an answer of the console asks for, in its order, and give the answer that is true afterwards: when a file
    cannot be written, nothing after it is done, and the answer says why."""
    for effect in answer.effects:
        if isinstance(effect, WriteFiles):
            try:
                write(effect.files, disk)
            except NotWritten as fault:
                return replace(answer, text=f"error: {fault}", status=1, effects=(), data={"error": str(fault)})
        else:
            install(effect.generation)
    return answer
