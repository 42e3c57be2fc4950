"""The key folder and the key file of a bus container: carries out what `keystages.py` says, and publishes it.

/etc/momentum/bus-key/{authkey, authkey.next, stage}   ──▶   the file that corosync.conf names   ──▶   Corosync
                                                             <state_dir>/key.json: fingerprints, for reports
"""

import contextlib
import json
import os
from pathlib import Path

from momentum_node.bus import ringfiles
from momentum_node.bus.keystages import KeyStages, Mounted, mounted
from momentum_node.config.ringkeys import CURRENT, NEXT, STAGE
from momentum_node.status.report import BusKeyReport

STATE_FILE = "key.json"
SETTLE_S = 5.0
"""A Corosync that was just started reads its key first; only then may the file hold the next one."""


class KeyFiles:
    """`folder` None: corosync.conf's key file is somebody else's to write, and every change of it means a reload."""

    def __init__(self, folder: Path | None, conf: Path, own_id: int | None) -> None:
        self._folder, self._conf = folder, conf
        ids = sorted(int(text) for text in ringfiles.values(conf, "nodeid"))
        self._stages = KeyStages(ids.index(own_id) if own_id in ids else len(ids))
        self._published: BusKeyReport | None = None
        self._started_at = 0.0

    @property
    def are_kept_here(self) -> bool:
        """We write the key file."""
        return self._folder is not None

    @property
    def holds_back(self) -> bool:
        """A rotation is under way: the ring must not be reloaded for another reason."""
        return self._stages.holds_back

    def prepare(self, now: float) -> None:
        """Before Corosync starts: it must find the key that its ring has."""
        self._started_at = now
        seen = self._read()
        if seen is not None:
            self._write(seen.at_start)
            self._stages.started(seen.at_start)
            self._stages.look(seen, now)
            self._publish()

    def look(self, now: float) -> bool:
        """Bring the file in line with the folder; whether the ring is to be reloaded for its key now."""
        seen = self._read()
        if seen is None or now - self._started_at < SETTLE_S:
            return False
        self._write(seen.in_file)
        self._stages.look(seen, now)
        self._publish()
        return self._stages.is_due(now)

    def reloaded(self) -> None:
        """The ring took its files up."""
        self._stages.reloaded()
        self._publish()

    def _read(self) -> Mounted | None:
        if self._folder is None:
            return None
        folder = _generation(self._folder)
        files = {}
        for name in (CURRENT, NEXT, STAGE):
            with contextlib.suppress(OSError):
                files[name] = (folder / name).read_bytes()
        return mounted(files) if _generation(self._folder) == folder else None

    def _write(self, key: bytes) -> None:
        path = self._key_file()
        if path is None or _content(path) == key:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _put(path, key, 0o400)

    def _key_file(self) -> Path | None:
        return next(map(Path, ringfiles.values(self._conf, "keyfile")), None)

    def _publish(self) -> None:
        path = self._key_file()
        state = self._stages.state(_content(path) if path else b"")
        if self._folder is None or state == self._published:
            return
        for directory in ringfiles.values(self._conf, "state_dir"):
            with contextlib.suppress(OSError):  # told again at the next look
                _put(Path(directory) / STATE_FILE, json.dumps(state).encode(), 0o600)
                self._published = state


def published(conf: Path) -> BusKeyReport | None:
    """What the bus container of this node published; None when it keeps no keys, or has not run yet."""
    for directory in ringfiles.values(conf, "state_dir"):
        try:
            state: BusKeyReport = json.loads((Path(directory) / STATE_FILE).read_bytes())
        except (OSError, ValueError):
            return None
        return state
    return None


def _generation(folder: Path) -> Path:
    """Where the files are now. A volume of Kubernetes replaces all of them at once, behind the link `..data`: files of
    two generations read together would be a key that nobody meant."""
    return (folder / "..data").resolve() if (folder / "..data").is_symlink() else folder


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _put(path: Path, data: bytes, mode: int) -> None:
    """In one step: whoever reads finds the old content or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    fresh.replace(path)
