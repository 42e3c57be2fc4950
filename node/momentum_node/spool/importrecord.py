"""What a node remembers of its imports: how far each folder's last one is, or what became of it.

    <SpoolBase>/imports/lock                  owned while an import runs: there is one at a time
    <SpoolBase>/imports/<16 hex digits>.json  the newest of one folder; the digits are of its path

Written anew once a second and at the end, so it may be a second behind what an import that was killed had done.
"""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from time import sleep
from typing import Any, Final

from momentum_node import clock
from momentum_node.errors import SpoolError
from momentum_node.spool.disk import Lock, RealDisk, replace_file

FOLDER: Final = "imports"
EACH_S: Final = 1.0
LOCK_LOOKS: Final = 20
LOCK_LOOK_S: Final = 0.1
RUNNING: Final = "running"
FINISHED: Final = "finished"
BROKEN_OFF: Final = "broken off"


@dataclass(slots=True)
class Progress:
    """How far an import is. Messages, but for `segments`, which are those of all shards of the folder; `unreadable`:
    pieces that could not even be read as messages. `taken_before`: by earlier runs, which did not come to an end."""

    folder: str = ""
    spool: str = ""
    state: str = RUNNING
    why: str = ""  # it was broken off
    started: float = 0.0  # seconds since the epoch
    changed: float = 0.0
    segments_done: int = 0
    segments: int = 0
    taken: int = 0
    taken_before: int = 0
    duplicates: int = 0
    left: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Nothing stays in the folder."""
        return self.state == FINISHED and not self.left and not self.unreadable


def read(base: Path, folder: Path) -> Progress:
    """Of the newest import of `folder` into the spool `base`. Raises `SpoolError` when there is none, `OSError`."""
    base, folder = base.resolve(), folder.resolve()
    if not base.is_dir():
        raise SpoolError(f"{base}: there is no such spool folder of this node (set MOMENTUM_SPOOL or --spool)")
    found = _load(_path(base, folder))
    if found is None:
        others = [f"\n  {one.folder}: {one.state}" for one in known(base)]
        raise SpoolError(
            f"no import of {folder} into {base} was ever begun"
            + (f"; imports that are known:{''.join(others)}" if others else "; none of any other folder either")
        )
    if found.state == RUNNING and not _is_held(base / FOLDER / "lock"):
        found.state, found.why = BROKEN_OFF, "it was killed"
    return found


def known(base: Path) -> list[Progress]:
    """All that are known, oldest first. What cannot be read is left out."""
    found = (_load(path) for path in (base / FOLDER).glob("*.json"))
    return sorted((one for one in found if one is not None), key=lambda one: one.started)


class Recorder:
    """Keeps the record of one import. Raises `SpoolError` when another one runs."""

    def __init__(self, disk: RealDisk, base: Path, folder: Path) -> None:
        self._disk = disk
        self._path = _path(base, folder)
        disk.make_directory(str(base / FOLDER))
        self._lock = _lock(disk, base)
        for one in known(base):  # we have the lock: they do not run
            if one.state == RUNNING:
                one.state, one.why = BROKEN_OFF, "it was killed"
                self._write(_path(base, Path(one.folder)), one)
        now = clock.wall()
        self.progress = Progress(str(folder), str(base), started=now, changed=now)
        before = _load(self._path)
        if before is not None and before.state == BROKEN_OFF:
            self.progress.taken_before = before.taken_before + before.taken
        self._write(self._path, self.progress)

    def note(self) -> None:
        """Something was done."""
        if clock.wall() >= self.progress.changed + EACH_S:
            self._now()

    def end(self, why: str | None) -> None:
        """It is over: finished, or broken off. A record that cannot be written is not worth another error."""
        self.progress.state = FINISHED if why is None else BROKEN_OFF
        self.progress.why = why or ""
        try:
            self._now()
        except OSError:
            if why is None:
                raise
        finally:
            self._lock.release()

    def _now(self) -> None:
        self.progress.changed = clock.wall()
        self._write(self._path, self.progress)

    def _write(self, path: Path, one: Progress) -> None:
        text = json.dumps(asdict(one), ensure_ascii=False)
        replace_file(self._disk, str(path.parent), path.name, text.encode("utf-8", "backslashreplace"))


def _path(base: Path, folder: Path) -> Path:
    return base / FOLDER / f"{sha256(os.fsencode(folder)).hexdigest()[:16]}.json"


def _load(path: Path) -> Progress | None:
    try:
        read_in: dict[str, Any] = json.loads(path.read_bytes())
        names = {one.name for one in fields(Progress)}
        return Progress(**{name: value for name, value in read_in.items() if name in names})
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return None  # written by somebody else


def _lock(disk: RealDisk, base: Path) -> Lock:
    for _ in range(LOCK_LOOKS):
        try:
            return disk.lock(str(base / FOLDER / "lock"))
        except BlockingIOError:
            sleep(LOCK_LOOK_S)  # whoever only asks has it for a moment
    running = next((one.folder for one in known(base) if one.state == RUNNING), "some folder")
    raise SpoolError(f"an import of {running} into {base} runs: wait for its end (`spool import_poll {running}`)")


def _is_held(path: Path) -> bool:
    """Somebody has the lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
