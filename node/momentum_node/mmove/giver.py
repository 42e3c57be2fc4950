"""Handing messages over: the order in which marks and commands follow each other, at both ends. No I/O.

    giver                                           taker
    OFFERED durable ── block, content ────────────▶
                                                    record (or raised mark) durable
                    ◀─────────────────────── 250 ──
    HANDED durable: the copy here ends
                    ── XCLUSTERFORGET ────────────▶ the giver is not waited for any more

A crash or a lost connection between any two of these leaves at least one copy, and a giver that knows whom to ask.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from momentum_node.mmove.custody import Spool
from momentum_node.mmove.metadata import MAX_MESSAGES, Block, Passenger
from momentum_node.mmove.receiver import BUSY
from momentum_node.mmove.sender import Answered, Ended, Event, Forgotten, Letter, Ready, Sender
from momentum_node.smtp import reply as say
from momentum_node.smtp.reply import Reply
from momentum_node.spool.marks import Mark, State, handed, longer, offered, told, withdrawn
from momentum_node.spool.message import Message


class Giver:
    """One session in which this node hands messages to `node`.

    `on_gone`: the other node has them, and that is durable: drop them. `on_back`: they stay in the queue for now.
    While a message is with a `Giver` nobody else delivers it. `on_output`: the disk has spoken, and so has the sender.
    """

    def __init__(
        self,
        spool: Spool,
        sender: Sender,
        node: str,
        now: Callable[[], float],
        on_gone: Callable[[Sequence[Message]], None],
        on_back: Callable[[Sequence[Message], Reply | None], None],
        on_output: Callable[[], None] = lambda: None,
    ) -> None:
        self._spool = spool
        self._sender = sender
        self._node = node
        self._now = now
        self._on_gone = on_gone
        self._on_back = on_back
        self._on_output = on_output
        self._letters: dict[Letter, tuple[Sequence[Message], frozenset[str]]] = {}

    def offer(self, messages: Sequence[Message], content: bytes) -> None:
        """Hand over messages that share this content; their offer is durable before the first byte goes out."""
        known = [self._known(message.id) for message in messages]
        if any(mark is None or self._spool.is_changing(mark.id) for mark in known):
            self._on_back(messages, BUSY)
            return
        marks = [mark for mark in known if mark is not None]
        fresh = frozenset(mark.id for mark in marks if mark.state is not State.OFFERED)
        now = self._now()
        letter = _letter(messages, marks, content, now)
        self._spool.note(
            [offered(mark, self._node, now) for mark in marks],
            lambda is_durable: self._offered(letter, messages, fresh, is_durable),
        )

    def _known(self, id_: str) -> Mark | None:
        mark = self._spool.mark(id_)
        return mark if mark is not None and mark.state.is_here else None

    def _offered(self, letter: Letter, messages: Sequence[Message], fresh: frozenset[str], is_durable: bool) -> None:
        if is_durable and self._sender.is_ready:
            self._letters[letter] = (messages, fresh)
            self._sender.offer(letter)
            self._on_output()
        elif is_durable:  # the session ended meanwhile: nothing went out
            self._withdraw(letter, fresh)
            self._on_back(messages, None)
        else:
            self._on_back(messages, say.SPOOL_FAILED)

    def hear(self, events: Sequence[Event]) -> None:
        """What the session came to."""
        for event in events:
            match event:
                case Ready():
                    self.confirm()
                case Answered(letter, answer):
                    messages, fresh = self._letters.pop(letter)
                    if answer.is_positive:
                        self._hand(letter, messages)
                    else:
                        self._withdraw(letter, fresh)
                        self._on_back(messages, answer)
                case Forgotten(releases):
                    self._note_told(releases)
                case Ended(reason):
                    for messages, _ in self._letters.values():
                        self._on_back(messages, reason)  # in doubt: they stay OFFERED to this node
                    self._letters.clear()

    def confirm(self) -> None:
        """Say which copies of ours are gone, also those of sessions before this one.

        To be called now and then while nothing is on its way: a peer that was busy did not listen.
        """
        if not self._sender.is_ready or self._sender.unanswered:
            return
        owed = [(mark.id, mark.hop) for mark in self._spool.marks() if mark.owes and mark.node == self._node]
        for start in range(0, len(owed), MAX_MESSAGES):
            self._sender.release(tuple(owed[start : start + MAX_MESSAGES]))

    def _hand(self, letter: Letter, messages: Sequence[Message]) -> None:
        gone: list[Message] = []
        marks: list[Mark] = []
        for message, passenger in zip(messages, letter.block.messages, strict=True):
            offer = self._offer_of(passenger)
            if offer is None:  # a newer copy came home meanwhile: that one must not end
                self._on_back([message], None)
            else:
                gone.append(message)
                marks.append(handed(offer, self._now()))
        if marks:
            self._spool.note(marks, lambda is_durable: self._handed(gone, marks, is_durable))

    def _offer_of(self, passenger: Passenger) -> Mark | None:
        """The offer that an answer speaks of, if it is still in force."""
        mark = self._spool.mark(passenger.id)
        if mark is None or self._spool.is_changing(passenger.id):
            return None
        is_this = mark.state is State.OFFERED and mark.node == self._node and mark.hop == passenger.hop - 1
        return mark if is_this else None

    def _handed(self, messages: Sequence[Message], marks: Sequence[Mark], is_durable: bool) -> None:
        if not is_durable:  # still OFFERED: it is asked again
            self._on_back(messages, say.SPOOL_FAILED)
            return
        self._on_gone(messages)
        if self._sender.is_ready:
            self._sender.release(tuple((mark.id, mark.hop) for mark in marks))
            self._on_output()

    def _withdraw(self, letter: Letter, fresh: frozenset[str]) -> None:
        """Not taken. That says nothing about an older offer whose answer was lost: such a message stays OFFERED."""
        offers = [self._offer_of(one) for one in letter.block.messages if one.id in fresh]
        marks = [withdrawn(offer) for offer in offers if offer is not None]
        if marks:
            self._spool.note(marks, lambda _is_durable: None)

    def _note_told(self, releases: Sequence[tuple[str, int]]) -> None:
        marks = []
        for id_, hop in releases:
            mark = self._spool.mark(id_)
            if mark is None or mark.state is not State.HANDED or mark.hop != hop or self._spool.is_changing(id_):
                continue
            left = told(mark)
            if left is not None:
                marks.append(left)
        if marks:
            self._spool.note(marks, lambda _is_durable: None)


def _letter(messages: Sequence[Message], marks: Sequence[Mark], content: bytes, now: float) -> Letter:
    passengers = tuple(
        Passenger(
            one.id,
            mark.hop + 1,
            one.retries,
            one.next_attempt,
            one.binding,
            one.domain,
            longer(one.trail, now),
            one.answer,
        )
        for one, mark in zip(messages, marks, strict=True)
    )
    envelope = replace(messages[0].envelope, size=len(content))
    return Letter(Block(envelope, passengers), tuple(one.recipient for one in messages), content)
