"""The side that hands messages over, without I/O: replies in, commands and events out.

It begins with the greeting that follows the HELLO of the cluster listener:

    220 …                                EHLO node
    250 … XCLUSTERMETADATA 1             and for each batch, all at once, several batches on their way together:
                                         XCLUSTERMETADATA n CRLF block
                                         MAIL FROM:<…>  RCPT TO:<…> …  BDAT n LAST CRLF content
    250 after BDAT                       all messages of the batch are durable there
                                         XCLUSTERFORGET n CRLF list     these copies are gone here

BDAT (RFC 3030), not DATA: content goes through byte for byte and nobody looks for dots. What was sent and got no answer
when the connection ends is in doubt: the peer may have it.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeAlias

from momentum_node.errors import ProtocolError
from momentum_node.mmove.metadata import VERSION, Block, encode, encode_releases
from momentum_node.smtp.replies import ReplyReader
from momentum_node.smtp.reply import Reply, reply

NOT_ADVERTISED: Final = reply(451, "4.7.6", "[internal] XCLUSTERMETADATA required but not advertised")
LOST: Final = reply(451, "4.4.2", "[internal] connection to the other node lost")
NOT_SMTP: Final = reply(451, "4.5.0", "[internal] the other node does not speak SMTP")


@dataclass(frozen=True, slots=True, eq=False)
class Letter:
    """A block, its recipients' addresses in the order of its messages, and the content they share."""

    block: Block
    addresses: tuple[str, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """Letters may be offered."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The fate of a letter: positive, the peer has all of it; else it has taken nothing."""

    letter: Letter
    reply: Reply


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The peer knows that these copies are gone."""

    releases: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """No more of this session. `in_doubt`: offered without an answer, in their order."""

    reason: Reply | None
    in_doubt: tuple[Letter, ...] = ()


Event: TypeAlias = Ready | Answered | Forgotten | Ended


class _Stage(Enum):
    GREETING = auto()
    EHLO = auto()
    READY = auto()
    QUIT = auto()
    ENDED = auto()


@dataclass(slots=True)
class _Pending:
    """A letter or a list of releases, and how many replies are still to come for it."""

    what: Letter | tuple[tuple[str, int], ...]
    replies: int
    refusal: Reply | None = field(default=None)


class Sender:
    """One session. After `Ended` nothing may be offered."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stage = _Stage.GREETING
        self._reader = ReplyReader()
        self._pending: deque[_Pending] = deque()
        self._output: list[bytes] = []

    @property
    def is_ready(self) -> bool:
        """Letters may be offered."""
        return self._stage is _Stage.READY

    @property
    def is_ended(self) -> bool:
        """`Ended` was said."""
        return self._stage is _Stage.ENDED

    @property
    def unanswered(self) -> int:
        """Letters and lists on their way."""
        return len(self._pending)

    def output(self) -> bytes:
        """What is to be sent now; handed out once."""
        parts, self._output = self._output, []
        return b"".join(parts)

    def offer(self, letter: Letter) -> None:
        """Send a letter; its messages' OFFERED marks are durable before this."""
        self._require_ready()
        block = encode(letter.block)
        self._output.append(b"XCLUSTERMETADATA %d\r\n%b" % (len(block), block))
        self._output.append(b"MAIL FROM:<%b>\r\n" % _wire(letter.block.envelope.sender))
        self._output += [b"RCPT TO:<%b>\r\n" % _wire(address) for address in letter.addresses]
        self._output += [b"BDAT %d LAST\r\n" % len(letter.content), letter.content]
        self._pending.append(_Pending(letter, 3 + len(letter.addresses)))

    def release(self, releases: tuple[tuple[str, int], ...]) -> None:
        """Say that our copies of these (id, hop) are gone; HANDED is durable before this."""
        self._require_ready()
        data = encode_releases(releases)
        self._output.append(b"XCLUSTERFORGET %d\r\n%b" % (len(data), data))
        self._pending.append(_Pending(releases, 1))

    def quit(self) -> None:
        """End the session once all answers are in."""
        if self._stage is _Stage.READY:
            self._stage = _Stage.QUIT
            self._output.append(b"QUIT\r\n")

    def receive(self, data: bytes) -> list[Event]:
        """Bytes of the peer."""
        events: list[Event] = []
        try:
            for answer in self._reader.feed(data):
                events += self._take(answer)
        except ProtocolError:
            events += self._end(NOT_SMTP)
        return events

    def lost(self) -> list[Event]:
        """The connection is gone, or the peer said nothing for too long."""
        return self._end(LOST)

    # -- replies

    def _take(self, answer: Reply) -> list[Event]:
        if self._stage is _Stage.ENDED:
            return []
        if answer.code == 421:
            return self._end(answer)
        match self._stage:
            case _Stage.GREETING:
                return self._greeted(answer)
            case _Stage.EHLO:
                return self._introduced(answer)
            case _:
                return self._settled(answer)

    def _greeted(self, answer: Reply) -> list[Event]:
        if not answer.is_positive:
            return self._end(answer)
        self._stage = _Stage.EHLO
        self._output.append(b"EHLO %b\r\n" % _wire(self._name))
        return []

    def _introduced(self, answer: Reply) -> list[Event]:
        if not answer.is_positive:
            return self._end(answer)
        offers = [line.upper().split() for line in answer.lines[1:]]
        if not any(words[:1] == ["XCLUSTERMETADATA"] and str(VERSION) in words[1:] for words in offers):
            return self._end(NOT_ADVERTISED)
        self._stage = _Stage.READY
        return [Ready()]

    def _settled(self, answer: Reply) -> list[Event]:
        if not self._pending:
            return self._end(None if self._stage is _Stage.QUIT else NOT_SMTP)
        first = self._pending[0]
        first.replies -= 1
        if not answer.is_positive and first.refusal is None:
            first.refusal = answer
        if first.replies:
            return []
        self._pending.popleft()
        if isinstance(first.what, Letter):
            # The last reply is that to BDAT: it alone says what became of the messages.
            return [Answered(first.what, answer if answer.is_positive else first.refusal or answer)]
        return [Forgotten(first.what)] if answer.is_positive else []

    def _end(self, reason: Reply | None) -> list[Event]:
        if self._stage is _Stage.ENDED:
            return []
        self._stage = _Stage.ENDED
        doubtful = tuple(one.what for one in self._pending if isinstance(one.what, Letter))
        self._pending.clear()
        return [Ended(reason, doubtful)]

    def _require_ready(self) -> None:
        if self._stage is not _Stage.READY:
            raise ProtocolError("a letter was offered before the session was ready or after its end")


def _wire(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
