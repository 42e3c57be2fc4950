"""The client's side of one SMTP connection, without I/O: transactions and replies in; bytes and results out.

    BANNER ─220─▶ EHLO ─250─▶ IDLE ──send()──▶ MAIL ▶ RCPT ▶ DATA ▶ DOT ──▶ IDLE
                  ▲  └─5yz─▶ HELO ─250─▶ ┘           (one flight where the server offers PIPELINING)
                  │  └─STARTTLS─220─▶ handshake of the driver ─secured()─┐
                  └──────────────────────────────────────────────────────┘

Every command sent stands in a queue of expectations; each reply is judged by the oldest. A transaction ends when all
its expectations are met: then there is one reply for every recipient. RFC 5321, 2920, 1870, 6152, 6531; RFC 3207 and
Postfix's XCLIENT are in `opening`; RFC 2033 (LMTP): LHLO, and after the content one reply for each recipient.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from momentum_node.errors import ProtocolError
from momentum_node.smtp.opening import Open, Opening, Say, Secure, Shut, Step, tls_failed
from momentum_node.smtp.replies import ReplyReader
from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.stage import Stage, silence
from momentum_node.smtp.terms import UNKNOWN, Origin, Terms

CLOSED_BY_PEER: Final = reply(451, "4.4.2", "[internal] connection closed by remote host")
NOT_SMTP: Final = reply(451, "4.5.0", "[internal] remote host does not speak SMTP")
NO_SMTPUTF8: Final = reply(550, "5.6.7", "[internal] remote host does not offer SMTPUTF8")
UNEXPECTED: Final = reply(451, "4.5.0", "[internal] unexpected reply")


@dataclass(frozen=True, slots=True)
class Letter:
    """One transaction to send."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    eight_bit: bool = False
    smtputf8: bool = False
    origin: Origin = UNKNOWN


@dataclass(frozen=True, slots=True)
class Ready:
    """The server greeted us; letters may be sent."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The letter's fate: one reply for each recipient, in order."""

    replies: tuple[Reply, ...]
    stages: tuple[Stage, ...] = field(default=(), compare=False)
    """To what each reply is the answer."""


@dataclass(frozen=True, slots=True)
class Ended:
    """No more on this connection: close it. `reply`: why; None after our own QUIT."""

    reply: Reply | None


ClientEvent: TypeAlias = Ready | Secure | Finished | Ended
_Expected: TypeAlias = tuple[Stage, int]
_OPENING: Final = {Stage.BANNER, Stage.EHLO, Stage.STARTTLS, Stage.XCLIENT}


class Client:
    """One connection. The driver connects, feeds `receive`, sends what `output` holds, keeps the time."""

    def __init__(self, terms: Terms) -> None:
        self._opening = Opening(terms)
        self._is_lmtp = terms.method == "LMTP"
        self._reader = ReplyReader()
        self._expected: deque[_Expected] = deque([(Stage.BANNER, 0)])
        self._output: list[bytes] = []
        self._events: list[ClientEvent] = []
        self._letter: Letter | None = None
        self._results: list[Reply | None] = []
        self._accepted: list[int] = []
        self._refused: set[int] = set()  # at RCPT
        self._settled_at = Stage.DOT  # the others
        self._unsent: deque[tuple[bytes, _Expected]] = deque()
        self._needs_reset = False
        self._is_ended = False

    @property
    def stage(self) -> Stage:
        """What we wait for."""
        return self._expected[0][0] if self._expected else Stage.IDLE

    @property
    def has_letter(self) -> bool:
        """A transaction is under way."""
        return self._letter is not None

    @property
    def takes_8bit(self) -> bool:
        """The server takes bytes above 127 in the content (RFC 6152)."""
        return "8BITMIME" in self._opening.extensions

    def output(self) -> bytes:
        """Bytes to send, handed out once."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    # -- what happens

    def receive(self, data: bytes) -> list[ClientEvent]:
        """Judge what the server sent."""
        try:
            for answer in [] if self.stage is Stage.TLS else self._reader.feed(data):
                self._judge(answer)
                if self._events and isinstance(self._events[-1], Secure):
                    # The rest came in the clear, and would be taken for something of TLS.
                    self._reader = ReplyReader()
                    break
        except ProtocolError:
            self._end(NOT_SMTP)
        return self._take_events()

    def secured(self) -> list[ClientEvent]:
        """The handshake is done: greet again."""
        if self.stage is Stage.TLS:
            self._expected.clear()
            self._take(self._opening.secured())
        return self._take_events()

    def lost(self) -> list[ClientEvent]:
        """The connection is gone."""
        self._end(CLOSED_BY_PEER)
        return self._take_events()

    def timed_out(self) -> list[ClientEvent]:
        """Nothing came in time."""
        self._end(tls_failed("no answer") if self.stage is Stage.TLS else silence(self.stage))
        return self._take_events()

    def give_up(self, why: Reply) -> list[ClientEvent]:
        """End now: the letter in hand gets `why`."""
        self._end(why)
        return self._take_events()

    def send(self, letter: Letter) -> list[ClientEvent]:
        """Begin a transaction; allowed when idle. The result may come at once (the server lacks what it needs)."""
        self._letter = letter
        self._results = [None] * len(letter.recipients)
        self._accepted = []
        self._refused.clear()
        self._settled_at = Stage.DOT
        step = self._opening.tell(letter.origin)
        self._take(Open() if step is None else step)
        return self._take_events()

    def _begin(self, letter: Letter) -> None:
        if letter.smtputf8 and "SMTPUTF8" not in self._opening.extensions:
            self._settled_at = Stage.EHLO
            self._settle(NO_SMTPUTF8)
            self._finish(is_begun=False)
            return
        if self._needs_reset:
            self._needs_reset = False
            self._unsent.append((b"RSET\r\n", (Stage.RSET, 0)))
        self._unsent.append((self._mail(letter), (Stage.MAIL, 0)))
        for number, recipient in enumerate(letter.recipients):
            self._unsent.append((f"RCPT TO:<{recipient}>\r\n".encode(), (Stage.RCPT, number)))
        self._unsent.append((b"DATA\r\n", (Stage.DATA, 0)))
        self._send_unsent()

    def quit(self) -> None:
        """Say goodbye; `Ended` follows when the server agrees."""
        self._expect(b"QUIT\r\n", (Stage.QUIT, 0))

    # -- sending

    def _mail(self, letter: Letter) -> bytes:
        text = f"MAIL FROM:<{letter.sender}>"
        if "SIZE" in self._opening.extensions:
            text += f" SIZE={len(letter.content)}"
        if letter.eight_bit and "8BITMIME" in self._opening.extensions:
            text += " BODY=8BITMIME"
        if letter.smtputf8:
            text += " SMTPUTF8"
        return f"{text}\r\n".encode()

    def _expect(self, data: bytes, expected: _Expected) -> None:
        self._output.append(data)
        self._expected.append(expected)

    def _send_unsent(self) -> None:
        """The next command, or all of them at once when the server can take that."""
        while self._unsent:
            self._expect(*self._unsent.popleft())
            if "PIPELINING" not in self._opening.extensions:
                return

    def _send_content(self, letter: Letter) -> None:
        content = letter.content.replace(b"\r\n.", b"\r\n..")
        if content.startswith(b"."):
            content = b"." + content
        end = b".\r\n" if not content or content.endswith(b"\r\n") else b"\r\n.\r\n"
        self._output += [content, end]
        self._expected.extend((Stage.DOT, number) for number in (self._accepted if self._is_lmtp else [0]))

    # -- judging

    def _judge(self, answer: Reply) -> None:
        if self._is_ended:
            return
        if not self._expected or (answer.code == 421 and self.stage is not Stage.QUIT):
            self._end(answer)  # unasked for: only 421 is, but whatever it is, the two sides disagree from here on
            return
        if 300 <= answer.code < 400 and self.stage is not Stage.DATA:
            self._end(UNEXPECTED)  # the server waits for something that we did not announce
            return
        stage, number = self._expected.popleft()
        if stage is Stage.QUIT:
            self._end(None)
        elif stage is Stage.RSET:
            if not answer.is_positive:
                self._end(answer)
        elif stage in _OPENING:
            self._take(self._opening.judge(stage, answer))
        else:
            self._judge_letter(stage, number, answer)
        if not self._is_ended:
            self._send_next()

    def _take(self, step: Step) -> None:
        match step:
            case Say(data, stage):
                self._expect(data, (stage, 0))
            case Secure():
                self._expected.append((Stage.TLS, 0))
                self._events.append(step)
            case Shut(why):
                self._end(why)
            case Open() if self._letter is None:
                self._events.append(Ready())
            case Open():
                self._begin(self._letter)

    def _judge_letter(self, stage: Stage, number: int, answer: Reply) -> None:
        letter = self._letter
        if letter is None:
            return
        if stage is Stage.MAIL and not answer.is_positive:
            self._results = [answer] * len(self._results)
            self._settled_at = stage
        elif stage is Stage.RCPT and answer.is_positive and self._results[number] is None:
            self._accepted.append(number)
        elif stage is Stage.RCPT and self._results[number] is None:
            self._results[number] = answer
            self._refused.add(number)
        elif stage is Stage.DATA and answer.code == 354:
            open_ = letter if self._accepted else Letter("", (), b"")
            self._send_content(open_)
        elif stage is Stage.DATA:
            self._settled_at = stage
            self._settle(UNEXPECTED if answer.code < 400 else answer)
        elif stage is Stage.DOT and self._is_lmtp:
            self._results[number] = answer
        elif stage is Stage.DOT:
            self._settle(answer)

    def _settle(self, answer: Reply) -> None:
        self._results = [answer if one is None else one for one in self._results]

    def _send_next(self) -> None:
        """Without pipelining: the next command; none when nobody would receive the letter."""
        if self._letter is None or self._expected:
            return
        if self._unsent and all(one is not None for one in self._results):
            self._unsent.clear()
        self._send_unsent()
        if not self._expected:
            self._finish()

    def _finish(self, *, is_begun: bool = True) -> None:
        replies = tuple(UNEXPECTED if one is None else one for one in self._results)
        if is_begun:
            self._needs_reset = not all(one.is_positive for one in replies)
        self._letter = None
        at, refused = self._settled_at, self._refused
        stages = tuple(Stage.RCPT if number in refused else at for number in range(len(replies)))
        self._events.append(Finished(replies, stages))

    def _end(self, why: Reply | None) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        self._unsent.clear()
        if self._letter is not None:
            if self._settled_at is Stage.DOT:
                self._settled_at = self.stage
            self._settle(why or CLOSED_BY_PEER)
            self._finish()
        self._events.append(Ended(why))

    def _take_events(self) -> list[ClientEvent]:
        events, self._events = self._events, []
        return events
