"""One shard of the spool on its disk: segments written in groups, read back at start, removed when they are done with.

    <folder>/lock            owned while a worker uses the shard
    <folder>/shard.json      format and start number
    <folder>/000000000007.seg
    <folder>/bodies/…        bodies above 128 KiB, one file each, written while they are received
    <folder>/quarantine/…    what could not be read, byte for byte

`write` is the only way in, one call at a time (the committing thread); recovery may run beside it in another thread.
Segments go oldest first and only when everything in them is finished, because their outcomes speak of older ones.
When old segments hold little that lives, the living is written anew at the front, a piece with each commit.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from momentum_node.errors import SpoolError
from momentum_node.spool.disk import Disk, File, Lock
from momentum_node.spool.message import IdSource, Outcome, Place, Stored, Transaction, next_start
from momentum_node.spool.records import (
    OUTCOMES,
    TRANSACTION,
    decode_transaction,
    encode_outcomes,
    encode_transaction,
)
from momentum_node.spool.recovery import BODIES, Kept, Recovery, Unreadable, segment_name, segment_numbers
from momentum_node.spool.segment import FIRST_RECORD, FORMAT, READABLE_FORMATS
from momentum_node.spool.segment_log import SEGMENT_BYTES, SegmentLog

MOVE_BYTES: Final = 1 << 20
"""Moved with one commit at most, so that a commit never waits for more than a few milliseconds of it."""
LIVE_SHARE: Final = 4
"""The oldest segment is moved when all closed ones are larger than this many times what lives in them."""


@dataclass(slots=True, eq=False)
class _Segment:
    number: int
    live: dict[int, Stored] = field(default_factory=dict)  # by payload offset


class Shard:
    """Raises `OSError` when the disk does and `SpoolError` when the folder is not usable; see each method."""

    def __init__(
        self,
        disk: Disk,
        folder: str,
        *,
        salt: Callable[[], bytes],
        on_unreadable: Callable[[Unreadable], None],
        segment_bytes: int = SEGMENT_BYTES,
        sync: bool = True,
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._on_unreadable = on_unreadable
        self._log = SegmentLog(disk, folder, salt=salt, segment_bytes=segment_bytes, sync=sync)
        self._lock: Lock | None = None
        self._segments: dict[int, _Segment] = {}
        self._by_message: dict[str, Stored] = {}
        self._tries: dict[str, Outcome] = {}
        self._recovered = False
        self._old_bodies: list[str] = []
        self._recovery = Recovery(disk, folder, self._quarantine)
        self.to_recover: list[int] = []

    # -- start and end

    def open(self) -> None:
        """Take the lock and find what is there. Raises `SpoolError` when the shard is in use or of a newer format."""
        self._disk.make_directory(f"{self._folder}/{BODIES}")
        try:
            self._lock = self._disk.lock(f"{self._folder}/lock")
        except BlockingIOError:
            raise SpoolError(f"{self._folder} is in use by another process") from None
        numbers = segment_numbers(self._disk, self._folder)
        self.to_recover = numbers[::-1]
        self._log.begin_at(numbers[-1] + 1 if numbers else 0)
        self._old_bodies = self._disk.list(f"{self._folder}/{BODIES}")

    def start(self, node_id: int, shard: int, minutes: int) -> IdSource:
        """Ids for this start. The number is durable before this returns, so no id is ever given twice."""
        number = next_start(self._stored_start(), minutes)
        path, new = f"{self._folder}/shard.json", f"{self._folder}/shard.new"
        if "shard.new" in self._disk.list(self._folder):
            self._disk.unlink(new)
        file = self._disk.create(new)
        try:
            file.pwritev([json.dumps({"format": FORMAT, "start": number}).encode()], 0)
            file.fdatasync()
        finally:
            file.close()
        self._disk.rename(new, path)
        self._disk.sync_directory(self._folder)
        return IdSource(node_id, shard, number)

    def _stored_start(self) -> int | None:
        if "shard.json" not in self._disk.list(self._folder):
            return None
        file = self._disk.open(f"{self._folder}/shard.json")
        try:
            state = json.loads(file.read(4096, 0))
            version, start = int(state["format"]), int(state["start"])
        except (ValueError, KeyError, TypeError):
            return None  # the minutes since the epoch stand in for it
        finally:
            file.close()
        if version not in READABLE_FORMATS:
            raise SpoolError(f"{self._folder} has format {version}, which this version does not read")
        return start

    def close(self) -> None:
        """Let go of files and lock. What was written stays as it is."""
        self._log.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # -- recovery

    def recover(self, number: int) -> list[Kept]:
        """The unfinished transactions of one segment of `to_recover`, which is to be gone through in its order."""
        try:
            kept = self._recovery.segment(number)
        except SpoolError as error:
            self._set_aside(number, str(error))
            return []
        segment = _Segment(number)
        for one in kept:
            segment.live[one.stored.place.payload_at] = one.stored
            self._tries.update(one.tries)
            for recipient in one.recipients:
                self._by_message[recipient.id] = one.stored
        self._segments[number] = segment
        return kept

    def finish_recovery(self) -> None:
        """All of `to_recover` was gone through: from now on segments may be removed. Bodies nobody names are."""
        for name in self._old_bodies:
            if name not in self._recovery.body_files:
                self._disk.unlink(f"{self._folder}/{BODIES}/{name}")
        self._old_bodies = []
        self._recovered = True

    def _set_aside(self, number: int, reason: str) -> None:
        """A segment without a header: removed when it has no records (power went as it was made), else quarantined."""
        path = f"{self._folder}/{segment_name(number)}"
        file = self._disk.open(path)
        size = file.size()
        is_empty = not file.read(size, FIRST_RECORD).strip(b"\0")
        file.close()
        if is_empty:
            self._disk.unlink(path)
            return
        self._disk.make_directory(f"{self._folder}/quarantine")
        self._disk.rename(path, f"{self._folder}/quarantine/{segment_name(number)}")
        self._disk.sync_directory(f"{self._folder}/quarantine")
        self._on_unreadable(Unreadable(number, 0, size, reason))

    def _quarantine(self, unreadable: Unreadable) -> None:
        """Keep the raw bytes: their segment goes when the rest of it is finished."""
        folder = f"{self._folder}/quarantine"
        name = f"{unreadable.segment:012d}-{unreadable.start}.raw"
        self._disk.make_directory(folder)
        if name not in self._disk.list(folder):
            source = self._disk.open(f"{self._folder}/{segment_name(unreadable.segment)}")
            data = source.read(unreadable.end - unreadable.start, unreadable.start)
            source.close()
            copy = self._disk.create(f"{folder}/{name}")
            copy.pwritev([data], 0)
            copy.fdatasync()
            copy.close()
            self._disk.sync_directory(folder)
            self._on_unreadable(unreadable)

    # -- bodies in files of their own

    def create_body(self, name: str) -> File:
        """A file for a large body; it is synced by the `write` that names it."""
        return self._disk.create(f"{self._folder}/{BODIES}/{name}")

    def drop_body(self, name: str) -> None:
        """Remove the file of a transaction that did not come about."""
        self._disk.unlink(f"{self._folder}/{BODIES}/{name}")

    def read(self, stored: Stored) -> bytes:
        """The whole content of a transaction. Any thread. Raises `OSError`, `SpoolError`."""
        content = self._read_inline(stored)
        if stored.body_file is None:
            return content
        file = self._disk.open(f"{self._folder}/{BODIES}/{stored.body_file}")
        try:
            return content + file.read(file.size(), 0)
        finally:
            file.close()

    def _read_inline(self, stored: Stored) -> bytes:
        place = stored.place
        try:
            return self._read_at(place, place.content_at)
        except FileNotFoundError:  # moved to a newer segment between the two lines above
            if stored.place == place:
                raise
            return self._read_inline(stored)

    def _read_at(self, place: Place, start: int) -> bytes:
        file = self._disk.open(f"{self._folder}/{segment_name(place.segment)}")
        try:
            return file.read(place.payload_at + place.payload_size - start, start)
        finally:
            file.close()

    # -- writing

    def set_sync(self, sync: bool) -> None:
        """Whether what is written from now on is synced (`Force_Fsync`)."""
        self._log.sync = sync

    def write(
        self, transactions: Sequence[tuple[Transaction, File | None]], outcomes: Sequence[Outcome]
    ) -> list[Stored]:
        """Keep all of it; on return it survives a power cut. One `Stored` for each transaction, in order.

        Raises `OSError` or `SpoolError`: then none of it counts as kept, and the caller offers outcomes again.
        """
        self._sync_bodies(transactions)
        try:
            moved = self._move_oldest()  # first: an outcome of this group must not come before a copy of its message
            stored = [self._put(one) for one, _ in transactions]
            if outcomes:
                self._log.put(OUTCOMES, [encode_outcomes(outcomes)])
            self._log.finish()
        except BaseException:
            self._log.abandon()
            raise
        self._register(transactions, stored)
        for entry, place in moved:
            self._replace(entry, place)
        self._apply([*outcomes, *(done for one, _ in transactions for done in one.completes)])
        with suppress(OSError):  # what cannot be removed now is removed later; the write itself has succeeded
            self._remove_finished()
        return stored

    def _sync_bodies(self, transactions: Sequence[tuple[Transaction, File | None]]) -> None:
        files = [file for _, file in transactions if file is not None]
        if not files or not self._log.sync:
            return
        for file in files:
            file.fdatasync()
        self._disk.sync_directory(f"{self._folder}/{BODIES}")

    def _put(self, transaction: Transaction) -> Stored:
        payload = encode_transaction(transaction)
        place = self._log.put(TRANSACTION, payload, content_at=len(payload[0]) + len(payload[1]))
        return Stored(
            place, transaction.body_file, {one.id for one in transaction.recipients}, len(transaction.recipients)
        )

    def _register(self, transactions: Sequence[tuple[Transaction, File | None]], stored: list[Stored]) -> None:
        while self._log.made:
            number = self._log.made.pop()
            self._segments[number] = _Segment(number)
        for (transaction, _), entry in zip(transactions, stored, strict=True):
            self._segments[entry.place.segment].live[entry.place.payload_at] = entry
            for recipient in transaction.recipients:
                self._by_message[recipient.id] = entry

    def _replace(self, entry: Stored, place: Place) -> None:
        self._segments[entry.place.segment].live.pop(entry.place.payload_at, None)
        entry.place = place
        self._segments[place.segment].live[place.payload_at] = entry

    def _apply(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if not outcome.result.is_final:
                self._tries[outcome.id] = outcome
                continue
            self._tries.pop(outcome.id, None)
            entry = self._by_message.pop(outcome.id, None)
            if entry is None:
                continue
            entry.waiting.discard(outcome.id)
            if not entry.waiting:
                self._segments[entry.place.segment].live.pop(entry.place.payload_at, None)
                if entry.body_file is not None:
                    with suppress(OSError):  # swept at the next start
                        self.drop_body(entry.body_file)

    # -- removing and moving

    def _closed(self) -> list[_Segment]:
        """Segments that are not written any more, oldest first."""
        return [self._segments[number] for number in sorted(self._segments) if number != self._log.number]

    def _remove_finished(self) -> None:
        if not self._recovered or len(self._segments) < 2:
            return
        for segment in self._closed():
            if segment.live:
                return
            self._disk.unlink(f"{self._folder}/{segment_name(segment.number)}")
            self._disk.sync_directory(self._folder)  # in order: an outcome must not go before what it ends
            del self._segments[segment.number]

    def _move_oldest(self) -> list[tuple[Stored, Place]]:
        """Write anew a piece of what lives in the oldest segment, when little lives in all of the closed ones."""
        if not self._recovered or len(self._segments) <= LIVE_SHARE:
            return []
        closed = self._closed()
        live = sum(entry.place.payload_size for segment in closed for entry in segment.live.values())
        if live * LIVE_SHARE > len(closed) * self._log.segment_bytes:
            return []
        moved, size = [], 0
        for entry in list(closed[0].live.values()):
            moved.append((entry, self._move(entry)))
            size += entry.place.payload_size
            if size >= MOVE_BYTES:
                break
        return moved

    def _move(self, entry: Stored) -> Place:
        payload = self._read_at(entry.place, entry.place.payload_at)
        read = decode_transaction(payload)
        recipients = tuple(one for one in read.recipients if one.id in entry.waiting)
        content = payload[read.content_at :]
        transaction = Transaction(read.envelope, recipients, content[: read.head_size], (), read.body_file)
        again = [*encode_transaction(transaction), content[read.head_size :]]
        place = self._log.put(TRANSACTION, again, content_at=len(again[0]) + len(again[1]))
        tries = [self._tries[one.id] for one in recipients if one.id in self._tries]
        if tries:
            self._log.put(OUTCOMES, [encode_outcomes(tries)])
        return place
