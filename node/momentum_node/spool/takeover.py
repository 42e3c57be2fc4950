"""`spool import`: which folder, into which shard of ours, as whom. The moving itself is `importing`'s part.

The messages go into a shard that no worker has; the workers of a running node open it when we let go of it, or when
we are killed. So an import needs no worker to be stopped.
"""

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from momentum_node import clock
from momentum_node.errors import SpoolError
from momentum_node.spool.census import census
from momentum_node.spool.disk import RealDisk
from momentum_node.spool.importing import Fate, Import, Taken
from momentum_node.spool.marks import Mark
from momentum_node.spool.message import MAX_SHARDS
from momentum_node.spool.recovery import Unreadable, segment_name, segment_numbers
from momentum_node.spool.segment import FIRST_RECORD, READABLE_FORMATS, NewerFormat, decode_header
from momentum_node.spool.segment_log import SEGMENT_BYTES
from momentum_node.spool.shard import Shard

SHARDS: Final = "shard-[0-9][0-9]"
MARKER_SEGMENT_BYTES: Final = 1 << 20
"""Of what is written to the folder: ends of messages only, and its disk may be nearly full."""


@dataclass(slots=True)
class Progress:
    """How far an import is. Fates of messages; pieces that could not even be read as messages."""

    shard: str = ""
    segments_done: int = 0
    segments: int = 0
    taken: int = 0
    duplicates: int = 0
    left: int = 0
    unreadable: list[str] = field(default_factory=list)

    def note(self, one: Taken) -> None:
        """One message more."""
        match one.fate:
            case Fate.TAKEN:
                self.taken += 1
            case Fate.DUPLICATE:
                self.duplicates += 1
            case _:
                self.left += 1


def take_over(
    base: Path,
    folder: Path,
    node: str,
    on_taken: Callable[[Taken], None],
    on_progress: Callable[[Progress], None],
) -> Progress:
    """Move every message of the spool `folder` into our spool `base`; returns what became of them.

    Raises `SpoolError` when that cannot begin, `OSError` when a disk refuses; a later run goes on where this one ended.
    """
    base, folder = base.resolve(), folder.resolve()
    shards = _checked(base, folder)
    disk = _disk_of(base)
    known = census(disk, [str(path) for path in sorted(base.glob(SHARDS))])
    progress = Progress()

    def told(one: Taken) -> None:
        progress.note(one)
        on_taken(one)

    target = _free_shard(disk, base)
    try:
        for path in shards:
            _take_shard(path, target, known, node, progress, told, on_progress)
    finally:
        target.close()
    return progress


def _take_shard(
    path: Path,
    target: Shard,
    known: dict[str, Mark],
    node: str,
    progress: Progress,
    told: Callable[[Taken], None],
    on_progress: Callable[[Progress], None],
) -> None:
    def unreadable(found: Unreadable) -> None:
        progress.unreadable.append(f"{path}: segment {found.segment}, byte {found.start}: {found.reason}")

    def segment(done: int, there_are: int) -> None:
        progress.shard, progress.segments_done, progress.segments = path.name, done, there_are
        on_progress(progress)

    source = _shard(_disk_of(path.parent), path, MARKER_SEGMENT_BYTES, unreadable)
    try:
        source.open()
    except SpoolError as error:
        raise SpoolError(f"{error}: is its node still running?") from None
    try:
        Import(source, target, known, node, told).run(clock.wall, segment)
    finally:
        source.close()


def _shard(disk: RealDisk, path: Path, segment_bytes: int, on_unreadable: Callable[[Unreadable], None]) -> Shard:
    return Shard(
        disk,
        str(path),
        salt=lambda: secrets.token_bytes(8),
        on_unreadable=on_unreadable,
        segment_bytes=segment_bytes,
    )


def _free_shard(disk: RealDisk, base: Path) -> Shard:
    """One that no worker has, open: the last ones are not a worker's unless there are sixteen of them."""
    for number in reversed(range(MAX_SHARDS)):
        made = _shard(disk, base / f"shard-{number:02d}", SEGMENT_BYTES, lambda _found: None)
        try:
            made.open()
        except SpoolError:
            continue
        return made
    raise SpoolError(f"all {MAX_SHARDS} shards of {base} are in use: stop the mail workers of this node first")


# -- before anything is touched


def _checked(base: Path, folder: Path) -> list[Path]:
    """The shards of the folder, when everything about it and about us is as it must be. Raises `SpoolError`."""
    for path, what in ((folder, "spool folder to import"), (base, "spool folder of this node")):
        if not path.is_dir():
            raise SpoolError(f"{path}: there is no such {what}")
    if folder == base or base in folder.parents or folder in base.parents:
        raise SpoolError(f"{folder} is this node's own spool ({base}), or a part of it")
    shards = [path for path in sorted(folder.glob(SHARDS)) if path.is_dir()]
    if not shards:
        raise SpoolError(
            f"{folder} has no shard-NN in it: name the folder that SpoolBase named on the node that is gone"
        )
    for path in (base, folder):
        _disk_of(path)
    for path in shards:
        _check_format(path)
        if not os.access(path, os.W_OK | os.X_OK):
            raise SpoolError(f"{path} cannot be written: what was taken over is noted there")
    return shards


def _check_format(shard: Path) -> None:
    """Nothing is touched when a newer version wrote it: for us it would be unreadable."""
    state = shard / "shard.json"
    try:
        version = int(json.loads(state.read_text())["format"]) if state.exists() else None
    except (ValueError, KeyError, TypeError):
        version = None
    if version is not None and version not in READABLE_FORMATS:
        raise SpoolError(
            f"{shard} has format {version}, which this version does not read: use the version that wrote it"
        )
    for number in segment_numbers(RealDisk(), str(shard)):
        with (shard / segment_name(number)).open("rb") as file:
            try:
                decode_header(file.read(FIRST_RECORD))
            except NewerFormat as error:
                raise SpoolError(f"{shard}: segment {number}: {error}") from None
            except SpoolError:
                continue  # the recovery puts it into quarantine


def _disk_of(folder: Path) -> RealDisk:
    """What we make in a spool must be the workers', as its shards are. Raises `SpoolError` when we cannot do that."""
    status = next((path for path in sorted(folder.glob(SHARDS)) if path.is_dir()), folder).stat()
    if os.geteuid() not in {0, status.st_uid}:
        raise SpoolError(f"{folder} belongs to uid {status.st_uid}: run this as root or as that user")
    return RealDisk(0o660, (status.st_uid, status.st_gid) if os.geteuid() == 0 else None)
