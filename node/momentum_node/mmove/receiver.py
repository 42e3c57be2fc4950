"""The side that takes messages, without I/O: commands in, replies and events out. See `sender` for the dialogue.

It knows no relay rules, no trace headers and no policy: who may speak was decided by the certificate. Where the content
goes is the driver's matter: it gets it in pieces as they come. `Arrived` and `Released` carry a ticket with which they
are answered, in any order: the peer hears the answers in the order of its commands. Meanwhile more is read, so that
what comes together shares a sync.
"""

import re
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from momentum_node.errors import ProtocolError
from momentum_node.mmove.metadata import MAX_BLOCK_BYTES, VERSION, Block, decode, decode_releases
from momentum_node.smtp import reply as say
from momentum_node.smtp.reply import Reply, reply

MAX_LINE_BYTES: Final = 8192
MAX_ERRORS: Final = 10
MAX_UNANSWERED: Final = 64
TAKEN: Final = reply(250, "2.6.0", "message received")
BUSY: Final = reply(451, "4.3.0", "the message is just changing here, come again")
FULL: Final = reply(452, "4.3.1", "no room for moved mail")
BLOCK_TOO_LARGE: Final = reply(552, "5.3.4", "metadata block too large")
BLOCK_UNREADABLE: Final = reply(501, "5.5.4", "metadata block cannot be read")
BLOCK_MISSING: Final = reply(503, "5.5.1", "XCLUSTERMETADATA first")
BLOCK_DIFFERS: Final = reply(501, "5.5.4", "recipients or size are not those of the metadata block")
GOODBYE: Final = reply(221, "2.0.0", "closing connection")

_COMMAND: Final = re.compile(rb"([A-Za-z]+)(?: +(.*?))? *", re.DOTALL)
_PATH: Final = re.compile(rb"(?:FROM|TO): *<(.*)>", re.IGNORECASE | re.DOTALL)
_SIZE: Final = re.compile(rb"([0-9]{1,18})")
_CHUNK: Final = re.compile(rb"([0-9]{1,18}) +LAST", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the content of the block that arrives."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Arriving:
    """The content of a block comes next: `addresses` in the order of its messages."""

    block: Block
    addresses: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Ticket:
    """Of one thing that the peer wants an answer to."""

    answer: Reply | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """The content is complete: store it, then `answer`."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Released:
    """The peer's copies of these (id, hop) are gone: note it, then `answer`."""

    releases: tuple[tuple[str, int], ...]
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Close:
    """Nothing follows."""


Event: TypeAlias = Arriving | Piece | Arrived | Released | Close


class _Reading(Enum):
    LINE = auto()
    BLOCK = auto()
    RELEASES = auto()
    CONTENT = auto()
    NOTHING = auto()  # of a chunk or block that was refused
    ENDED = auto()


class Receiver:
    """One session."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._reading = _Reading.LINE
        self._input = b""
        self._left = 0  # bytes of a block or chunk still to come
        self._after = say.OK  # said when what is read away is over
        self._raw: bytes | None = None  # a block; its sender comes with MAIL
        self._block: Block | None = None
        self._addresses: list[str] = []
        self._errors = 0
        self._has_greeted = False
        self._output: deque[Reply | Ticket] = deque([reply(220, "", f"{name} ESMTP cluster")])
        self._owed = 0
        self._events: list[Event] = []

    @property
    def waits(self) -> bool:
        """For `answer`: nothing more needs to be read from the peer."""
        return self._owed >= MAX_UNANSWERED

    def output(self) -> bytes:
        """What is to be sent now; handed out once."""
        said = []
        while self._output:
            first = self._output[0]
            answer = first.answer if isinstance(first, Ticket) else first
            if answer is None:
                break
            said.append(answer.encoded)
            self._output.popleft()
        return b"".join(said)

    def receive(self, data: bytes) -> list[Event]:
        """Bytes of the peer."""
        if self._reading is not _Reading.ENDED:
            self._input += data
        return self._go_on()

    def answer(self, ticket: Ticket, answer: Reply) -> list[Event]:
        """The word on an `Arrived` or `Released`."""
        if ticket.answer is not None:
            raise ProtocolError("an answer that nothing waits for")
        ticket.answer = answer
        self._owed -= 1
        return self._go_on()

    # -- reading

    def _go_on(self) -> list[Event]:
        while self._step():
            pass
        events, self._events = self._events, []
        return events

    def _step(self) -> bool:
        """Read one thing; False when there is nothing more to read now."""
        if self.waits:
            return False
        match self._reading:
            case _Reading.LINE:
                return self._step_line()
            case _Reading.BLOCK | _Reading.RELEASES:
                return self._step_block()
            case _Reading.CONTENT | _Reading.NOTHING:
                return self._step_content()
            case _:
                return False

    def _step_line(self) -> bool:
        end = self._input.find(b"\r\n")
        if end < 0 and len(self._input) <= MAX_LINE_BYTES:
            return False
        if end < 0 or end > MAX_LINE_BYTES:
            self._close(say.COMMAND_TOO_LONG)
            return False
        line, self._input = self._input[:end], self._input[end + 2 :]
        self._command(line)
        return True

    def _step_block(self) -> bool:
        if len(self._input) < self._left:
            return False
        data, self._input = self._input[: self._left], self._input[self._left :]
        if self._reading is _Reading.RELEASES:
            self._release(data)
            return True
        self._reading = _Reading.LINE
        self._raw = data
        self._say(say.OK)
        return True

    def _step_content(self) -> bool:
        data, self._input = self._input[: self._left], self._input[self._left :]
        self._left -= len(data)
        if self._reading is _Reading.CONTENT and data:
            self._events.append(Piece(data))
        if self._left:
            return False
        if self._reading is _Reading.CONTENT:
            self._events.append(Arrived(self._owe()))
            self._forget()
        else:
            self._say(self._after)
        self._reading = _Reading.LINE
        return True

    # -- commands

    def _command(self, line: bytes) -> None:
        found = _COMMAND.fullmatch(line)
        verb, rest = (b"", b"") if found is None else (found[1].upper(), found[2] or b"")
        if verb in {b"EHLO", b"NOOP", b"RSET", b"QUIT"}:
            self._plain(verb)
        elif not self._has_greeted:
            self._refuse(say.NEEDS_EHLO)
        else:
            self._mail_command(verb, rest)

    def _plain(self, verb: bytes) -> None:
        if verb == b"QUIT":
            self._close(GOODBYE)
            return
        if verb != b"NOOP":
            self._forget()
        if verb == b"EHLO":
            self._has_greeted = True
            offers = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING")
            self._say(reply(250, "", self._name, *offers, f"XCLUSTERMETADATA {VERSION}"))
        else:
            self._say(say.OK)

    def _mail_command(self, verb: bytes, rest: bytes) -> None:
        match verb:
            case b"XCLUSTERMETADATA":
                self._forget()
                self._expect(rest, _Reading.BLOCK)
            case b"XCLUSTERFORGET":
                self._expect(rest, _Reading.RELEASES)
            case b"MAIL":
                self._mail(rest)
            case b"RCPT":
                self._recipient(rest)
            case b"BDAT":
                self._chunk(rest)
            case _:
                self._refuse(say.NOT_RECOGNIZED)

    def _expect(self, rest: bytes, what: _Reading) -> None:
        size = _SIZE.fullmatch(rest)
        if size is None:  # how much follows is not known: nothing after it makes sense
            self._close(say.SYNTAX_ERROR)
            return
        self._left = int(size[1])
        self._reading = what
        if self._left > MAX_BLOCK_BYTES:
            self._read_away(BLOCK_TOO_LARGE)

    def _mail(self, rest: bytes) -> None:
        path = _PATH.fullmatch(rest)
        if self._raw is None or path is None:
            self._say(BLOCK_MISSING if self._raw is None else say.SYNTAX_ERROR)
            return
        raw, self._raw = self._raw, None
        try:
            self._block = decode(raw, path[1].decode("utf-8", "surrogateescape"))
        except ProtocolError:
            self._say(BLOCK_UNREADABLE)
            return
        self._say(say.SENDER_OK)

    def _recipient(self, rest: bytes) -> None:
        path = _PATH.fullmatch(rest)
        if self._block is None or path is None:
            self._say(say.OUT_OF_ORDER if self._block is None else say.SYNTAX_ERROR)
            return
        self._addresses.append(path[1].decode("utf-8", "surrogateescape"))
        self._say(say.RECIPIENT_OK)

    def _chunk(self, rest: bytes) -> None:
        chunk = _CHUNK.fullmatch(rest)
        if chunk is None:
            self._close(say.SYNTAX_ERROR)
            return
        self._left = int(chunk[1])
        block = self._block
        if block is None:
            self._read_away(say.OUT_OF_ORDER)
        elif len(self._addresses) != len(block.messages) or block.envelope.size != self._left:
            self._read_away(BLOCK_DIFFERS)
        else:
            self._reading = _Reading.CONTENT
            self._events.append(Arriving(block, tuple(self._addresses)))

    def _release(self, data: bytes) -> None:
        self._reading = _Reading.LINE
        try:
            releases = decode_releases(data)
        except ProtocolError:
            self._refuse(say.SYNTAX_ERROR)
        else:
            self._events.append(Released(releases, self._owe()))

    def _read_away(self, why: Reply) -> None:
        self._forget()
        self._reading, self._after = _Reading.NOTHING, why

    def _forget(self) -> None:
        self._raw, self._block, self._addresses = None, None, []

    # -- saying

    def _say(self, answer: Reply) -> None:
        self._output.append(answer)

    def _owe(self) -> Ticket:
        ticket = Ticket()
        self._output.append(ticket)
        self._owed += 1
        return ticket

    def _refuse(self, why: Reply) -> None:
        self._errors += 1
        if self._errors > MAX_ERRORS:
            self._close(say.TOO_MANY_ERRORS)
        else:
            self._say(why)

    def _close(self, why: Reply) -> None:
        self._say(why)
        self._input = b""
        self._reading = _Reading.ENDED
        self._events.append(Close())
