"""AUTH PLAIN and LOGIN without I/O: lines of base64 in, challenges and at last credentials out.

    exchange = begin("LOGIN", None)      exchange.challenge == b"Username:"
    exchange.respond("dXNlcg==")         exchange.challenge == b"Password:"
    exchange.respond("c2VjcmV0")         exchange.credentials == Credentials("LOGIN", "user", "secret")

RFC 4954 (SMTP), RFC 4616 (PLAIN), draft-murchison-sasl-login (LOGIN).
"""

import base64
import binascii
from dataclasses import dataclass, field

MECHANISMS = ("PLAIN", "LOGIN")
MAX_LINE_BYTES = 12_288  # RFC 4954 §4


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whom a client says to be. Never printed with its password."""

    mechanism: str
    user: str
    password: str = field(repr=False)


class Malformed(ValueError):
    """The client's line is no base64, or not what the mechanism asks for."""


class Exchange:
    """One attempt. `challenge` is what to send next, None once `credentials` are there."""

    def __init__(self, mechanism: str) -> None:
        self._mechanism = mechanism
        self._user: str | None = None
        self.challenge: bytes | None = b"" if mechanism == "PLAIN" else b"Username:"
        self.credentials: Credentials | None = None

    def respond(self, line: str) -> None:
        """The client's answer, as base64 (`=`: an empty one). Raises `Malformed`."""
        said = decode(line)
        if self._mechanism == "PLAIN":
            self._plain(said)
        elif self._user is None:
            self._user, self.challenge = said, b"Password:"
        else:
            self._complete(self._user, said)

    def _plain(self, said: str) -> None:
        parts = said.split("\0")
        if len(parts) != 3 or parts[0] not in {"", parts[1]}:
            raise Malformed("PLAIN takes [authzid] NUL user NUL password, and nobody may act for another")
        self._complete(parts[1], parts[2])

    def _complete(self, user: str, password: str) -> None:
        if not user or "\0" in user or "\0" in password:
            raise Malformed("an empty user name, or a NUL")
        self.challenge = None
        self.credentials = Credentials(self._mechanism, user, password)


def begin(mechanism: str, initial: str | None) -> Exchange:
    """The attempt that `AUTH mechanism [initial]` begins. Raises `Malformed`."""
    exchange = Exchange(mechanism)
    if initial is not None:
        exchange.respond(initial)
    return exchange


def decode(line: str) -> str:
    """UTF-8 text of one base64 line; `=` stands for none. Raises `Malformed`."""
    try:
        return "" if line == "=" else base64.b64decode(line, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Malformed("no base64 of UTF-8") from None


def encode(challenge: bytes) -> str:
    """A challenge as the text behind 334."""
    return base64.b64encode(challenge).decode("ascii")
