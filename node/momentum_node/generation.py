"""The configuration a node runs on, and the one it sees: compiled once, mapped by every process, replaced as a whole.

The core has a changed text compiled (compiling.py) and then tells the others; they map the file that is there. A text
with an error changes nothing: the running generation stays, and the messages are reported.
"""

import mmap
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from momentum_node import compiling
from momentum_node.config.loading import ConfigurationInvalid, Loaded
from momentum_node.config.stored import CompiledUnusable, check, stored
from momentum_node.errors import ConfigurationError
from momentum_node.log import logger
from momentum_node.settings import Settings

CHUNK: Final = 1 << 20
WAIT_S: Final = 0.1
PATIENCE_S: Final = 5.0


def read(own: Settings) -> Loaded:
    """The generation that the core had compiled last. Its memory is the file's; it is unmapped when nobody uses it.

    Reads the file once to see that it is whole: not for the event loop. Raises ConfigurationError when there is none,
    or when it is not the core's: whoever may write into the node's folder could put another one there.
    """
    path = compiling.path(own)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    try:
        _check_writer(descriptor, own)
        check(_parts(descriptor))
        return stored(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ))
    except CompiledUnusable as error:
        raise CompiledUnusable(f"{path}: {error}") from error
    finally:
        os.close(descriptor)


def _check_writer(descriptor: int, own: Settings) -> None:
    """The node's folder is the core's; mail processes may make files there, but none that passes for the core's."""
    status, folder = os.fstat(descriptor), own.run.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_uid != folder.st_uid or status.st_mode & 0o022:
        raise CompiledUnusable(
            f"it belongs to uid {status.st_uid}, or others may write it; the core's is {folder.st_uid}"
        )


def _parts(descriptor: int) -> Iterator[bytes]:
    position = 0
    while part := os.pread(descriptor, CHUNK, position):
        yield part
        position += len(part)


def wait(own: Settings) -> Loaded:
    """As `read`, at the start of a process that may be earlier than the core's: waits for a file that can be used."""
    complain_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            return read(own)
        except ConfigurationError as error:
            if time.monotonic() > complain_at:
                complain_at = float("inf")
                logger().warning("waiting for the core to read the configuration", reason=str(error))
        time.sleep(WAIT_S)


def first(own: Settings) -> Loaded:
    """The generation that a core starts with. Raises ConfigurationInvalid with all messages and their places."""
    compiling.compile_in_helper(own)
    return read(own)


@dataclass
class Generations:
    """`running` is in use; `seen` is the stamp of the files as they are now; `errors` say why the two differ."""

    settings: Settings
    running: Loaded
    seen: str = ""
    errors: list[str] = field(default_factory=list)
    seen_revision: str = ""
    running_revision: str = ""

    def __post_init__(self) -> None:
        self.seen = self._stamp()
        self.seen_revision = self.running_revision = self._revision()

    def look(self) -> Loaded | None:
        """A new generation when the files changed and are good; else None. Waits for the helper: not for the loop."""
        stamp = self._stamp()
        if stamp == self.seen:
            return None
        self.seen = stamp
        self.seen_revision = self._revision()
        try:
            loaded = first(self.settings)
        except ConfigurationInvalid as error:
            self.errors = [str(message) for message in error.messages]
            return None
        except ConfigurationError as error:
            self.errors = [str(error)]
            return None
        self.errors = []
        self.running_revision = self.seen_revision
        if loaded.node.digest == self.running.node.digest:
            return None
        self.running = loaded
        return loaded

    def _revision(self) -> str:
        """What the writer of the folder calls its content (file `revision`), else the digest that runs."""
        try:
            return (self.settings.config.parent / "revision").read_text().strip()
        except OSError:
            return self.running.node.digest

    def _stamp(self) -> str:
        """Names, sizes and times of the main file's folder: cheap, and moves when a volume is refreshed."""
        folder = self.settings.config.parent
        entries = []
        for path in sorted(folder.rglob("*")):
            try:
                status = path.stat()
            except OSError:  # a volume that is being refreshed: its new name differs anyway
                continue
            entries.append(f"{path} {status.st_ino} {status.st_size} {status.st_mtime_ns}")
        return "\n".join(entries)
