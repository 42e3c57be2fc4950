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

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from momentum_node.errors import SpoolError
from momentum_node.spool import startnumber
from momentum_node.spool.disk import Disk, File, Lock
from momentum_node.spool.marking import MARK_BYTES, MarkKeeper
from momentum_node.spool.marks import Mark, finished, taken
from momentum_node.spool.message import IdSource, Outcome, Place, Recipient, Stored, Transaction
from momentum_node.spool.records import (
    MARKS,
    OUTCOMES,
    TRANSACTION,
    decode_transaction,
    encode_marks,
    encode_outcomes,
    encode_transaction,
)
from momentum_node.spool.recovery import BODIES, Kept, Recovery, Unreadable, segment_name, segment_numbers
from momentum_node.spool.segment_log import SEGMENT_BYTES, SegmentLog
from momentum_node.spool.setaside import SetAside

MOVE_BYTES: Final = 1 << 20
"""Moved with one commit at most, so that a commit never waits for more than a few milliseconds of it."""
LIVE_SHARE: Final = 4
"""The oldest segment is moved when all closed ones are larger than this many times what lives in them."""


@dataclass(slots=True, eq=False)
class _Segment:
    number: int
    live: dict[int, Stored] = field(default_factory=dict)  # by payload offset
    live_bytes: int = 0  # counted, not summed up: each commit asks, and there may be a million

    def put(self, entry: Stored) -> None:
        self.live[entry.place.payload_at] = entry
        self.live_bytes += entry.place.payload_size

    def drop(self, place: Place) -> None:
        if self.live.pop(place.payload_at, None) is not None:
            self.live_bytes -= place.payload_size


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
        self._aside = SetAside(disk, folder, on_unreadable)
        self._log = SegmentLog(disk, folder, salt=salt, segment_bytes=segment_bytes, sync=sync)
        self._lock: Lock | None = None
        self._segments: dict[int, _Segment] = {}
        self._by_message: dict[str, Stored] = {}
        self._tries: dict[str, Outcome] = {}
        self.marks = MarkKeeper()
        """What is known of messages that move between nodes; complete when the recovery is."""
        self._moved_marks: list[tuple[Mark, int]] = []  # by the commit that runs: mark, segment
        self.is_recovered = False
        self._old_bodies: list[str] = []
        self._recovery = Recovery(disk, folder, self._aside.piece)
        self.to_recover: list[int] = []

    # -- start and end

    def open(self) -> None:
        """Take the lock and find what is there; also again, after an error. Raises `SpoolError` when it is in use."""
        self._disk.make_directory(f"{self._folder}/{BODIES}")
        try:
            self._lock = self._lock or self._disk.lock(f"{self._folder}/lock")
        except BlockingIOError:
            raise SpoolError(f"{self._folder} is in use by another process") from None
        numbers = segment_numbers(self._disk, self._folder)
        self.to_recover = numbers[::-1]
        self._log.begin_at(numbers[-1] + 1 if numbers else 0)
        self._old_bodies = self._disk.list(f"{self._folder}/{BODIES}")

    def start(self, node_id: int, shard: int, minutes: int) -> IdSource:
        """Ids for this start. The number is durable before this returns, so no id is ever given twice."""
        return IdSource(node_id, shard, startnumber.begin(self._disk, self._folder, minutes))

    def close(self) -> None:
        """Let go of files and lock. What was written stays as it is."""
        self._log.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def is_spent(self) -> bool:
        """Nothing waits here, and nothing is remembered or kept."""
        return self.is_recovered and not self._by_message and not self.marks and not self._aside.has_some

    def clear(self) -> None:
        """Remove the segments of a shard that is spent, and let go of it. Raises `OSError`."""
        try:
            self._log.close()
            for number in segment_numbers(self._disk, self._folder):  # oldest first, see `_remove_finished`
                self._disk.unlink(f"{self._folder}/{segment_name(number)}")
                self._disk.sync_directory(self._folder)
        finally:
            self.close()

    # -- recovery

    def recover(self, number: int) -> list[Kept]:
        """The unfinished transactions of one segment of `to_recover`, which is to be gone through in its order."""
        try:
            kept = self._recovery.segment(number)
        except SpoolError as error:
            self._aside.segment(number, str(error))
            return []
        segment = _Segment(number)
        for one in kept:
            segment.put(one.stored)
            self._tries.update(one.tries)
            for recipient in one.recipients:
                self._by_message[recipient.id] = one.stored
        self._segments[number] = segment
        marks = self._recovery.marks
        self.marks.learn((mark for mark in marks if mark.state.is_here), number)
        for one in kept:
            self.marks.learn(_taken(one.envelope.created, one.recipients), number)
        self.marks.learn(marks, number)
        return kept

    def created(self, id_: str) -> float | None:
        """When a message that lies here was made, or None. Any thread."""
        stored = self._by_message.get(id_)
        return None if stored is None else stored.created

    def finish_recovery(self) -> None:
        """All of `to_recover` was gone through: from now on segments may be removed. Bodies nobody names are."""
        for name in self._old_bodies:
            if name not in self._recovery.body_files:
                self._disk.unlink(f"{self._folder}/{BODIES}/{name}")
        self._old_bodies = []
        self.is_recovered = True

    # -- bodies in files of their own

    def create_body(self, name: str) -> File:
        """A file for a large body; it is synced by the `write` that names it."""
        return self._disk.create(f"{self._folder}/{BODIES}/{name}")

    def open_body(self, name: str) -> File:
        """The file of a large body, for reading. Raises `OSError`."""
        return self._disk.open(f"{self._folder}/{BODIES}/{name}")

    def drop_body(self, name: str) -> None:
        """Remove the file of a transaction that did not come about."""
        self._disk.unlink(f"{self._folder}/{BODIES}/{name}")

    def read(self, stored: Stored) -> bytes:
        """The whole content of a transaction. Any thread. Raises `OSError`, `SpoolError`."""
        content = self._read_inline(stored)
        if stored.body_file is None:
            return content
        file = self.open_body(stored.body_file)
        try:
            return content + file.read(file.size(), 0)
        finally:
            file.close()

    def transaction(self, stored: Stored) -> Transaction:
        """As it was written, of the messages that wait. Raises `OSError`, `SpoolError`."""
        payload = self._read_at(stored.place, stored.place.payload_at)
        read = decode_transaction(payload)
        recipients = tuple(one for one in read.recipients if one.id in stored.waiting)
        content = payload[read.content_at :]
        head, body = content[: read.head_size], content[read.head_size :]
        return Transaction(read.envelope, recipients, head, (body,) if body else (), read.body_file)

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
        self,
        transactions: Sequence[tuple[Transaction, File | None]],
        outcomes: Sequence[Outcome],
        marks: Sequence[Mark] = (),
        now: float = 0.0,
    ) -> list[Stored]:
        """Keep all of it; on return it survives a power cut. One `Stored` for each transaction, in order.

        A message of which another node may have a copy gets its mark with its end; `now`: seconds since the epoch.
        Raises `OSError` or `SpoolError`: then none of it counts as kept, and the caller offers outcomes again.
        """
        self._sync_bodies(transactions)
        transactions = [(self._stamped_ends(one), body) for one, body in transactions]
        outcomes = [self._stamped(one) for one in outcomes]
        try:
            self._moved_marks = []
            moved = self._move_oldest()  # first: an outcome of this group must not come before a copy of its message
            stored = [self._put(one) for one, _ in transactions]
            ended = [*outcomes, *(done for one, _ in transactions for done in one.completes)]
            marks = [*self._end_marks(ended, now), *marks]
            marked = self._put_marks(marks)
            if outcomes:
                self._log.put(OUTCOMES, [encode_outcomes(outcomes)])
            self._log.finish()
        except BaseException:
            self._log.abandon()
            raise
        for mark, number in self._moved_marks:  # before anything that this group says anew
            self.marks.put(mark, number)
        self._register(transactions, stored)
        for entry, place in moved:
            self._replace(entry, place)
        self._apply(ended)
        self._apply_marks(marks, marked)
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
            place,
            transaction.body_file,
            {one.id for one in transaction.recipients},
            len(transaction.recipients),
            created=transaction.envelope.created,
        )

    def _register(self, transactions: Sequence[tuple[Transaction, File | None]], stored: list[Stored]) -> None:
        while self._log.made:
            number = self._log.made.pop()
            self._segments[number] = _Segment(number)
        for (transaction, _), entry in zip(transactions, stored, strict=True):
            self._segments[entry.place.segment].put(entry)
            for recipient in transaction.recipients:
                self._by_message[recipient.id] = entry
            for mark in _taken(entry.created, transaction.recipients):
                self.marks.put(mark, entry.place.segment)

    def _replace(self, entry: Stored, place: Place) -> None:
        self._segments[entry.place.segment].drop(entry.place)
        entry.place = place
        self._segments[place.segment].put(entry)

    def _apply(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.result.is_final:
                self._end(outcome.id)
            else:
                self._tries[outcome.id] = outcome

    def _end(self, id_: str) -> None:
        """The message is done with here."""
        self._tries.pop(id_, None)
        self.marks.drop(id_)
        entry = self._by_message.pop(id_, None)
        if entry is None:
            return
        entry.waiting.discard(id_)
        if not entry.waiting:
            self._segments[entry.place.segment].drop(entry.place)
            if entry.body_file is not None:
                with suppress(OSError):  # swept at the next start
                    self.drop_body(entry.body_file)

    def _stamped(self, outcome: Outcome) -> Outcome:
        """With the hop of the copy that lies here: of no other does it speak."""
        mark = self.marks.get(outcome.id)
        return outcome if mark is None or not mark.hop else replace(outcome, hop=mark.hop)

    def _stamped_ends(self, transaction: Transaction) -> Transaction:
        ends = transaction.completes
        return replace(transaction, completes=tuple(map(self._stamped, ends))) if ends else transaction

    def _end_marks(self, outcomes: Sequence[Outcome], now: float) -> list[Mark]:
        ends = [one for one in outcomes if one.result.is_final]
        made = (finished(self.marks.get(one.id), one.id, self.created(one.id) or 0.0, one.hop, now) for one in ends)
        return [mark for mark in made if mark is not None]

    def _put_marks(self, marks: Sequence[Mark]) -> int:
        """The segment that has them now."""
        return self._log.put(MARKS, [encode_marks(marks)]).segment if marks else -1

    def _apply_marks(self, marks: Sequence[Mark], segment: int) -> None:
        for mark in marks:
            if mark.ended_hop >= 0:
                self._end(mark.id)
            self.marks.put(mark, segment)

    # -- removing and moving

    def _closed(self) -> list[_Segment]:
        """Segments that are not written any more, oldest first."""
        return [self._segments[number] for number in sorted(self._segments) if number != self._log.number]

    def _remove_finished(self) -> None:
        if not self.is_recovered or len(self._segments) < 2:
            return
        for segment in self._closed():
            if segment.live or self.marks.size(segment.number):
                return
            self._disk.unlink(f"{self._folder}/{segment_name(segment.number)}")
            self._disk.sync_directory(self._folder)  # in order: an outcome must not go before what it ends
            del self._segments[segment.number]
            self.marks.gone(segment.number)

    def _move_oldest(self) -> list[tuple[Stored, Place]]:
        """Write anew a piece of what lives in the oldest segment, when little lives in all of the closed ones."""
        if not self.is_recovered or len(self._segments) <= LIVE_SHARE:
            return []
        closed = self._closed()
        live = sum(segment.live_bytes + self.marks.size(segment.number) for segment in closed)
        if live * LIVE_SHARE > len(closed) * self._log.segment_bytes:
            return []
        moved, size = [], 0
        memories = [mark for mark in self.marks.of(closed[0].number) if not mark.state.is_here]
        self._move_marks(memories[: MOVE_BYTES // MARK_BYTES])
        for entry in list(closed[0].live.values()):
            moved.append((entry, self._move(entry)))
            size += entry.place.payload_size
            if size >= MOVE_BYTES:
                break
        return moved

    def _move(self, entry: Stored) -> Place:
        transaction = self.transaction(entry)
        again = encode_transaction(transaction)
        place = self._log.put(TRANSACTION, again, content_at=len(again[0]) + len(again[1]))
        if tries := [self._tries[one.id] for one in transaction.recipients if one.id in self._tries]:
            self._log.put(OUTCOMES, [encode_outcomes(tries)])
        # Not before the transaction: a mark in an older segment would be read when its message is handed out already.
        self._move_marks([mark for one in transaction.recipients if (mark := self.marks.get(one.id))])
        return place

    def _move_marks(self, marks: list[Mark]) -> None:
        if marks:
            number = self._put_marks(marks)
            self._moved_marks += [(mark, number) for mark in marks]


def _taken(created: float, recipients: Sequence[Recipient]) -> list[Mark]:
    """The marks that records of moved messages stand for."""
    return [taken(one.id, created, one.hop, one.awaited) for one in recipients if one.hop]
