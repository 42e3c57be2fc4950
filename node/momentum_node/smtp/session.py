"""The server's side of one SMTP connection, without I/O: bytes in; replies and events out.

    GREETED ──EHLO/HELO──▶ READY ──MAIL──▶ MAIL ──RCPT──▶ RCPT ──DATA──▶ DATA ──dot──▶ WAITING ──finish()──▶ READY
                              ▲──────────RSET, EHLO──────────┘  └──BDAT──▶ CHUNK ──last byte of LAST──▲
    READY ──AUTH──▶ AUTH ──response──▶ ASIDE ──authenticated()──▶ READY        STARTTLS, XCLIENT: ASIDE ──▶ GREETED

The driver feeds `receive`, sends what `output` holds, and performs the events. While WAITING (the message is on its
way to the disk) or ASIDE (the driver does what an event asks for) nothing that was pipelined is read.
RFC 5321, 2920 (PIPELINING), 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8), 2034 and 3463 (codes), 3030 (CHUNKING).
"""

from collections.abc import Callable
from typing import ClassVar, Final

from momentum_node.smtp import reply as say
from momentum_node.smtp.address import split_path
from momentum_node.smtp.arriving import Arriving
from momentum_node.smtp.context import refusal
from momentum_node.smtp.data import DotDecoder
from momentum_node.smtp.dialogue import Dialogue
from momentum_node.smtp.events import AwaitTurn, BodyPart, Client, Complete, Dropped, Event, Refused, State, States, Tls
from momentum_node.smtp.offers import extensions
from momentum_node.smtp.relay import may_relay
from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.sasl import Exchange
from momentum_node.smtp.securing import auth, respond, starttls
from momentum_node.smtp.trusted import dump_context, remote_ip, set_context
from momentum_node.smtp.xclient import xclient

_AFTER_EHLO: Final = frozenset({b"MAIL", b"RCPT", b"DATA", b"VRFY", b"EXPN"})  # the bytes of a BDAT have to be read


class Session(Dialogue):
    """One connection. All times, files and sockets are the driver's."""

    def __init__(self, client: Client, tls: Tls | None = None) -> None:
        """`tls`: from the first byte."""
        super().__init__()
        self._be(client)
        self._decoder = DotDecoder()
        self._chunk_left = 0
        self._chunk_last = False
        self.message: Arriving | None = None
        """The transaction in hand."""
        self.last_line = b""
        self._closing: Reply | None = None
        self.receptions = 0
        self.recipients = 0
        self.outdated: Reply | None = None
        """Said to the next MAIL FROM or RSET, and the end: its options are not those of new sessions any more."""
        self.helo = ""
        self.is_extended = False
        self.tls = tls
        self.user: str | None = None
        self.auth_status = ""  # pass, fail, error: of the last AUTH
        self.context: dict[str, str] = dict(self.options.context)
        """Keys and values of `Context`, and what a trusted client has set."""
        self._greet()

    def _be(self, client: Client) -> None:
        self._client, self.options = client, client.options
        self._is_trusted = may_relay(client.options, client.address)

    def _greet(self) -> None:
        static = self.options.static_banner
        text = static[3:].lstrip() if static else f"{self._client.hostname} ESMTP {self._client.greeting}"
        self.answer(reply(220, "", text))

    # -- the driver's side

    def finish(self, answer: Reply) -> list[Event]:
        """The fate of the message of `Complete`; goes on with what was pipelined behind it."""
        if self.state is State.CLOSED:
            return []
        self.answer(answer)
        self.receptions += answer.is_positive
        self._reset()
        if answer.code == 421:
            self._close()
        elif self._closing is not None:
            self.leave(self._closing)
        return self._run()

    def secured(self, tls: Tls) -> list[Event]:
        """TLS is up (`StartTls`): everything that was said in the clear is forgotten (RFC 3207 §4.2)."""
        self.tls, self.helo, self.is_extended = tls, "", False
        self.user, self.auth_status, self.context = None, "", dict(self.options.context)
        return self._go_on(State.GREETED)

    def authenticated(self, user: str) -> list[Event]:
        """The credentials of `Authenticate` are good."""
        self.user, self.auth_status = user, "pass"
        self.answer(say.AUTHENTICATED)
        return self._go_on(State.READY)

    def refused(self, answer: Reply) -> list[Event]:
        """They are not, or nobody can say: `answer` tells which."""
        self.auth_status = "fail" if answer.is_permanent else "error"
        self.complain(answer)
        return self._go_on(State.READY)

    def may_begin(self, is_granted: bool) -> list[Event]:
        """It is the turn of the message (`AwaitTurn`), or it would not be soon."""
        self.answer(say.SENDER_OK if is_granted else say.TOO_FAST)
        if not is_granted:
            self.message = None
        return self._go_on(State.MAIL if is_granted else State.READY)

    def restart(self, client: Client, helo: str, is_extended: bool, user: str | None) -> list[Event]:
        """The client is another one (`Become`), whom we greet."""
        self._be(client)
        self.helo, self.is_extended, self.user = helo, is_extended, user
        self.auth_status, self.context = "pass" if user else "", dict(client.options.context)
        self._greet()
        return self._go_on(State.READY if helo else State.GREETED)

    @property
    def is_receiving(self) -> bool:
        """The content of a message is on its way."""
        return self.state in States.CONTENT

    def moved(self, client: Client) -> list[Event]:
        """The client is at another address (`Become`): its options count from here on."""
        self._be(client)
        self.context = {**dict(client.options.context), **self.context}
        self.answer(say.OK)
        return self._go_on(self._resumed)

    def end(self, answer: Reply) -> list[Event]:
        """Say `answer` (a 421) and close: now when nothing is under way, else after the message in hand."""
        if self.state in States.BUSY:
            self._closing = answer
            return []
        self.answer(answer)
        self._close()
        return self._run()

    def abort(self, answer: Reply) -> list[Event]:
        """Say `answer` and close, whatever is under way."""
        if self.state is not State.CLOSED:
            self.answer(answer)
            self._close()
        return self._run()

    # -- content

    def _refusal(self, answer: Reply) -> Refused:
        return refusal(self, answer)

    def _respond(self, exchange: Exchange, line: bytes) -> None:
        respond(self, exchange, line)

    def _on_data(self, data: bytes) -> None:
        parts, rest = self._decoder.feed(data)
        self._take(parts)
        if rest is not None:
            self._input.add(rest)
            self._content_ends()

    def _on_chunk(self) -> bool:
        data = self._input.take(self._chunk_left)
        self._chunk_left -= len(data)
        if data:
            self._take([data])
        if self._chunk_left:
            return False
        self._chunk_ends()
        return True

    def _take(self, parts: list[bytes]) -> None:
        message = self.message
        if message is not None:  # else a BDAT was refused, and its bytes still have to be read
            for part in parts:
                self._keep(message, message.take(part))

    def _keep(self, message: Arriving, part: bytes) -> None:
        check, limit = message.check, self.options.max_message_size
        if limit and check.size > limit:
            check.problem = say.TOO_LARGE
        if part and check.problem is None:
            self._events.append(BodyPart(part))

    def _content_ends(self) -> None:
        message = self.message
        if message is None:
            self.answer(say.OUT_OF_ORDER)
            self.state = State.READY
            return
        self._keep(message, message.complete())
        problem = message.check.finish()
        if problem is None:
            self.state = State.WAITING
            self._events.append(Complete(message))
        else:
            self._turn_down(problem)

    def _turn_down(self, problem: Reply) -> None:
        self._events.append(Dropped())
        self.answer(problem)
        self._reset()
        if self._closing is not None:
            self.leave(self._closing)

    # -- commands

    def _command(self, line: bytes) -> None:
        self.last_line = line
        if self.options.allow_trailing_whitespace:
            line = line.rstrip(b" \t")
        verb, _, argument = line.partition(b" ")
        handler = self._COMMANDS.get(verb.upper())
        if handler is None:
            self.complain(say.NOT_RECOGNIZED)
            return
        try:
            text = argument.decode("utf-8")
        except UnicodeDecodeError:
            self.answer(say.SYNTAX_ERROR)
            return
        if self.state is State.GREETED and self.options.require_ehlo and verb.upper() in _AFTER_EHLO:
            self.answer(say.NEEDS_EHLO)
            return
        handler(self, text)

    def _ehlo(self, argument: str) -> None:
        if not self._greeted_as(argument):
            return
        self.is_extended = True
        offered = extensions(self.options, self.tls is not None, self.user is not None)
        self.answer(reply(250, "", f"{self._client.hostname} says EHLO to {self._client.address}", *offered))

    def _helo(self, argument: str) -> None:
        if self._greeted_as(argument):
            self.is_extended = False
            self.answer(reply(250, "", f"{self._client.hostname} says HELO to {self._client.address}"))

    def _greeted_as(self, argument: str) -> bool:
        name = argument.strip()
        if not name or not name.isprintable() or " " in name:
            self.answer(say.SYNTAX_ERROR)
            return False
        self.helo = name
        self._abandon()
        return True

    def _mail(self, argument: str) -> None:
        if not self.is_idle:
            self.answer(say.OUT_OF_ORDER)
            return
        if self._ends_outdated():
            return
        if 0 < self.options.max_receptions_per_connection <= self.receptions:
            self.leave(say.MESSAGES_LIMIT)
            return
        path = split_path(argument[5:].lstrip(" ")) if argument[:5].upper() == "FROM:" else None
        if path is None:
            self.answer(say.SYNTAX_ERROR)
            return
        message = Arriving.under(self.options)
        problem = message.begin(*path, self.options)
        if problem is not None:
            self.answer(problem)
            return
        self.message = message
        if self.options.throttle_messages is not None:
            self.wait_for(AwaitTurn(self.options.throttle_messages))
            return
        self.state = State.MAIL
        self.answer(say.SENDER_OK)

    def _rcpt(self, argument: str) -> None:
        message = self.message
        if self.state not in States.ADDRESSING or message is None:
            self.answer(say.OUT_OF_ORDER)
            return
        if 0 < self.options.max_recipients_per_connection <= self.recipients:
            self.leave(say.RECIPIENTS_LIMIT)
            return
        path = split_path(argument[3:].lstrip(" ")) if argument[:3].upper() == "TO:" else None
        if path is None:
            self.answer(say.SYNTAX_ERROR)
            return
        problem = message.add(*path, self.options, self.can_relay, self._client.drops)
        if problem is None:
            self.state = State.RCPT
            self.recipients += 1
        self.answer(problem or say.RECIPIENT_OK)

    def _data(self, argument: str) -> None:
        if argument:
            self.answer(say.SYNTAX_ERROR)
        elif self.state is State.MAIL:
            self.answer(say.NO_RECIPIENTS)
        elif self.state is not State.RCPT or self.message is None or self.message.received:
            self.answer(say.OUT_OF_ORDER)
        else:
            self.state = State.DATA
            self._decoder = DotDecoder()
            self.answer(say.START_DATA)

    def _bdat(self, argument: str) -> None:
        size, _, last = argument.partition(" ")
        if not (size.isdecimal() and len(size) <= 18 and last.upper() in {"", "LAST"}):
            self.complain(say.BAD_PARAMETER)
            return
        if self.state is not State.RCPT:
            self.message = None  # refused; yet its bytes follow, and have to be read as such
        self._chunk_left, self._chunk_last = int(size), bool(last)
        self.state = State.CHUNK
        if not self._chunk_left:
            self._chunk_ends()

    def _chunk_ends(self) -> None:
        message = self.message
        if message is not None and self._chunk_last:
            self._content_ends()
        elif message is None or message.check.problem is not None:
            problem = None if message is None else message.check.problem
            self._turn_down(problem or say.OUT_OF_ORDER)
        else:
            self.state = State.RCPT
            self.answer(reply(250, "2.0.0", f"{message.received} bytes received"))

    def _rset(self, argument: str) -> None:
        if argument:
            self.answer(say.SYNTAX_ERROR)
            return
        if self._ends_outdated():
            return
        if self.state is not State.GREETED:
            self._abandon()
        self.answer(say.RESET_OK)

    def _noop(self, _argument: str) -> None:
        self.answer(say.OK)

    def _verify(self, argument: str) -> None:
        self.answer(say.CANNOT_VERIFY if argument else say.SYNTAX_ERROR)

    def _quit(self, _argument: str) -> None:
        self.leave(reply(221, "2.0.0", f"{self._client.hostname} says goodbye"))

    # -- small steps

    @property
    def can_relay(self) -> bool:
        """The client may send to anybody: by its address, its password or its certificate (`is_accepted`)."""
        by_certificate = self.tls is not None and self.tls.is_verified and self.options.tls_verified_peer_can_relay
        return self.user is not None or by_certificate or self._is_trusted

    def _go_on(self, state: State) -> list[Event]:
        """After ASIDE."""
        if self.state is not State.CLOSED:
            self.state = state
            if self._closing is not None:
                self.leave(self._closing)
        return self._run()

    def _ends_outdated(self) -> bool:
        if self.outdated is None:
            return False
        self.leave(self.outdated)
        return True

    def _abandon(self) -> None:
        """The client does not go on with its transaction: chunks of it may have come."""
        if self.message is not None and self.message.received:
            self._events.append(Dropped())
        self._reset()

    def _reset(self) -> None:
        self.message = None
        self.state = State.READY if self.helo else State.GREETED

    def _drop(self) -> None:
        if self.message is not None:
            self._events.append(Dropped())
        self.message = None

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
        b"STARTTLS": starttls,
        b"AUTH": auth,
        b"XCLIENT": xclient,
        b"XREMOTEIP": remote_ip,
        b"XSETCONTEXT": set_context,
        b"XDUMPCONTEXT": dump_context,
    }
