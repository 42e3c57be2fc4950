"""XCLIENT: a trusted proxy says who the client is (Postfix, XCLIENT_README). Pure.

    XCLIENT ADDR=192.0.2.7 PORT=5321 HELO=client.example.com PROTO=ESMTP

Values are xtext (RFC 1891); `[UNAVAILABLE]` and `[TEMPUNAVAIL]` say that one is not known.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from momentum_node.config.model import Address
from momentum_node.smtp import reply as say
from momentum_node.smtp.events import Become, State

if TYPE_CHECKING:
    from momentum_node.smtp.session import Session

_UNKNOWN: Final = {"[UNAVAILABLE]", "[TEMPUNAVAIL]"}
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")
_NAMES: Final = {"ADDR", "PORT", "NAME", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"}


@dataclass(frozen=True, slots=True)
class Attributes:
    """What was said; None: nothing, so what was known stays."""

    address: Address | None = None
    port: int | None = None
    helo: str | None = None
    is_extended: bool | None = None
    user: str | None = None


def from_xtext(text: str) -> str:
    """RFC 1891 §5: `+2B` is `+`."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), text)


def to_xtext(text: str) -> str:
    """The other way round; what is not ASCII goes as it is (RFC 6533 is not asked for)."""
    return "".join(f"+{ord(one):02X}" if one in "+=" or ord(one) < 33 or ord(one) == 127 else one for one in text)


def xclient(session: "Session", argument: str) -> None:
    """The command. What follows is a session that begins anew, as the client named."""
    if "XCLIENT" not in session.options.smtp_extensions:
        session.complain(say.NOT_RECOGNIZED)
        return
    if session.state not in {State.GREETED, State.READY}:
        session.answer(say.OUT_OF_ORDER)
        return
    attributes = parse(argument)
    if attributes is None:
        session.answer(say.BAD_PARAMETER)
    else:
        session.wait_for(Become(attributes))


def parse(argument: str) -> Attributes | None:
    """The attributes, or None when something is not as it must be."""
    given: dict[str, str] = {}
    for word in argument.split():
        name, separator, value = word.partition("=")
        if not separator or name.upper() not in _NAMES:
            return None
        given[name.upper()] = from_xtext(value)
    known = {name: value for name, value in given.items() if value.upper() not in _UNKNOWN}
    try:
        address = ip_address(known["ADDR"].removeprefix("IPV6:").removeprefix("IPv6:")) if "ADDR" in known else None
        port = int(known["PORT"]) if "PORT" in known else None
    except ValueError:
        return None
    is_extended = known["PROTO"].upper() == "ESMTP" if "PROTO" in known else None
    return Attributes(address, port, known.get("HELO"), is_extended, known.get("LOGIN")) if given else None
