"""The server's side of one SMTP connection, without I/O: bytes in; replies and events out.

    GREETED ──EHLO/HELO──▶ READY ──MAIL──▶ MAIL ──RCPT──▶ RCPT ──DATA──▶ DATA ──dot──▶ WAITING ──finish()──▶ READY
                              ▲──────────RSET, EHLO──────────┘  └──BDAT──▶ CHUNK ──last byte of LAST──▲

The driver feeds `receive`, sends what `output` holds, and performs the events. While WAITING (the message is on its
way to the disk) nothing that was pipelined behind it is read; `finish` answers and goes on.
RFC 5321, 2920 (PIPELINING), 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8), 2034 and 3463 (codes), 3030 (CHUNKING).
"""

from collections.abc import Callable
from typing import ClassVar, Final

from momentum_node.smtp import reply as say
from momentum_node.smtp.address import split_path
from momentum_node.smtp.arriving import Arriving
from momentum_node.smtp.data import DotDecoder
from momentum_node.smtp.events import BodyPart, Client, Close, Complete, Dropped, Event, State
from momentum_node.smtp.relay import may_relay
from momentum_node.smtp.reply import Reply, reply

MAX_COMMAND_BYTES: Final = 4096
MAX_ERRORS: Final = 3  # commands that are none; then the peer is not a mail client
EXTENSIONS: Final = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING")


class Session:
    """One connection. All times, files and sockets are the driver's."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._options = client.options
        self._trusted = may_relay(client.options, client.address)
        self._input = bytearray()
        self._output: list[bytes] = []
        self._events: list[Event] = []
        self._errors = 0
        self._too_long = False
        self._decoder = DotDecoder()
        self._chunk_left = 0
        self._chunk_last = False
        self._message: Arriving | None = None
        self._closing: Reply | None = None
        self.outdated: Reply | None = None
        """Said to the next MAIL FROM or RSET, and the end: its options are not those of new sessions any more."""
        self.state = State.GREETED
        self.helo = ""
        self.is_extended = False
        self._say(reply(220, "", f"{client.hostname} ESMTP {client.greeting}"))

    # -- the driver's side

    @property
    def is_idle(self) -> bool:
        """Between two transactions: nothing is lost when the connection ends here."""
        return self.state in {State.GREETED, State.READY}

    @property
    def is_mid_command(self) -> bool:
        """A command has begun and its end has not come."""
        return bool(self._input)

    @property
    def buffered(self) -> int:
        """Bytes that were received and not worked on."""
        return len(self._input)

    def output(self) -> bytes:
        """Bytes to send, handed out once."""
        if not self._output:
            return b""
        data = self._output[0] if len(self._output) == 1 else b"".join(self._output)
        self._output.clear()
        return data

    def receive(self, data: bytes) -> list[Event]:
        """Work on what the client sent; what is to be done about it, in order."""
        if self.state is State.CLOSED:
            return []
        if self.state is State.DATA and not self._input:
            self._on_data(data)
        else:
            self._input += data
        return self._run()

    def finish(self, answer: Reply) -> list[Event]:
        """The fate of the message of `Complete`; goes on with what was pipelined behind it."""
        self._say(answer)
        self._reset()
        if answer.code == 421:
            self._close()
        elif self._closing is not None:
            self._say(self._closing)
            self._close()
        return self._run()

    def end(self, answer: Reply) -> list[Event]:
        """Say `answer` (a 421) and close: now when nothing is under way, else after the message in hand."""
        if self.state in {State.CLOSED, State.WAITING, State.DATA, State.CHUNK}:
            self._closing = answer
            return []
        self._say(answer)
        self._close()
        return self._run()

    def abort(self, answer: Reply) -> list[Event]:
        """Say `answer` and close, whatever is under way."""
        if self.state is not State.CLOSED:
            self._say(answer)
            self._close()
        return self._run()

    # -- reading

    def _run(self) -> list[Event]:
        while self._input and self._step():
            pass
        events, self._events = self._events, []
        return events

    def _step(self) -> bool:
        """Consume something of the input; False when more must come first."""
        if self.state in {State.WAITING, State.CLOSED}:
            return False
        if self.state is State.DATA:
            data = bytes(self._input)
            self._input.clear()
            self._on_data(data)
            return True
        if self.state is State.CHUNK:
            return self._on_chunk()
        return self._next_command()

    def _next_command(self) -> bool:
        end = self._input.find(b"\n")
        if end < 0:
            if len(self._input) >= MAX_COMMAND_BYTES:
                self._too_long = True  # its end is still to come: forget it piece by piece
                self._input.clear()
            return False
        line = bytes(self._input[: end + 1])
        del self._input[: end + 1]
        if self._too_long or len(line) > MAX_COMMAND_BYTES:
            self._too_long = False
            self._error(say.COMMAND_TOO_LONG)
        elif not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            self._error(say.BARE_LINE_END)
        else:
            self._command(line[:-2])
        return True

    def _on_data(self, data: bytes) -> None:
        parts, rest = self._decoder.feed(data)
        self._take(parts)
        if rest is not None:
            self._input += rest
            self._content_ends()

    def _on_chunk(self) -> bool:
        data = bytes(self._input[: self._chunk_left])
        del self._input[: len(data)]
        self._chunk_left -= len(data)
        if data:
            self._take([data])
        if self._chunk_left:
            return False
        self._chunk_ends()
        return True

    def _take(self, parts: list[bytes]) -> None:
        message = self._message
        if message is None:  # a BDAT that was refused: its bytes still have to be read
            return
        check, limit = message.check, self._options.max_message_size
        for part in parts:
            check.feed(part)
            if limit and check.size > limit:
                check.problem = say.TOO_LARGE
            if check.problem is None:
                self._events.append(BodyPart(part))

    def _content_ends(self) -> None:
        message = self._message
        if message is None:
            self._say(say.OUT_OF_ORDER)
            self.state = State.READY
            return
        problem = message.check.finish()
        if problem is None:
            self.state = State.WAITING
            self._events.append(Complete(message))
            return
        self._events.append(Dropped())
        self._say(problem)
        self._reset()
        if self._closing is not None:
            self._say(self._closing)
            self._close()

    # -- commands

    def _command(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        handler = self._COMMANDS.get(verb.upper())
        if handler is None:
            self._error(say.NOT_RECOGNIZED)
            return
        try:
            text = argument.decode("utf-8")
        except UnicodeDecodeError:
            self._say(say.SYNTAX_ERROR)
            return
        if self._needs_ehlo(verb):
            self._say(say.NEEDS_EHLO)
            return
        handler(self, text)

    def _needs_ehlo(self, verb: bytes) -> bool:
        if self.state is not State.GREETED or not self._options.require_ehlo:
            return False
        return verb.upper() in {b"MAIL", b"RCPT", b"DATA", b"BDAT", b"VRFY", b"EXPN"}

    def _ehlo(self, argument: str) -> None:
        if not self._greeted_as(argument):
            return
        self.is_extended = True
        size = f"SIZE {self._options.max_message_size}" if self._options.max_message_size else "SIZE"
        self._say(reply(250, "", f"{self._client.hostname} says EHLO to {self._client.address}", *EXTENSIONS, size))

    def _helo(self, argument: str) -> None:
        if self._greeted_as(argument):
            self.is_extended = False
            self._say(reply(250, "", f"{self._client.hostname} says HELO to {self._client.address}"))

    def _greeted_as(self, argument: str) -> bool:
        name = argument.strip()
        if not name or not name.isprintable() or " " in name:
            self._say(say.SYNTAX_ERROR)
            return False
        self.helo = name
        self._reset()
        return True

    def _mail(self, argument: str) -> None:
        if self.state not in {State.READY, State.GREETED}:
            self._say(say.OUT_OF_ORDER)
            return
        if self._ends_outdated():
            return
        path = split_path(argument[5:].lstrip(" ")) if argument[:5].upper() == "FROM:" else None
        if path is None:
            self._say(say.SYNTAX_ERROR)
            return
        message = Arriving()
        problem = message.begin(*path, self._options)
        if problem is None:
            self._message = message
            self.state = State.MAIL
        self._say(problem or say.SENDER_OK)

    def _rcpt(self, argument: str) -> None:
        message = self._message
        if self.state not in {State.MAIL, State.RCPT} or message is None:
            self._say(say.OUT_OF_ORDER)
            return
        path = split_path(argument[3:].lstrip(" ")) if argument[:3].upper() == "TO:" else None
        if path is None:
            self._say(say.SYNTAX_ERROR)
            return
        problem = message.add(*path, self._options, self._trusted)
        if problem is None:
            self.state = State.RCPT
        self._say(problem or say.RECIPIENT_OK)

    def _data(self, argument: str) -> None:
        if argument:
            self._say(say.SYNTAX_ERROR)
        elif self.state is State.MAIL:
            self._say(say.NO_RECIPIENTS)
        elif self.state is not State.RCPT or self._message is None or self._message.check.size:
            self._say(say.OUT_OF_ORDER)
        else:
            self.state = State.DATA
            self._decoder = DotDecoder()
            self._say(say.START_DATA)

    def _bdat(self, argument: str) -> None:
        size, _, last = argument.partition(" ")
        if not (size.isdecimal() and len(size) <= 18 and last.upper() in {"", "LAST"}):
            self._error(say.BAD_PARAMETER)
            return
        if self.state is not State.RCPT:
            self._message = None  # refused; yet its bytes follow, and have to be read as such
        self._chunk_left, self._chunk_last = int(size), bool(last)
        self.state = State.CHUNK
        if not self._chunk_left:
            self._chunk_ends()

    def _chunk_ends(self) -> None:
        message = self._message
        if message is not None and self._chunk_last:
            self._content_ends()
        elif message is None or message.check.problem is not None:
            problem = say.OUT_OF_ORDER if message is None else message.check.problem
            self._events.append(Dropped())
            self._say(problem or say.OUT_OF_ORDER)
            self._reset()
        else:
            self.state = State.RCPT
            self._say(reply(250, "2.0.0", f"{message.check.size} bytes received"))

    def _rset(self, argument: str) -> None:
        if argument:
            self._say(say.SYNTAX_ERROR)
            return
        if self._ends_outdated():
            return
        if self._message is not None and self._message.check.size:
            self._events.append(Dropped())
        if self.state is not State.GREETED:
            self._reset()
        self._say(say.RESET_OK)

    def _noop(self, _argument: str) -> None:
        self._say(say.OK)

    def _verify(self, argument: str) -> None:
        self._say(say.CANNOT_VERIFY if argument else say.SYNTAX_ERROR)

    def _quit(self, _argument: str) -> None:
        self._say(reply(221, "2.0.0", f"{self._client.hostname} says goodbye"))
        self._close()

    # -- small steps

    def _say(self, answer: Reply) -> None:
        self._output.append(answer.encode())

    def _error(self, answer: Reply) -> None:
        self._errors += 1
        if self._errors < MAX_ERRORS:
            self._say(answer)
            return
        self._say(say.TOO_MANY_ERRORS)
        self._close()

    def _ends_outdated(self) -> bool:
        if self.outdated is None:
            return False
        self._say(self.outdated)
        self._close()
        return True

    def _reset(self) -> None:
        self._message = None
        self.state = State.READY

    def _close(self) -> None:
        if self._message is not None:
            self._events.append(Dropped())
        self._message = None
        self._input.clear()
        self.state = State.CLOSED
        self._events.append(Close())

    _COMMANDS: ClassVar[dict[bytes, Callable[["Session", str], None]]] = {
        b"EHLO": _ehlo,
        b"HELO": _helo,
        b"MAIL": _mail,
        b"RCPT": _rcpt,
        b"DATA": _data,
        b"BDAT": _bdat,
        b"RSET": _rset,
        b"NOOP": _noop,
        b"VRFY": _verify,
        b"EXPN": _verify,
        b"HELP": _noop,
        b"QUIT": _quit,
    }
