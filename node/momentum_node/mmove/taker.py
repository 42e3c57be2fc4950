"""Taking messages that another node hands over: durable before the 250, each of them once. No I/O; see `giver`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from momentum_node.mmove.custody import Spool
from momentum_node.mmove.intake import Intake, sort
from momentum_node.mmove.metadata import Block
from momentum_node.mmove.receiver import BUSY, TAKEN
from momentum_node.smtp import reply as say
from momentum_node.smtp.reply import Reply
from momentum_node.spool.disk import File
from momentum_node.spool.marks import released
from momentum_node.spool.message import Message, Stored, Transaction

Answer: TypeAlias = Callable[[Reply, bool], None]
"""Told the reply, and whether the file of a large body is part of the spool now; if not it is the caller's to drop."""


class Taker:
    """Takes the messages of sessions into one shard. `on_taken`: queue these."""

    def __init__(self, spool: Spool, on_taken: Callable[[Sequence[Message]], None]) -> None:
        self._spool = spool
        self._on_taken = on_taken

    def take(
        self,
        block: Block,
        addresses: Sequence[str],
        parts: tuple[bytes, ...],
        large: tuple[str, File] | None,
        answer: Answer,
    ) -> None:
        """All of a block. The content is `parts`, or the file of this name; `answer` comes when all is durable."""
        spool = self._spool
        intake = sort(block, addresses, spool.judge, spool.mark, spool.new_id)
        if intake is None:
            answer(BUSY, False)
            return

        def noted(is_durable: bool) -> None:
            if not is_durable:
                answer(say.SPOOL_FAILED, False)
            elif intake.taken:
                self._keep(block, intake, parts, large, answer)
            else:
                answer(TAKEN, False)

        if intake.raised:
            spool.note(intake.raised, noted)
        else:
            noted(True)

    def _keep(
        self, block: Block, intake: Intake, parts: tuple[bytes, ...], large: tuple[str, File] | None, answer: Answer
    ) -> None:
        name, file = large if large is not None else (None, None)
        envelope = replace(block.envelope, protocol="xfer")
        transaction = Transaction(envelope, intake.taken, b"", parts, name, intake.tries)

        def kept(stored: Stored | None) -> None:
            if stored is None:
                answer(say.SPOOL_FAILED, False)
                return
            self._on_taken(_messages(transaction, stored, intake, self._spool.index))
            answer(TAKEN, True)

        self._spool.keep(transaction, file, kept)

    def release(self, releases: Sequence[tuple[str, int]], answer: Callable[[Reply], None]) -> None:
        """The giver's copies of these (id, hop) are gone."""
        if any(self._spool.is_changing(id_) for id_, _ in releases):
            answer(BUSY)
            return
        known = [(self._spool.mark(id_), hop) for id_, hop in releases]
        marks = [left for mark, hop in known if mark is not None and (left := released(mark, hop)) is not None]
        if marks:
            self._spool.note(marks, lambda is_durable: answer(say.OK if is_durable else say.SPOOL_FAILED))
        else:
            answer(say.OK)


def _messages(transaction: Transaction, stored: Stored, intake: Intake, home: int) -> list[Message]:
    tries = {one.id: one for one in intake.tries}
    messages = []
    for one, trail in zip(intake.taken, intake.trails, strict=True):
        message = Message(one.id, transaction.envelope, one.address, one.binding, one.domain, stored, home, trail=trail)
        if one.id in tries:
            tried = tries[one.id]
            message.retries, message.next_attempt, message.answer = tried.retries, tried.next_attempt, tried.answer
        messages.append(message)
    return messages
