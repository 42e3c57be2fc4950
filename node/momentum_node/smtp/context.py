"""What a session has come to, as logs show it beside a refusal: where it was, the keys of its contexts. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from momentum_node.smtp import reply as say
from momentum_node.smtp.address import parse_mailbox, split_path
from momentum_node.smtp.events import Refused, State
from momentum_node.smtp.relay import relays_for
from momentum_node.smtp.reply import Reply
from momentum_node.spool.message import shared

if TYPE_CHECKING:
    from momentum_node.smtp.session import Session

AT_CONNECT: Final = "connect"
OVER_THE_LIMIT: Final = "concurrency limit"
_PHASES: Final = {
    State.GREETED: "awaiting ehlo",
    State.READY: "awaiting mailfrom",
    State.MAIL: "awaiting rcptto",
    State.RCPT: "awaiting rcptto",
    State.DATA: "reading body",
    State.CHUNK: "reading body",
    State.AUTH: "extension",
    State.ASIDE: "extension",
    State.WAITING: "responding to body",
    State.CLOSED: "awaiting mailfrom",
}
_COUNTS: Final = frozenset({"connection_message_count", "connection_rcpt_count"})


def refusal(session: "Session", answer: Reply) -> Refused:
    """The event of an answer that is about to be given."""
    module = "relay_check" if answer == say.RELAY_DENIED else "core"
    return Refused(answer, _PHASES[session.state], module, dict(connection_context(session)), dict(_message(session)))


def kept_context(session: "Session") -> tuple[tuple[str, str], ...]:
    """What a message keeps of it: all but the counts, so that messages of one client have the same."""
    return shared((key, value) for key, value in dict(connection_context(session)).items() if key not in _COUNTS)


def connection_context(session: "Session") -> Iterator[tuple[str, str]]:
    """Keys and values of the session; its own come last, and cannot be set from outside."""
    yield from session.context.items()
    yield "can_relay", str(_can_relay(session)).lower()
    yield "connection_message_count", str(session.receptions)
    yield "connection_rcpt_count", str(session.recipients)
    if session.helo:
        yield "ehlo_domain", session.helo
        yield "ehlo_string", f"{'EHLO' if session.is_extended else 'HELO'} {session.helo}"
    yield "pathway", session.options.pathway
    if session.tls is not None:
        yield "tls", "true"
        yield "tls_cipher", session.tls.cipher
        yield "tls_client_verified", str(session.tls.is_verified).lower()
    if session.tls is not None and session.tls.is_verified:
        yield "tls_client_cert_subject", session.tls.subject
    if session.auth_status:
        yield "auth_status", session.auth_status
    if session.user is not None:
        yield "auth_user", session.user


def _can_relay(session: "Session") -> bool:
    message = session.message
    return session.can_relay or (message is not None and relays_for(session.options, message.sender))


def _message(session: "Session") -> Iterator[tuple[str, str]]:
    message, line = session.message, session.last_line.decode("utf-8", "replace")
    if message is not None:
        yield from _address("mailfrom", f"MAIL FROM:<{message.sender.text}>")
        yield "message_rcpt_count", str(len(message.recipients))
    if line[:10].upper() == "MAIL FROM:" and message is None:
        yield from _address("mailfrom", line)
    elif line[:8].upper() == "RCPT TO:":
        yield from _address("rcptto", line)


def _address(name: str, line: str) -> Iterator[tuple[str, str]]:
    yield f"{name}_string", line
    path = split_path(line.partition(":")[2].strip())
    found = None if path is None else parse_mailbox(path[0])
    yield f"{name}_localpart", "" if found is None else found.local
    yield f"{name}_domain", "" if found is None else found.domain
