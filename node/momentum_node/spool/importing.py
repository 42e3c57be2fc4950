"""Taking over the spool of a node that is gone: every message moves into a shard of ours, once.

    read a batch ──▶ durable in our shard, awaiting the folder's word ──▶ ended in the folder ──▶ the word: forget

That is a hand-over between nodes whose giver is a folder (marks.py), so it may be broken off at any step and be begun
again: what is in our shard already, or was delivered from there since, is known by its mark and only ended in the
folder. What cannot be read stays there. The folder's own memory of moved messages is taken over too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from momentum_node.errors import SpoolError
from momentum_node.spool.disk import File
from momentum_node.spool.landing import Landing
from momentum_node.spool.marks import Mark, State, released
from momentum_node.spool.message import Outcome, Recipient, Result, Transaction
from momentum_node.spool.recovery import Kept
from momentum_node.spool.shard import Shard

BATCH_MESSAGES: Final = 500
BATCH_BYTES: Final = 8 << 20
COPY_BYTES: Final = 1 << 20


class Fate(IntEnum):
    """What became of a message. TAKEN and the two that failed have the numbers of the import log."""

    DUPLICATE = 0  # it is, or was, here already
    TAKEN = 1
    UNREADABLE = 3
    NOT_WRITTEN = 4


@dataclass(frozen=True, slots=True)
class Taken:
    """One message of the folder. `new_id` differs where another message here has the old one; "" = not taken."""

    id: str
    new_id: str
    fate: Fate
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A transaction as it goes into our shard, and what else is said of it there."""

    kept: Kept
    transaction: Transaction
    tries: tuple[Outcome, ...]
    offers: tuple[Mark, ...]
    large: str | None  # its body file in the folder


class Import:
    """One shard of the folder into ours; `source` is open, and nobody else writes to it."""

    def __init__(self, source: Shard, landing: Landing, on_taken: Callable[[Taken], None]) -> None:
        self._source = source
        self._landing = landing
        self._on_taken = on_taken
        self._to_release: list[Mark] = []
        self.left = 0
        """Messages that stay in the folder."""
        self.postponed = 0
        """Messages of which another copy was just being taken: they have to be met again."""

    def run(self, now: Callable[[], float], on_step: Callable[[int, int], None]) -> None:
        """Everything. `now`: seconds since the epoch; `on_step(done, all)` tells progress, in segments, after each
        batch: it may raise, which ends the import there.

        Raises `OSError` when one of the two disks refuses, `SpoolError` when a segment is of a newer version: nothing
        is lost then, and a second run goes on.
        """
        numbers = list(self._source.to_recover)
        for done, number in enumerate(numbers, 1):
            for batch in _batches(self._source.recover(number)):
                self._take(batch, now())
                on_step(done - 1, len(numbers))
            on_step(done, len(numbers))
        self._source.finish_recovery()
        self._take_memory(now())
        self._source.write([], [], now=now())  # removes what is finished

    # -- a batch

    def _take(self, batch: list[Kept], now: float) -> None:
        ready: list[_Ready] = []
        ended: list[Outcome] = []
        told: list[Taken] = []
        for kept in batch:
            claims = {one.id: self._landing.claim(one, kept.envelope.created) for one in kept.recipients}
            ids = {old: new for old, new in claims.items() if new is not None}
            self.postponed += len(claims) - len(ids)
            try:
                one = self._prepared(kept, ids)
            except (OSError, SpoolError) as error:
                self.left += len(ids)
                self._landing.give_up(ids.values())
                told += [Taken(old, "", Fate.UNREADABLE, str(error)) for old in ids]
                continue
            if one is not None:
                ready.append(one)
            ended += [Outcome(to.id, Result.DELIVERED, hop=to.hop) for to in kept.recipients if to.id in ids]
            told += [Taken(old, new, Fate.TAKEN if new else Fate.DUPLICATE) for old, new in ids.items()]
        self._keep(ready, now)
        self._landing.landed(to.id for one in ready for to in one.transaction.recipients)
        self._source.write([], ended, now=now)
        self._to_release += [mark for one in ready for mark in self._awaited(one)]
        for line in told:
            self._on_taken(line)

    def _prepared(self, kept: Kept, ids: dict[str, str]) -> _Ready | None:
        """What goes into our shard; None: nothing. Raises `OSError`, `SpoolError` when it cannot be read."""
        moving = [(one, id_) for one in kept.recipients if (id_ := ids.get(one.id))]
        if not moving:
            return None
        read = self._source.transaction(kept.stored)
        name = None
        if read.body_file is not None:
            self._source.open_body(read.body_file).close()  # it is there
            name = f"imported-{moving[0][1].replace('/', '-')}.body"
        recipients = tuple(self._recipient(one, id_) for one, id_ in moving)
        tries = tuple(
            replace(kept.tries[one.id], id=id_, hop=one.hop + 1) for one, id_ in moving if one.id in kept.tries
        )
        offers = [self._offer(one, id_) for one, id_ in moving]
        return _Ready(
            kept,
            replace(read, recipients=recipients, body_file=name),
            tries,
            tuple(one for one in offers if one is not None),
            read.body_file,
        )

    def _recipient(self, one: Recipient, id_: str) -> Recipient:
        mark = self._source.marks.get(one.id)
        return replace(one, id=id_, hop=one.hop + 1, awaited=() if mark is None else mark.awaits)

    def _offer(self, one: Recipient, id_: str) -> Mark | None:
        """It was offered to a third node, which may have it: that one has to be asked first, by us now."""
        mark = self._source.marks.get(one.id)
        if mark is None or mark.state is not State.OFFERED or mark.node in {"", self._landing.node}:
            return None
        return replace(mark, id=id_, hop=one.hop + 1, awaits=(*mark.awaits, one.hop + 1))

    def _keep(self, ready: list[_Ready], now: float) -> None:
        """All of it is durable in our shard when this returns."""
        releases, self._to_release = self._releases(), []
        bodies: list[File | None] = []
        try:
            bodies.extend(map(self._copied, ready))  # one by one: what is open when one fails is closed
            self._landing.write(
                [(one.transaction, body) for one, body in zip(ready, bodies, strict=True)],
                [tried for one in ready for tried in one.tries],
                [*releases, *(offer for one in ready for offer in one.offers)],
                now,
            )
        finally:
            for body in bodies:
                if body is not None:
                    body.close()

    def _copied(self, one: _Ready) -> File | None:
        name = one.transaction.body_file
        if one.large is None or name is None:
            return None
        original = self._source.open_body(one.large)
        try:
            copy = self._landing.new_body(name)
            for start in range(0, original.size(), COPY_BYTES):
                copy.pwritev([original.read(COPY_BYTES, start)], start)
        finally:
            original.close()
        return copy

    # -- what is remembered

    def _awaited(self, one: _Ready) -> Iterator[Mark]:
        for to in one.transaction.recipients:
            mark = self._landing.mark(to.id)
            if mark is not None:
                yield mark

    def _releases(self) -> list[Mark]:
        """The folder's copies have ended for good: its word, said to ourselves."""
        return [left for mark in self._to_release if (left := released(mark, mark.hop)) is not None]

    def _take_memory(self, now: float) -> None:
        """What the folder remembers of messages that are not in it any more, unless we know better."""
        memories = [mark for mark in self._source.marks.all() if not mark.state.is_here and not mark.is_over(now)]
        news = [mark for mark in memories if not self._landing.knows(mark.id)]
        self._landing.write([], [], [*self._releases(), *news], now)
        self._to_release = []
        self._source.write([], [], [replace(mark, state=State.FORGOTTEN) for mark in memories], now)


def _batches(kept: list[Kept]) -> Iterator[list[Kept]]:
    batch: list[Kept] = []
    messages = size = 0
    for one in kept:
        batch.append(one)
        messages += len(one.recipients)
        size += one.stored.place.payload_size
        if messages >= BATCH_MESSAGES or size >= BATCH_BYTES:
            yield batch
            batch, messages, size = [], 0, 0
    if batch:
        yield batch
