"""Reading a shard folder back: which messages still wait. Newest segment first, so that the first can go out early.

An outcome lies in the same segment as its message or in a later one. Going backwards, every outcome is therefore known
before the transaction that it ends, and of a transaction that was moved the newest copy is met first. An end counts for
copies up to its hop only: a message may leave for another node and come back under the same id.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from momentum_node.errors import SpoolError
from momentum_node.spool.disk import Disk
from momentum_node.spool.marks import Mark
from momentum_node.spool.message import Envelope, Outcome, Place, Recipient, Stored
from momentum_node.spool.records import (
    MARKS,
    OUTCOMES,
    TRANSACTION,
    StoredTransaction,
    decode_marks,
    decode_outcomes,
    decode_transaction,
)
from momentum_node.spool.segment import Damage, Record, decode_header, scan

SEGMENT_SUFFIX: Final = ".seg"
BODIES: Final = "bodies"


@dataclass(frozen=True, slots=True)
class Kept:
    """A transaction that is not finished: the recipients that wait, and their tries so far."""

    envelope: Envelope
    recipients: tuple[Recipient, ...]
    stored: Stored
    tries: dict[str, Outcome]  # by message id; only messages that failed at least once


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What could not be read: raw bytes `start` to `end` of a segment, or a record or body that makes no sense."""

    segment: int
    start: int
    end: int
    reason: str


OnUnreadable: TypeAlias = Callable[[Unreadable], None]


def segment_name(number: int) -> str:
    """The file name of a segment."""
    return f"{number:012d}{SEGMENT_SUFFIX}"


def segment_numbers(disk: Disk, folder: str) -> list[int]:
    """The segments in a folder, oldest first."""
    names = (name.removesuffix(SEGMENT_SUFFIX) for name in disk.list(folder) if name.endswith(SEGMENT_SUFFIX))
    return sorted(int(name) for name in names if name.isdecimal())


def read_segment(disk: Disk, folder: str, number: int) -> bytes:
    """All bytes of a segment. Raises `OSError`."""
    file = disk.open(f"{folder}/{segment_name(number)}")
    try:
        return file.read(file.size(), 0)
    finally:
        file.close()


class Recovery:
    """One pass over a folder; call `segment` with descending numbers."""

    def __init__(self, disk: Disk, folder: str, on_unreadable: OnUnreadable) -> None:
        self._disk = disk
        self._folder = folder
        self._on_unreadable = on_unreadable
        self._ended: dict[str, int] = {}  # id → the highest hop of which an end is known
        self._met: set[str] = set()  # ids already met in a newer copy
        self._marks: dict[str, Mark] = {}  # the newest of each id, FORGOTTEN ones too
        self._segment_marks: dict[str, Mark] = {}
        self._tries: dict[str, Outcome] = {}
        self._synced: dict[int, int] = {}  # segment → how far the next one says it was synced
        self.body_files: set[str] = set()

    def segment(self, number: int) -> list[Kept]:
        """The unfinished transactions of one segment. Raises `SpoolError` (no valid header) or `OSError`."""
        data = read_segment(self._disk, self._folder, number)
        header = decode_header(data)
        self._synced[header.number - 1] = header.previous_synced
        transactions: list[tuple[Place, StoredTransaction]] = []
        self._segment_marks = {}
        for found in scan(data, header, self._synced.pop(number, 0)):
            if isinstance(found, Damage):
                if found.acknowledged:
                    self._on_unreadable(Unreadable(number, found.start, found.end, "damaged after it was synced"))
                continue
            try:
                self._read(number, found, transactions)
            except SpoolError as error:
                end = found.payload_at + len(found.payload)
                self._on_unreadable(Unreadable(number, found.payload_at, end, str(error)))
        self._segment_marks = {id_: mark for id_, mark in self._segment_marks.items() if id_ not in self._marks}
        self._marks |= self._segment_marks
        return [kept for place, one in transactions if (kept := self._kept(place, one)) is not None]

    @property
    def marks(self) -> list[Mark]:
        """Those of the segment just read that no newer one replaces and that still speak of something."""
        return [
            mark
            for mark in self._segment_marks.values()
            if not mark.state.is_here or mark.hop > self._ended.get(mark.id, -1)
        ]

    def _read(self, number: int, record: Record, transactions: list[tuple[Place, StoredTransaction]]) -> None:
        if record.kind == OUTCOMES:
            self._learn(decode_outcomes(record.payload))
        elif record.kind == MARKS:
            self._learn_marks(decode_marks(record.payload))
        elif record.kind == TRANSACTION:
            transaction = decode_transaction(record.payload)
            self._learn(transaction.completes)
            content_at = record.payload_at + transaction.content_at
            transactions.append((Place(number, record.payload_at, len(record.payload), content_at), transaction))
        else:
            raise SpoolError(f"record kind {record.kind} is not known")

    def _learn(self, outcomes: tuple[Outcome, ...]) -> None:
        for outcome in outcomes:
            if outcome.result.is_final:
                self._end(outcome.id, outcome.hop)
                continue
            known = self._tries.get(outcome.id)
            if known is None or (known.retries, known.next_attempt) < (outcome.retries, outcome.next_attempt):
                self._tries[outcome.id] = outcome

    def _learn_marks(self, marks: tuple[Mark, ...]) -> None:
        for mark in marks:
            self._segment_marks[mark.id] = mark  # of one segment the last counts
            self._end(mark.id, mark.ended_hop)

    def _end(self, id_: str, hop: int) -> None:
        if hop > self._ended.get(id_, -1):
            self._ended[id_] = hop

    def _present(self, one: Recipient) -> Recipient:
        """With the hop of its mark, which may be newer than the record."""
        mark = self._marks.get(one.id)
        if mark is None or not mark.state.is_here or mark.hop <= one.hop:
            return one
        return replace(one, hop=mark.hop)

    def _kept(self, place: Place, transaction: StoredTransaction) -> Kept | None:
        present = [self._present(one) for one in transaction.recipients if one.id not in self._met]
        recipients = tuple(one for one in present if one.hop > self._ended.get(one.id, -1))
        if not recipients:
            return None
        self._met.update(one.id for one in recipients)
        if transaction.body_file is not None:
            self.body_files.add(transaction.body_file)
        stored = Stored(place, transaction.body_file, {one.id for one in recipients}, len(recipients))
        stored.created = transaction.envelope.created
        tries = {one.id: self._tries.pop(one.id) for one in recipients if one.id in self._tries}
        return Kept(transaction.envelope, recipients, stored, tries)
