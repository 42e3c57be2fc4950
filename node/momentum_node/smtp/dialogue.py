"""What a reception session does with its input and output, whatever the commands mean. Pure.

Bytes come in pieces, commands in lines; replies and events are collected until the driver takes them.
"""

from abc import ABC, abstractmethod
from typing import Final

from momentum_node.smtp import reply as say
from momentum_node.smtp.commandlines import MAX_COMMAND_BYTES, CommandLines
from momentum_node.smtp.events import Close, Event, Refused, State, States
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.sasl import MAX_LINE_BYTES, Exchange

STEPS_AT_ONCE: Final = 100
"""Commands, or pieces of content, that are worked on before other connections have their turn."""
MAX_ERRORS: Final = 3  # commands that are none; then the peer is not a mail client


class Dialogue(ABC):
    """Buffers, replies and events of one connection. What lines and content mean is the subclass's."""

    def __init__(self) -> None:
        self._input = CommandLines()
        self._output: list[bytes] = []
        self._events: list[Event] = []
        self._errors = 0
        self._exchange: Exchange | None = None
        self.state = self._resumed = State.GREETED
        self.has_more = False
        """There was too much for one turn: `go_on` in the next one."""
        self.notes_refusals = False
        """Whether somebody wants `Refused` events."""

    # -- the driver's side

    @property
    def is_idle(self) -> bool:
        """Between two transactions: nothing is lost when the connection ends here."""
        return self.state in States.IDLE

    @property
    def is_mid_command(self) -> bool:
        """A command has begun and its end has not come."""
        return self._input.is_open

    @property
    def is_behind(self) -> bool:
        """It does not work on what is received for now."""
        return self.has_more or self.state in States.DEAF

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
            self._input.add(data)
        return self._run()

    def go_on(self) -> list[Event]:
        """See `has_more`. Nothing is out of order when more is received before."""
        return self._run()

    # -- reading

    def _run(self) -> list[Event]:
        for _ in range(STEPS_AT_ONCE):
            if not self._step():
                self.has_more = False
                break
        else:
            self.has_more = True
        events, self._events = self._events, []
        return events

    def _step(self) -> bool:
        """Consume something of the input; False when more must come first."""
        state = self.state
        if state in States.DEAF:
            return False
        if state is State.DATA:
            data = self._input.take()
            if data:
                self._on_data(data)
            return bool(data)
        if state is State.CHUNK:
            return self._on_chunk()
        exchange = self._exchange if state is State.AUTH else None
        line = self._input.next_line(MAX_COMMAND_BYTES if exchange is None else MAX_LINE_BYTES)
        if line is None:
            return False
        if isinstance(line, Reply):
            self.complain(line)
        elif exchange is not None:
            self._respond(exchange, line)
        else:
            self._command(line)
        return True

    # -- what lines and content mean

    @abstractmethod
    def _command(self, line: bytes) -> None:
        """One command line, its CRLF taken away."""

    @abstractmethod
    def _respond(self, exchange: Exchange, line: bytes) -> None:
        """A line within an attempt to authenticate."""

    @abstractmethod
    def _on_data(self, data: bytes) -> None:
        """Bytes between DATA and the dot."""

    @abstractmethod
    def _on_chunk(self) -> bool:
        """Bytes of a BDAT; False when more must come first."""

    @abstractmethod
    def _refusal(self, answer: Reply) -> Refused:
        """The event of a refusal."""

    @abstractmethod
    def _drop(self) -> None:
        """The connection ends: forget the transaction."""

    # -- replies

    def answer(self, answer: Reply) -> None:
        """Say it, unless it is over."""
        if self.state is State.CLOSED:
            return
        if self.notes_refusals and answer.code >= 400:
            self._events.append(self._refusal(answer))
        self._output.append(answer.encoded)

    def complain(self, answer: Reply) -> None:
        """Say it, and count it: whoever makes too many mistakes is no mail client."""
        self._errors += 1
        if self._errors < MAX_ERRORS:
            self.answer(answer)
        else:
            self.leave(say.TOO_MANY_ERRORS)

    def leave(self, answer: Reply) -> None:
        """Say it, and close."""
        self.answer(answer)
        self._close()

    def ask(self, exchange: Exchange, question: Reply) -> None:
        """The next line is the client's answer within `exchange`."""
        self._exchange, self.state = exchange, State.AUTH
        self.answer(question)

    def wait_for(self, event: Event) -> None:
        """Read nothing until the driver has done this and said so."""
        self._resumed, self.state = self.state, State.ASIDE
        self._events.append(event)

    def take_input(self) -> bytes:
        """What was received behind the command in hand; it is not ours any more."""
        return self._input.take()

    def _close(self) -> None:
        self._drop()
        self._input.clear()
        self.state = State.CLOSED
        self._events.append(Close())
