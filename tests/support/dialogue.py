"""SMTP dialogues as text: what the client sends, what the server must answer, nothing else on the page.

C: line     sent with CRLF             S: line     the next reply line; `...` at its end stands for anything
P: lines    sent together with the C: or P: line before, in one packet
R: text     sent as it is, with \\r, \\n and \\xNN read as in Python
*: 250 …    the driver's answer to a complete message; its content is in `Dialogue.messages`
"""

from dataclasses import dataclass, field
from ipaddress import ip_address

from momentum_node.config.model import InboundOptions
from momentum_node.smtp.arriving import Arriving
from momentum_node.smtp.events import BodyPart, Client, Close, Complete, Dropped, Event
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.session import Session


@dataclass
class Dialogue:
    """One session and what came of it."""

    options: InboundOptions = field(default_factory=InboundOptions)
    client: str = "192.0.2.77"
    messages: list[tuple[Arriving, bytes]] = field(default_factory=list)
    is_closed: bool = False

    def __post_init__(self) -> None:
        self.session = Session(Client(ip_address(self.client), self.options, "mx.test", "momentum"))
        self._heard = ""
        self._body = b""

    def run(self, script: str) -> "Dialogue":
        """Play it; an `AssertionError` says which line went wrong."""
        lines = [line.strip() for line in script.strip().splitlines() if line.strip()]
        for number, line in enumerate(lines):
            kind, text = line[:2], line[3:]
            if kind in {"C:", "P:"}:
                following = lines[number + 1][:2] if number + 1 < len(lines) else ""
                self._pending = getattr(self, "_pending", b"") + f"{text}\r\n".encode()
                if following != "P:":
                    data, self._pending = self._pending, b""
                    self.send(data)
            elif kind == "R:":
                self.send(text.encode("latin-1").decode("unicode_escape").encode("latin-1"))
            elif kind == "*:":
                self.perform(self.session.finish(Reply(int(text[:3]), "", (text[4:],))))
            elif kind == "S:":
                self._expect(text)
            else:
                raise AssertionError(f"not a line of a dialogue: {line}")
        return self

    def send(self, data: bytes) -> None:
        """The client sends bytes."""
        self.perform(self.session.receive(data))

    def perform(self, events: list[Event]) -> None:
        """What the driver would do."""
        for event in events:
            match event:
                case BodyPart(data):
                    self._body += data
                case Complete(message):
                    self.messages.append((message, self._body))
                    self._body = b""
                case Dropped():
                    self._body = b""
                case Close():
                    self.is_closed = True
        if self.session.has_more:
            self.perform(self.session.go_on())

    def _expect(self, text: str) -> None:
        self._heard += self.session.output().decode()
        line, end, self._heard = self._heard.partition("\r\n")
        assert end, f"expected {text!r}, the server says nothing"
        matches = line.startswith(text[:-3]) if text.endswith("...") else line == text
        assert matches, f"expected {text!r}, the server says {line!r}"

    def is_silent(self) -> bool:
        """The server has nothing more to say."""
        self._heard += self.session.output().decode()
        return not self._heard
