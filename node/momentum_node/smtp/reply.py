"""SMTP replies as values: code, enhanced status code (RFC 3463), text. What is said to clients and kept of servers.

The texts are the original's (Momentum 3, responses by code): log readers match on them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final


@dataclass(frozen=True)
class Reply:
    """One reply. `lines` has at least one line, without code, in which `enhanced` stands once, in its own field."""

    code: int
    enhanced: str  # "" where a reply has none: greeting, EHLO, 354
    lines: tuple[str, ...]

    @cached_property
    def encoded(self) -> bytes:
        """The bytes on the wire (RFC 5321 §4.2); most replies are said more than once."""
        status = f"{self.enhanced} " if self.enhanced else ""
        if len(self.lines) == 1:
            return f"{self.code} {status}{self.lines[0]}\r\n".encode("utf-8", "surrogateescape")
        last = len(self.lines) - 1
        text = "".join(
            f"{self.code}{'-' if number < last else ' '}{status}{line}\r\n" for number, line in enumerate(self.lines)
        )
        return text.encode("utf-8", "surrogateescape")

    @property
    def text(self) -> str:
        """One line, as logs and bounces show it."""
        return " ".join(part for part in (str(self.code), self.enhanced, " ".join(self.lines)) if part)

    @property
    def is_internal(self) -> bool:
        """No server said it: we found it ourselves."""
        return self.lines[0].startswith("[internal]")

    @property
    def is_positive(self) -> bool:
        """2yz."""
        return 200 <= self.code < 300

    @property
    def is_transient(self) -> bool:
        """4yz: worth another try."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5yz: final."""
        return self.code >= 500


def reply(code: int, enhanced: str, *lines: str) -> Reply:
    """A reply of these lines."""
    return Reply(code, enhanced, lines)


SENDER_OK: Final = reply(250, "2.1.0", "sender ok")
RECIPIENT_OK: Final = reply(250, "2.1.5", "recipient ok")
START_DATA: Final = reply(354, "", 'continue.  finished with "\\r\\n.\\r\\n"')
RESET_OK: Final = reply(250, "2.0.0", "reset ok")
OK: Final = reply(250, "2.0.0", "ok")
CANNOT_VERIFY: Final = reply(252, "2.5.0", "send some mail, i'll try my best")

READY_FOR_TLS: Final = reply(220, "2.0.0", "ready to start TLS")
AUTHENTICATED: Final = reply(235, "2.7.0", "authentication successful")

NOT_RECOGNIZED: Final = reply(500, "5.5.2", "unrecognized command")
COMMAND_TOO_LONG: Final = reply(500, "5.5.2", "command line too long")
BARE_LINE_END: Final = reply(500, "5.5.2", "command line must end with CRLF")
SYNTAX_ERROR: Final = reply(501, "5.5.2", "syntax error")
BAD_PARAMETER: Final = reply(501, "5.5.4", "invalid parameter")
UNKNOWN_PARAMETER: Final = reply(555, "5.5.4", "parameter not recognized")
OUT_OF_ORDER: Final = reply(503, "5.5.1", "bad sequence of commands")
NEEDS_EHLO: Final = reply(550, "5.5.1", "RFC2821 HELO/EHLO needed")
NO_RECIPIENTS: Final = reply(554, "5.5.1", "no valid recipients")
NEEDS_SMTPUTF8: Final = reply(553, "5.6.7", "address needs SMTPUTF8")
BAD_ADDRESS: Final = reply(553, "5.1.3", "malformed address")
BAD_SENDER: Final = reply(553, "5.1.7", "malformed address")
NULL_SENDER_REFUSED: Final = reply(550, "5.7.1", "null sender not accepted")
RELAY_DENIED: Final = reply(550, "5.7.1", "relaying denied")
TOO_MUCH_CONTEXT: Final = reply(552, "5.5.4", "too many keys in the context of this session")
BLACKHOLED: Final = reply(551, "5.7.1", "recipient blackholed")
TOO_MANY_RECIPIENTS: Final = reply(452, "4.5.3", "Service unavailable, recipients per message limit reached")
TOO_LARGE: Final = reply(552, "5.3.4", "message size limit exceeded")
BARE_IN_HEADERS: Final = reply(550, "5.6.0", "Lone CR or LF in headers (see RFC2822 section 2.2)")
BARE_BEFORE_DOT: Final = reply(550, "5.6.0", "Lone CR or LF before a dot in body (see RFC2822 section 2.3)")
BARE_IN_BODY: Final = reply(550, "5.6.0", "Lone CR or LF in body (see RFC2822 section 2.3)")
HEADERS_MISSING: Final = reply(550, "5.6.0", "Message has no headers (see RFC2822 section 3.6)")
LINE_TOO_LONG: Final = reply(550, "5.6.0", "Line too long (see RFC2822 section 2.1.1)")
HEADERS_TOO_LONG: Final = reply(550, "5.6.0", "headers too long")
MAIL_LOOP: Final = reply(554, "5.4.6", "too many hops, this message is looping")
NO_BINDING: Final = reply(451, "4.3.0", "no binding for this message")
SPOOL_FAILED: Final = reply(451, "4.3.0", "transaction failed")
PIPELINED_STARTTLS: Final = reply(554, "5.5.1", "nothing may follow STARTTLS before TLS is up")
NO_SUCH_MECHANISM: Final = reply(504, "5.5.4", "unrecognized authentication type")
TLS_NEEDED: Final = reply(538, "5.7.11", "encryption required for this authentication")
AUTH_CANCELLED: Final = reply(501, "5.7.0", "authentication cancelled")
AUTH_FAILED: Final = reply(535, "5.7.8", "authentication failed")
AUTH_UNAVAILABLE: Final = reply(454, "4.7.0", "temporary authentication failure")
TOO_FAST: Final = reply(451, "4.3.2", "Service unavailable, messages arrive too fast, try again later")
RESOURCES_EXHAUSTED: Final = reply(421, "4.3.4", "allocated resources exceeded")

CONCURRENCY_LIMIT: Final = reply(421, "4.4.5", "Service unavailable, concurrency limit reached")
UNDECIDED: Final = reply(421, "4.3.2", "Service unavailable, try again")
IDLE: Final = reply(421, "4.4.2", "idle time-out, closing connection")
COMMAND_TIMEOUT: Final = reply(421, "4.4.2", "command took too long, closing connection")
MESSAGES_LIMIT: Final = reply(421, "4.5.3", "Service unavailable, messages per connection limit reached")
RECIPIENTS_LIMIT: Final = reply(421, "4.5.3", "Service unavailable, recipients per connection limit reached")
TOO_MANY_ERRORS: Final = reply(421, "4.7.0", "too many errors, closing connection")
SHUTTING_DOWN: Final = reply(421, "4.3.2", "Service unavailable, shutting down")
ADDRESS_MOVES: Final = reply(421, "4.3.2", "Service unavailable, this address moves to another node")
