"""`spool import`: which folder, into which shard of ours, as whom. The moving itself is `importing`'s part.

The messages go into a shard that no worker has; the workers of a running node open it when we let go of it, or when
we are killed. So an import needs no worker to be stopped. Several shards of the folder may be read at once.
"""

import json
import os
import secrets
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Lock
from typing import Final

from momentum_node import clock
from momentum_node.errors import SpoolError
from momentum_node.spool.census import census
from momentum_node.spool.disk import RealDisk
from momentum_node.spool.importing import Fate, Import, Taken
from momentum_node.spool.importrecord import Progress, Recorder
from momentum_node.spool.landing import Landing
from momentum_node.spool.message import MAX_SHARDS
from momentum_node.spool.recovery import Unreadable, segment_name, segment_numbers
from momentum_node.spool.segment import FIRST_RECORD, READABLE_FORMATS, NewerFormat, decode_header
from momentum_node.spool.segment_log import SEGMENT_BYTES
from momentum_node.spool.shard import Shard

SHARDS: Final = "shard-[0-9][0-9]"
MARKER_SEGMENT_BYTES: Final = 1 << 20
"""Of what is written to the folder: ends of messages only, and its disk may be nearly full."""


class _Stopped(Exception):
    """Another thread of the import met an error."""


class _Watch:
    """What the threads of an import tell, one at a time."""

    def __init__(
        self, recorder: Recorder, on_taken: Callable[[Taken], None], on_progress: Callable[[Progress], None]
    ) -> None:
        self._recorder = recorder
        self._progress = recorder.progress
        self._on_taken = on_taken
        self._on_progress = on_progress
        self._lock = Lock()
        self._done: dict[str, int] = {}  # segments, by shard
        self._left: set[str] = set()
        self.is_over = False

    def taken(self, one: Taken) -> None:
        """One message more."""
        with self._lock:
            match one.fate:
                case Fate.TAKEN:
                    self._progress.taken += 1
                case Fate.DUPLICATE:
                    self._progress.duplicates += 1
                case _ if one.id in self._left:  # its shard was gone through again
                    return
                case _:
                    self._left.add(one.id)
                    self._progress.left += 1
            self._on_taken(one)

    def step(self, shard: str, done: int) -> None:
        """So many segments of a shard are done with."""
        if self.is_over:
            raise _Stopped
        with self._lock:
            self._done[shard] = max(done, self._done.get(shard, 0))
            self._progress.segments_done = sum(self._done.values())
            self._recorder.note()
            self._on_progress(self._progress)

    def unreadable(self, what: str) -> None:
        """A piece that is kept in quarantine."""
        with self._lock:
            self._progress.unreadable.append(what)


def take_over(
    base: Path,
    folder: Path,
    node: str,
    on_taken: Callable[[Taken], None],
    on_progress: Callable[[Progress], None],
    concurrency: int = 1,
) -> Progress:
    """Move every message of the spool `folder` into our spool `base`; returns what became of them.

    `concurrency`: so many shards of the folder are read at once.
    Raises `SpoolError` when that cannot begin, `OSError` when a disk refuses; a later run goes on where this one ended.
    """
    base, folder = base.resolve(), folder.resolve()
    shards = _checked(base, folder)
    disk = _disk_of(base)
    recorder = Recorder(disk, base, folder)
    recorder.progress.segments = sum(len(segment_numbers(disk, str(path))) for path in shards)
    watch = _Watch(recorder, on_taken, on_progress)
    why: str | None = "the command was ended"
    try:
        with ExitStack() as stack:
            sources = {path: stack.enter_context(closing(_opened(path, watch))) for path in shards}
            known = census(disk, [str(path) for path in sorted(base.glob(SHARDS))])
            landing = Landing(stack.enter_context(closing(_free_shard(disk, base))), known, node)
            for path in _all_at_once(sources, landing, watch, concurrency):  # one by one: nothing is postponed now
                sources[path].close()
                with closing(_opened(path, watch)) as source:
                    _take(path.name, source, landing, watch)
        why = None
    except (OSError, SpoolError) as error:
        why = str(error)
        raise
    finally:
        recorder.end(why)
    return recorder.progress


def _opened(path: Path, watch: _Watch) -> Shard:
    def unreadable(found: Unreadable) -> None:
        watch.unreadable(f"{path}: segment {found.segment}, byte {found.start}: {found.reason}")

    source = _shard(_disk_of(path.parent), path, MARKER_SEGMENT_BYTES, unreadable)
    try:
        source.open()
    except SpoolError as error:
        raise SpoolError(f"{error}: is its node still running?") from None
    return source


def _all_at_once(sources: dict[Path, Shard], landing: Landing, watch: _Watch, concurrency: int) -> list[Path]:
    """Those in which messages were postponed."""
    with ThreadPoolExecutor(concurrency, "import") as threads:
        running = {threads.submit(_take, path.name, source, landing, watch): path for path, source in sources.items()}
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            return sorted(running[one] for one in done if one.result())
        except BaseException:
            watch.is_over = True
            threads.shutdown(cancel_futures=True)
            raise


def _take(name: str, source: Shard, landing: Landing, watch: _Watch) -> int:
    """All of a shard; how many messages have to be met again."""
    one = Import(source, landing, watch.taken)
    one.run(clock.wall, lambda done, _all: watch.step(name, done))
    return one.postponed


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
