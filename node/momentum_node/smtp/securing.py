"""STARTTLS (RFC 3207) and AUTH (RFC 4954) in a reception session. Pure; handshake and check are the driver's."""

from typing import TYPE_CHECKING

from momentum_node.smtp import reply as say
from momentum_node.smtp.events import Authenticate, StartTls, State
from momentum_node.smtp.offers import mechanisms, offers_tls, store_of
from momentum_node.smtp.reply import reply
from momentum_node.smtp.sasl import Exchange, Malformed, begin, encode

if TYPE_CHECKING:
    from momentum_node.smtp.session import Session


def starttls(session: "Session", argument: str) -> None:
    """The client wants TLS from here on."""
    if session.tls is not None or not offers_tls(session.options):
        session.complain(say.NOT_RECOGNIZED if session.tls is None else say.OUT_OF_ORDER)
    elif argument:
        session.answer(say.SYNTAX_ERROR)
    elif session.state not in {State.GREETED, State.READY}:
        session.answer(say.OUT_OF_ORDER)
    elif session.buffered and session.options.starttls_injection_policy == "reject":
        # Bytes behind the command were sent in the clear, and would be taken for ones that came through TLS.
        session.leave(say.PIPELINED_STARTTLS)
    else:
        behind = session.take_input()
        session.answer(say.READY_FOR_TLS)
        session.wait_for(StartTls(behind if session.options.starttls_injection_policy == "allow" else b""))


def auth(session: "Session", argument: str) -> None:
    """AUTH mechanism [initial response]."""
    name, _, initial = argument.partition(" ")
    mechanism = name.upper()
    if not session.is_extended or session.state is not State.READY or session.user is not None:
        session.answer(say.OUT_OF_ORDER)
    elif mechanism not in {"PLAIN", "LOGIN"} or store_of(session.options, mechanism) is None:
        session.complain(say.NO_SUCH_MECHANISM)
    elif mechanism not in mechanisms(session.options, session.tls is not None):
        session.answer(say.TLS_NEEDED)
    else:
        try:
            _go_on(session, begin(mechanism, initial or None))
        except Malformed:
            session.complain(say.BAD_PARAMETER)


def respond(session: "Session", exchange: Exchange, line: bytes) -> None:
    """One line of the client within an attempt; `*` gives it up."""
    session.state = State.READY
    if line == b"*":
        session.answer(say.AUTH_CANCELLED)
        return
    try:
        exchange.respond(line.decode("ascii"))
    except (Malformed, UnicodeDecodeError):
        session.complain(say.BAD_PARAMETER)
    else:
        _go_on(session, exchange)


def _go_on(session: "Session", exchange: Exchange) -> None:
    if exchange.credentials is not None:
        session.wait_for(Authenticate(exchange.credentials))
        return
    session.ask(exchange, reply(334, "", encode(exchange.challenge or b"")))
