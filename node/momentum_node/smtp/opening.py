"""The opening of an outbound connection: greeting, EHLO, STARTTLS (RFC 3207), and XCLIENT between letters. Pure.

Judges one reply after the other; each answer is the next step. What the server said before TLS is forgotten with TLS:
whoever sits between could have said it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.stage import Stage
from momentum_node.smtp.terms import UNKNOWN, Origin, Terms

TLS_FAILED_STATUS: Final = "4.7.5"
TLS_STATUSES: Final = frozenset({TLS_FAILED_STATUS, "4.7.6"})
STARTTLS_MISSING: Final = reply(451, "4.7.6", "[internal] STARTTLS required but not advertised")
XCLIENT_MISSING: Final = reply(451, "4.7.6", "[internal] XCLIENT required but not advertised")


def tls_failed(why: str) -> Reply:
    """What is said of a message that was not sent because TLS did not come about."""
    return reply(451, TLS_FAILED_STATUS, f"[internal] TLS negotiation failed: {why}")


@dataclass(frozen=True, slots=True)
class Say:
    """Send this; the reply is due."""

    data: bytes
    stage: Stage


@dataclass(frozen=True, slots=True)
class Secure:
    """Make the handshake as the client, then call `secured`. What was received and not read is thrown away."""


@dataclass(frozen=True, slots=True)
class Open:
    """Letters may be sent."""


@dataclass(frozen=True, slots=True)
class Shut:
    """No letter goes out on this connection."""

    reply: Reply


Step: TypeAlias = Say | Secure | Open | Shut


class Opening:
    """`extensions`: what the server offers now, each with its parameters, all upper case."""

    def __init__(self, terms: Terms) -> None:
        self.extensions: Mapping[str, frozenset[str]] = {}
        self._terms = terms
        self._is_secured = False
        self._says_helo = terms.method == "SMTP"
        self._told = UNKNOWN
        self._tells = terms.xclient != "no"

    def judge(self, stage: Stage, answer: Reply) -> Step:
        """The next step after a reply in one of the stages BANNER, EHLO, STARTTLS, XCLIENT."""
        match stage:
            case Stage.BANNER:
                return self._greet() if answer.is_positive else Shut(answer)
            case Stage.EHLO:
                return self._greeted(answer)
            case Stage.STARTTLS:
                return self._may_secure(answer)
            case _:
                return self._told_origin(answer)

    def secured(self) -> Step:
        """The handshake is done: the server is greeted again, and tells again what it offers."""
        self._is_secured = True
        return self._greet()

    def tell(self, origin: Origin) -> Step | None:
        """What to say before the letter of another client; None: nothing, the server knows, or is not asked to."""
        offered = self.extensions.get("XCLIENT")
        if not self._tells or origin == self._told:
            return None
        if offered is None:
            return Shut(XCLIENT_MISSING) if self._terms.xclient == "required" else None
        self._told = origin
        return Say(origin.command(offered), Stage.XCLIENT)

    # -- one reply each

    def _greet(self) -> Step:
        verb = "HELO" if self._says_helo else "LHLO" if self._terms.method == "LMTP" else "EHLO"
        return Say(f"{verb} {self._terms.ehlo_name}\r\n".encode(), Stage.EHLO)

    def _greeted(self, answer: Reply) -> Step:
        if answer.is_permanent and not self._says_helo and self._terms.method == "ESMTP":
            self._says_helo = True
            return self._greet()
        if not answer.is_positive:
            return Shut(answer)
        self.extensions = {} if self._says_helo else dict(map(_extension, answer.lines[1:]))
        if self._terms.tls == "no" or self._is_secured:
            return self._open()
        if "STARTTLS" in self.extensions:
            return Say(b"STARTTLS\r\n", Stage.STARTTLS)
        return Shut(STARTTLS_MISSING) if self._terms.tls == "required" else self._open()

    def _may_secure(self, answer: Reply) -> Step:
        if answer.is_positive:
            return Secure()
        if self._terms.tls == "ifavailable" and self._terms.in_clear:
            return self._open()
        return Shut(tls_failed(f"the server said {answer.text}"))

    def _open(self) -> Step:
        if self._terms.xclient == "required" and "XCLIENT" not in self.extensions and self._told == UNKNOWN:
            return Shut(XCLIENT_MISSING)
        return Open()

    def _told_origin(self, answer: Reply) -> Step:
        if answer.is_positive:
            return self._greet()
        self._tells = False
        return Shut(answer) if self._terms.xclient == "required" else Open()


def _extension(line: str) -> tuple[str, frozenset[str]]:
    keyword, *parameters = line.upper().split()[:64] or [""]
    return keyword, frozenset(parameters)
