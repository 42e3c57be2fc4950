"""What a session has come to, as logs show it beside a refusal: where it was, the keys of its contexts. Pure."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from momentum_node.smtp import reply as say
from momentum_node.smtp.address import parse_mailbox, split_path
from momentum_node.smtp.arriving import Arriving
from momentum_node.smtp.events import Refused, State
from momentum_node.smtp.relay import relays_for
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.trace import Origin, protocol_name
from momentum_node.spool.message import Context, same

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
_COUNTS: Final = ("connection_message_count", "connection_rcpt_count")


def refusal(session: "Session", answer: Reply) -> Refused:
    """The event of an answer that is about to be given."""
    module = "relay_check" if answer == say.RELAY_DENIED else "core"
    return Refused(answer, _PHASES[session.state], module, connection_context(session), dict(_message(session)))


def origin_of(session: "Session", message: Arriving, client: str, hostname: str) -> Origin:
    """Where a message comes from. `client`: address:port; `hostname`: ours, where no option says another one."""
    options, tls = session.options, session.tls
    return Origin(
        client=client,
        helo=session.helo,
        hostname=options.received_hostname or hostname,
        protocol=protocol_name(session.is_extended, message.smtputf8, tls is not None, session.user is not None),
        cipher="" if tls is None else tls.cipher,
        is_traced=options.trace_headers,
        user=session.user or "",
        context=kept_context(session),
    )


def kept_context(session: "Session") -> Context:
    """What a message keeps of it: all but the counts, so that messages of one client have the same."""
    return same(tuple(_known(session, {}).items()))


def connection_context(session: "Session") -> dict[str, str]:
    """Keys and values of the session; its own come last, and cannot be set from outside."""
    return _known(session, dict(zip(_COUNTS, (str(session.receptions), str(session.recipients)), strict=True)))


def _known(session: "Session", counts: Mapping[str, str]) -> dict[str, str]:
    found = {key: value for key, value in session.context.items() if key not in _COUNTS}
    found["can_relay"] = "true" if _can_relay(session) else "false"
    found.update(counts)
    if session.helo:
        found["ehlo_domain"] = session.helo
        found["ehlo_string"] = f"{'EHLO' if session.is_extended else 'HELO'} {session.helo}"
    found["pathway"] = session.options.pathway
    if session.tls is not None:
        found["tls"] = "true"
        found["tls_cipher"] = session.tls.cipher
        found["tls_client_verified"] = str(session.tls.is_verified).lower()
        if session.tls.is_verified:
            found["tls_client_cert_subject"] = session.tls.subject
    if session.auth_status:
        found["auth_status"] = session.auth_status
    if session.user is not None:
        found["auth_user"] = session.user
    return found


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
