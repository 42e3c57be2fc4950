"""The flight recorder of a running node: a ring of files with all that the machine was told and did (flight.py).

    loop ── records ──▶ bounded queue ──▶ one thread ── append ──▶ 00000041.flight 00000042.flight …

The loop never waits: a disk that stands still fills the queue, then records are dropped, and the recording goes on with
a snapshot once there is room. What a killed process had written stays; at most `DELAY_S` of it is missing. Files are
not synced: a power failure may cost the last seconds.
"""

import threading
from collections import deque
from pathlib import Path
from typing import Any, Final

from momentum_node import __version__, clock
from momentum_node.duravip.flight import MAGIC, Did, Entry, Note, Opened, Packer, encode, snapshot
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.sparse import Sparse
from momentum_node.duravip.vip import Effect
from momentum_node.log import logger

DELAY_S: Final = 0.05
LIMIT_BYTES: Final = 64 << 20
"""On disk, all segments: ten hours of 32 nodes that each send 10 beacons a second (6 MB an hour)."""
SEGMENT_BYTES: Final = 8 << 20
"""Of records, before deflate."""
QUEUE_BYTES: Final = 8 << 20
RETRY_S: Final = 10.0
"""Pause after a write that failed."""
SUFFIX: Final = ".flight"


def segments(folder: Path) -> list[Path]:
    """The recording's files, oldest first."""
    return sorted(folder.glob(f"[0-9]*{SUFFIX}"))


class FlightRecorder:
    """The tap of the node's machines. One object for the life of the core; methods are called on the loop."""

    def __init__(
        self,
        folder: Path,
        node: str,
        *,
        limit_bytes: int = LIMIT_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._node = node
        self._segment_bytes = segment_bytes
        self._queue_bytes = queue_bytes
        self._writer = _Writer(folder, limit_bytes, segment_bytes)
        self._machine: DuraVip | None = None
        self._sparse = Sparse()
        self._written = 0  # records of this segment, in bytes
        self._lost = 0  # records dropped since the queue was full
        self._open()

    # -- the tap ---------------------------------------------------------------------------------

    def started(self, machine: DuraVip) -> None:
        """A machine was made."""
        self._machine = machine
        self._sparse.begin(machine.local)
        self._put(snapshot(machine, is_new=True))

    def took(self, machine: DuraVip, name: str, arguments: tuple[Any, ...]) -> None:
        """An input comes."""
        if self._is_segment_over(arguments[-1]):
            self._open()
        for entry in self._sparse.inputs(name, arguments):
            self._put(entry)

    def did(self, effects: list[Effect]) -> None:
        """Effects were handed out."""
        self._put(Did(tuple(effects)))

    def note(self, text: str) -> None:
        """Something that explains what comes next."""
        self._put(Note(clock.monotonic(), text))

    def close(self) -> None:
        """Write what waits, at most for a second."""
        self._writer.close()

    # -- records ---------------------------------------------------------------------------------

    def _is_segment_over(self, now: float) -> bool:
        if self._lost:
            return not self._writer.queued
        if self._writer.has_failed:
            return now > self._opened + RETRY_S
        return self._written > self._segment_bytes

    def _open(self) -> None:
        """A new segment, which can be replayed by itself."""
        self._writer.rotate()
        self._opened = clock.monotonic()
        self._written = 0
        lost, self._lost = self._lost, 0
        self._put(Opened(self._node, __version__, clock.wall(), clock.monotonic()))
        if self._machine is not None:
            self._put(snapshot(self._machine, is_new=False))
            self._sparse.saved()
        if lost:
            self._put(Note(clock.monotonic(), f"{lost} records are missing before this: the disk was too slow"))

    def _put(self, entry: Entry) -> None:
        record = encode(entry)
        if self._lost or self._writer.queued + len(record) > self._queue_bytes:
            self._lost += 1
            return
        self._written += len(record)
        self._writer.put(record)


class _Writer:
    """The thread that owns the files. A failure ends the segment; what is queued until the next one is dropped."""

    def __init__(self, folder: Path, limit_bytes: int, segment_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes - segment_bytes
        self._queue: deque[bytes | None] = deque()  # None: a new segment begins
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self.queued = 0
        self._path: Path | None = None
        self._packer = Packer()
        self.has_failed = False
        self._thread = threading.Thread(target=self._run, name="flight-recorder", daemon=True)
        self._thread.start()

    def put(self, record: bytes) -> None:
        """Queue a record."""
        with self._lock:
            self._queue.append(record)
            self.queued += len(record)
        self._ready.set()

    def rotate(self) -> None:
        """What follows belongs to a new segment."""
        with self._lock:
            self._queue.append(None)

    def close(self) -> None:
        """Stop after what is queued."""
        self._closing.set()
        self._ready.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._ready.wait()
            self._closing.wait(DELAY_S)  # what comes together is written together
            self._ready.clear()
            self._write_all()

    def _write_all(self) -> None:
        while True:
            batch = self._batch()
            if batch is None:
                self._path, self.has_failed = None, False
            elif not batch:
                return
            else:
                self._write(b"".join(batch))
                with self._lock:
                    self.queued -= sum(map(len, batch))

    def _batch(self) -> list[bytes] | None:
        """Records up to the next segment; None where one begins."""
        with self._lock:
            if self._queue and self._queue[0] is None:
                self._queue.popleft()
                return None
            batch: list[bytes] = []
            while self._queue and (record := self._queue[0]) is not None:
                batch.append(record)
                self._queue.popleft()
            return batch

    def _write(self, records: bytes) -> None:
        if self._path is None and self.has_failed:
            return
        try:
            if self._path is None:
                self._path = self._create()
            with self._path.open("ab") as file:
                file.write(self._packer.chunk(records))
        except OSError as error:
            self._path, self.has_failed = None, True
            logger().warning("the flight recorder cannot write", folder=str(self._folder), reason=str(error))

    def _create(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = segments(self._folder)
        self._make_room(found)
        number = int(found[-1].stem) + 1 if found else 1
        path = self._folder / f"{number:08}{SUFFIX}"
        path.write_bytes(MAGIC)
        self._packer = Packer()
        return path

    def _make_room(self, found: list[Path]) -> None:
        """Remove the oldest until a whole new segment fits."""
        sizes = [path.stat().st_size for path in found]
        while found and sum(sizes) > self._limit_bytes:
            found.pop(0).unlink(missing_ok=True)
            sizes.pop(0)
