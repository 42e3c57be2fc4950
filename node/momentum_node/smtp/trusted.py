"""What a trusted client may say of the session besides XCLIENT; each is offered where `SMTP_Extensions` lists it. Pure.

XREMOTEIP 192.0.2.7             the client is at this address from now on: for limits, options and logs
XSETCONTEXT key=value key=…     more of the session's context (`Context`), values as xtext (RFC 1891 §5)
XDUMPCONTEXT                    the context, as it is
"""

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from momentum_node.smtp import reply as say
from momentum_node.smtp.context import connection_context
from momentum_node.smtp.events import Become
from momentum_node.smtp.reply import reply
from momentum_node.smtp.xclient import Attributes, from_xtext, to_xtext

if TYPE_CHECKING:
    from momentum_node.smtp.session import Session

MOST_KEYS: Final = 100
LONGEST_VALUE: Final = 1024  # characters, also of a key


def remote_ip(session: "Session", argument: str) -> None:
    """XREMOTEIP, at any time between two commands; a transaction goes on."""
    if "XREMOTEIP" not in session.options.smtp_extensions:
        session.complain(say.NOT_RECOGNIZED)
        return
    try:
        address = ip_address(argument.strip())
    except ValueError:
        session.answer(say.BAD_PARAMETER)
    else:
        session.wait_for(Become(Attributes(address), is_new=False))


def set_context(session: "Session", argument: str) -> None:
    """XSETCONTEXT: all of the pairs, or none."""
    if "XSETCONTEXT" not in session.options.smtp_extensions:
        session.complain(say.NOT_RECOGNIZED)
        return
    given = [word.partition("=") for word in argument.split()]
    pairs = {from_xtext(key): from_xtext(value) for key, _, value in given}
    is_good = given and all(key and separator for key, separator, _ in given)
    if not is_good or any(len(text) > LONGEST_VALUE for pair in pairs.items() for text in pair):
        session.answer(say.BAD_PARAMETER)
    elif len({*session.context, *pairs}) > MOST_KEYS:
        session.answer(say.TOO_MUCH_CONTEXT)
    else:
        session.context.update(pairs)
        session.answer(say.OK)


def dump_context(session: "Session", argument: str) -> None:
    """XDUMPCONTEXT: one line for each key."""
    if "XDUMPCONTEXT" not in session.options.smtp_extensions:
        session.complain(say.NOT_RECOGNIZED)
    elif argument:
        session.answer(say.SYNTAX_ERROR)
    else:
        lines = [f"{to_xtext(key)}={to_xtext(value)}" for key, value in connection_context(session).items()]
        session.answer(reply(250, "", *lines, "end of context"))
