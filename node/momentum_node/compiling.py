"""Reads, checks and compiles the configuration in a process of its own, which ends when it is done.

A large configuration takes seconds and hundreds of megabytes to read; the core has 50 ms and must stay small. So the
core starts `python -m momentum_node.compiling`; this checks the text, writes `configuration` into the node's own
folder, and every process of the node maps that (generation.py). On the way back come the messages, if any.

The file is made beside the old one and renamed over it: a reader has the old one or the new one, never a half. It may
be read by whoever may read every file that it was made from, and written by nobody but its owner.
"""

import gc
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from momentum_node.config.messages import ConfigurationInvalid
from momentum_node.config.packing import pack, unpack
from momentum_node.config_command import DiskFiles, search_path
from momentum_node.errors import ConfigurationError
from momentum_node.privileges import drop_privileges
from momentum_node.settings import Settings, from_environment

LIMIT_S: Final = 120.0  # of the helper process; the largest configuration that is promised takes 6 s
NICENESS: Final = 5  # mail goes first
REFUSED: Final = 3  # exit status: the messages are on standard output
_TEMPORARY: Final = ".configuration-"


def path(own: Settings) -> Path:
    """Where the compiled configuration of this node is."""
    return own.run / "configuration"


def compile_in_helper(own: Settings) -> None:
    """Have the text compiled; `path` holds it afterwards. Waits for the helper: not for an event loop.

    Raises ConfigurationInvalid with all messages, or ConfigurationError when it cannot be done; the old file stays.
    """
    command = [sys.executable, "-m", "momentum_node.compiling"]
    environment = {**os.environ, "MOMENTUM_CONFIG": str(own.config), "MOMENTUM_RUN": str(own.run)}
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"reading {own.config} took longer than {LIMIT_S:.0f} s") from None
    if done.returncode == REFUSED:
        raise ConfigurationInvalid(unpack(done.stdout))
    if done.returncode != 0:
        raise ConfigurationError(f"the process that reads {own.config} failed with status {done.returncode}")


def write(own: Settings) -> None:
    """Read, check, compile and write, in this process. Raises ConfigurationInvalid, or ConfigurationError."""
    from momentum_node.config.compiled import compiled  # noqa: PLC0415 - the core needs none of it
    from momentum_node.config.loading import load  # noqa: PLC0415

    files = _SharedFiles()
    data = compiled(load(str(own.config), files, search=search_path()))
    try:
        own.run.mkdir(parents=True, exist_ok=True)
        _replace(path(own), data, files)
    except OSError as error:
        raise ConfigurationError(f"{path(own)} cannot be written: {error.strerror}") from error


class _SharedFiles(DiskFiles):
    """Remembers who may read all files that were read: permission bits of group and others, and the one group."""

    def __init__(self) -> None:
        self.readable_by = 0o044
        self.groups: set[int] = set()

    def __call__(self, path: str, /) -> bytes:
        with open(path, "rb") as file:  # noqa: PTH123 - the same file is asked for its mode
            status = os.fstat(file.fileno())
            self.readable_by &= status.st_mode
            self.groups.add(status.st_gid)
            return file.read()


def _replace(target: Path, data: bytes, files: _SharedFiles) -> None:
    for left_over in target.parent.glob(f"{_TEMPORARY}*"):  # of a helper that was killed
        with suppress(OSError):
            left_over.unlink()
    descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _share(descriptor, files)
            os.fsync(descriptor)
        os.replace(name, target)  # noqa: PTH105 - the name is a text
    except BaseException:
        os.unlink(name)  # noqa: PTH108
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _share(descriptor: int, files: _SharedFiles) -> None:
    mode = 0o600 | files.readable_by
    if mode & 0o044 == 0o040:  # for one group only
        if len(files.groups) == 1:
            with suppress(PermissionError):  # without CAP_CHOWN only into a group of our own
                os.fchown(descriptor, -1, min(files.groups))
        if {os.fstat(descriptor).st_gid} != files.groups:
            mode = 0o600
    os.fchmod(descriptor, mode)


def main() -> int:
    """The helper process."""
    gc.disable()  # one answer, then the process ends: looking for garbage takes a quarter of its time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    drop_privileges()  # it ends with the core, and what reads a text needs nothing
    try:
        write(from_environment(os.environ))
        code = 0
    except ConfigurationInvalid as refusal:
        sys.stdout.buffer.write(pack(refusal.messages))
        code = REFUSED
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        code = 1
    gc.freeze()
    sys.stdout.flush()
    os._exit(code)  # to take a large tree to pieces would take longer than half of the work


if __name__ == "__main__":
    sys.exit(main())
