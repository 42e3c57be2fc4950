"""Group commit: everything that arrives while one sync runs shares the next one. The driver of a `Shard`.

One thread writes, another reads. Nothing of this runs on the event loop but appending to two lists.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias

from momentum_node import clock
from momentum_node.errors import SpoolError
from momentum_node.spool.disk import Disk, File
from momentum_node.spool.marks import Mark, State, Verdict, judge
from momentum_node.spool.message import IdSource, Message, Outcome, Stored, Transaction
from momentum_node.spool.recovery import Kept, Unreadable
from momentum_node.spool.shard import Shard

OUTCOME_DELAY_S: Final = 0.02
"""Outcomes wait this long for company: losing them costs a second delivery, which a crash may cost anyway."""
RETRY_DELAY_S: Final = 1.0
RESIDENT_BYTES: Final = 64 << 20
RECOVERY_STEP: Final = 100  # Disk_Queue_Drain_Rate: messages handed over before the loop runs again

OnNoted: TypeAlias = Callable[[bool], None]
"""Told once whether the marks are durable."""
OnKept: TypeAlias = Callable[[Stored | None], None]
"""Told once whether the transaction is durable; None: it is not, and nothing of it counts."""


@dataclass(frozen=True, slots=True)
class _Group:
    """What one commit writes."""

    transactions: list[tuple[Transaction, File | None]]
    waiting: list[OnKept]
    outcomes: list[Outcome]
    marks: list[tuple[Sequence[Mark], OnNoted]]

    def ids(self) -> set[str]:
        """Messages that it says something of."""
        ids = {one.id for one in self.outcomes}
        ids.update([one.id for transaction, _ in self.transactions for one in transaction.recipients])
        ids.update([one.id for transaction, _ in self.transactions for one in transaction.completes])
        ids.update([mark.id for marks, _ in self.marks for mark in marks])
        return ids


class Store:
    """One shard, its commits and its reads."""

    def __init__(
        self, disk: Disk, folder: str, index: int, *, on_unreadable: Callable[[Unreadable], None], sync: bool = True
    ) -> None:
        self.index = index
        self._folder = folder
        self.quarantined = 0
        """Pieces put into quarantine since this start."""
        self._on_unreadable = on_unreadable
        self._shard = Shard(
            disk, folder, salt=lambda: secrets.token_bytes(8), on_unreadable=self._unreadable, sync=sync
        )
        self._ids: IdSource | None = None
        self._node_id = 0
        self._writer = ThreadPoolExecutor(1, f"commit-{index}")
        self._reader = ThreadPoolExecutor(1, f"read-{index}")
        self._transactions: list[tuple[Transaction, File | None]] = []
        self._waiting: list[OnKept] = []
        self._outcomes: list[Outcome] = []
        self._marks: list[tuple[Sequence[Mark], OnNoted]] = []
        self._changing: set[str] = set()  # ids of which something is being written
        self._running: asyncio.Future[list[Stored]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._resident = 0
        self.commits = 0
        self.commit_s = 0.0
        """Time spent in all commits."""
        self._began = 0.0
        self.failure: str | None = None
        """Why the last commit failed; None when it did not."""

    def set_sync(self, sync: bool) -> None:
        """Whether commits from the next one on are synced."""
        self._shard.set_sync(sync)

    # -- life

    async def open(self, node_id: int) -> None:
        """Lock the shard and get a start number. Raises `SpoolError`, `OSError`."""
        self._node_id = node_id
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self._shard.open)
        self._ids = await loop.run_in_executor(self._writer, self._start)

    def _start(self) -> IdSource:
        return self._shard.start(self._node_id, self.index, int(clock.wall() // 60))

    async def recover(self, on_message: Callable[[Message], None]) -> list[tuple[int, OSError]]:
        """Hand over every message that waits, newest segment first, while everything else goes on.

        Returns the segments that the disk did not give; while there are any, nothing old is removed.
        """
        loop = asyncio.get_running_loop()
        failed: list[tuple[int, OSError]] = []
        for number in self._shard.to_recover:
            given = 0
            try:
                found = await loop.run_in_executor(self._reader, self._shard.recover, number)
            except OSError as error:
                failed.append((number, error))
                continue
            for kept in found:
                for message in self._messages(kept):
                    on_message(message)
                given += len(kept.recipients)
                if given >= RECOVERY_STEP:
                    given = 0
                    await asyncio.sleep(0)
        if not failed:
            await loop.run_in_executor(self._writer, self._shard.finish_recovery)
        return failed

    def _messages(self, kept: Kept) -> list[Message]:
        messages = [
            Message(one.id, kept.envelope, one.address, one.binding, one.domain, kept.stored, self.index)
            for one in kept.recipients
        ]
        for message in messages:
            tried = kept.tries.get(message.id)
            if tried is not None:
                message.retries, message.next_attempt, message.answer = tried.retries, tried.next_attempt, tried.answer
        return messages

    async def close(self) -> None:
        """Commit what waits and let go of the shard."""
        while self._transactions or self._outcomes or self._marks or self._running is not None:
            self._commit()
            if self._running is not None:
                await asyncio.wait([self._running])
            if self.failure is not None and not self._transactions and not self._marks:
                break  # the disk refuses outcomes: at worst these messages are delivered again
            await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()
        self._writer.submit(self._shard.close).result()
        self._writer.shutdown(wait=False)
        self._reader.shutdown(wait=False)

    @property
    def is_spent(self) -> bool:
        """Nothing waits here, is remembered, or is being written."""
        return self._running is None and not self._queued().ids() and self._shard.is_spent

    async def give_up(self) -> None:
        """Let go of a shard that is spent, and leave nothing to read in its folder. Raises `OSError`."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._shard.clear)
        finally:
            self._writer.shutdown(wait=False)
            self._reader.shutdown(wait=False)

    def _unreadable(self, found: Unreadable) -> None:
        self.quarantined += 1
        self._on_unreadable(found)

    # -- ids and bodies

    def new_id(self) -> str:
        """A message id that no other message in the cluster has."""
        if self._ids is None:
            raise SpoolError(f"{self._folder} is not open")
        id_ = self._ids.next()
        if id_ is None:  # 268 million messages since the last start number
            self._ids = self._start()
            return self.new_id()
        return id_

    def create_body(self, name: str) -> File:
        """A file for a large body. Call it and write to it through `in_writer`-like threads, never on the loop."""
        return self._shard.create_body(name)

    def drop_body(self, name: str) -> None:
        """Remove the file of a large body that came to nothing."""
        self._shard.drop_body(name)

    async def read(self, message: Message) -> bytes:
        """The content: trace header and body. Raises `OSError`, `SpoolError`."""
        stored = message.stored
        if stored.resident is not None:
            return stored.resident
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._shard.read, stored)

    # -- commits

    def keep(self, transaction: Transaction, body: File | None, on_kept: OnKept) -> None:
        """Make a transaction durable; `on_kept` is called from the loop once that is known."""
        self._transactions.append((transaction, body))
        self._waiting.append(on_kept)
        self._changing.update([one.id for one in transaction.recipients])
        if transaction.completes:
            self._changing.update([one.id for one in transaction.completes])
        if self._running is None:
            self._commit()

    def record(self, message: Message, outcome: Outcome) -> None:
        """Put down what became of a message. Durable soon; nobody waits for it."""
        if outcome.result.is_final:
            self.release(message)
            self._changing.add(outcome.id)
        self._outcomes.append(outcome)
        if self._running is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(OUTCOME_DELAY_S, self._commit)

    def release(self, message: Message) -> None:
        """The message has left the queues: its content need not stay in memory for it."""
        stored = message.stored
        stored.queued -= 1
        if stored.resident is not None and stored.queued == 0:
            self._resident -= len(stored.resident)
            stored.resident = None

    # -- messages that move between nodes

    def judge(self, id_: str, created: float, hop: int) -> Verdict:
        """What to do with a message that another node hands over. BUSY also until the recovery is complete."""
        if id_ in self._changing or not self._shard.is_recovered:
            return Verdict.BUSY
        return judge(self.mark(id_), created, hop)

    def mark(self, id_: str) -> Mark | None:
        """What is durably known of a message; one that lies here without a mark never moved."""
        known = self._shard.marks.get(id_)
        if known is None and (created := self._shard.created(id_)) is not None:
            return Mark(id_, created, State.HELD, 0)
        return known

    def remembered(self, id_: str) -> Mark | None:
        """As `mark`, but None for a message that never moved."""
        return self._shard.marks.get(id_)

    def is_changing(self, id_: str) -> bool:
        """Something of it is being written: what `mark` says may be over in a moment."""
        return id_ in self._changing

    def marks(self) -> list[Mark]:
        """All marks in force, to confirm what is owed; those that are too old are dropped first."""
        self._shard.marks.expire(clock.wall())
        return self._shard.marks.all()

    def note(self, marks: Sequence[Mark], on_noted: OnNoted) -> None:
        """Make marks durable. HANDED ends the message; call `release` for it when `on_noted` says True."""
        self._marks.append((marks, on_noted))
        self._changing.update(mark.id for mark in marks)
        if self._running is None:
            self._commit()

    # -- the group

    def _commit(self) -> None:
        """Start a group with all that waits, unless one runs."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running is not None or not (self._transactions or self._outcomes or self._marks):
            return
        group = self._queued()
        self._transactions, self._waiting, self._outcomes, self._marks = [], [], [], []
        self._began = clock.monotonic()
        marks = [mark for some, _ in group.marks for mark in some]
        self._running = asyncio.get_running_loop().run_in_executor(
            self._writer, self._shard.write, group.transactions, group.outcomes, marks, clock.wall()
        )
        self._running.add_done_callback(lambda done: self._committed(done, group))

    def _queued(self) -> _Group:
        return _Group(self._transactions, self._waiting, self._outcomes, self._marks)

    def _committed(self, done: asyncio.Future[list[Stored]], group: _Group) -> None:
        self._running = None
        self.commits += 1
        self.commit_s += clock.monotonic() - self._began
        error = done.exception()
        if error is not None:
            self._outcomes = group.outcomes + self._outcomes
        self._changing = self._queued().ids()
        if error is None:
            self.failure = None
            for (transaction, body), stored, on_kept in zip(
                group.transactions, done.result(), group.waiting, strict=True
            ):
                if body is None:
                    self._keep_resident(transaction, stored)
                on_kept(stored)
        else:
            self.failure = str(error)
            for on_kept in group.waiting:
                on_kept(None)
        for _, on_noted in group.marks:
            on_noted(error is None)
        if error is not None:
            self._commit_rest(RETRY_DELAY_S)
        else:
            self._commit_rest(0.0 if self._transactions or self._marks else OUTCOME_DELAY_S)

    def _commit_rest(self, delay_s: float) -> None:
        if delay_s == 0:
            self._commit()
        elif (self._outcomes or self._transactions or self._marks) and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._commit)

    def _keep_resident(self, transaction: Transaction, stored: Stored) -> None:
        size = transaction.envelope.size
        if self._resident + size <= RESIDENT_BYTES:
            stored.resident = b"".join((transaction.head, *transaction.body))
            self._resident += len(stored.resident)
