"""Envelope addresses: RFC 5321 §4.1.2 with RFC 6531 for what is not ASCII.

Path    = "<" [ A-d-l ":" ] Mailbox ">"        source routes are read and dropped (RFC 5321, appendix F.2)
Mailbox = Local-part "@" ( Domain / address-literal )
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

MAX_LOCAL: Final = 64  # RFC 5321 §4.5.3.1.1, octets
MAX_DOMAIN: Final = 255
_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"
_DOT_STRING: Final = rf"{_ATEXT}+(?:\.{_ATEXT}+)*"
_QUOTED: Final = r'"(?:[\x20-\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*"'
_LABEL: Final = r"[A-Za-z0-9_\u0080-\U0010ffff](?:[A-Za-z0-9_\-\u0080-\U0010ffff]*[A-Za-z0-9_\u0080-\U0010ffff])?"
_DOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*\.?"
_MAILBOX: Final = re.compile(rf"({_DOT_STRING}|{_QUOTED})(?:@({_DOMAIN}|\[[^\[\]\\\s]+\]))?")
_LOOSE: Final = re.compile(rf'([^\s"<>@\x00-\x1f\x7f]+|{_QUOTED})(?:@({_DOMAIN}|\[[^\[\]\\\s]+\]))?')
MAX_LOOSE_LOCAL: Final = 255
_ROUTE: Final = re.compile(rf"@{_DOMAIN}(?:,@{_DOMAIN})*:")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address. `domain` is lower case, "" for `<postmaster>`; `text` is what was written."""

    text: str
    local: str
    domain: str

    @property
    def is_ascii(self) -> bool:
        """It can be told to a server without SMTPUTF8."""
        return self.text.isascii()

    @property
    def is_literal(self) -> bool:
        """The domain is `[address]`."""
        return self.domain.startswith("[")


NULL: Final = Mailbox("", "", "")
"""The null sender, `<>`."""


def parse_mailbox(text: str, *, is_pedantic: bool = True) -> Mailbox | None:
    """The address, or None when it is not one. Not pedantic: a local part may have any characters, in any order, that
    do not end it, and 255 octets."""
    found = (_MAILBOX if is_pedantic else _LOOSE).fullmatch(text)
    if found is None:
        return None
    local, domain = found[1], (found[2] or "").lower().rstrip(".")
    is_short = len(text) <= MAX_LOCAL and text.isascii()
    if not (is_short or (_fits(local, MAX_LOCAL if is_pedantic else MAX_LOOSE_LOCAL) and _fits(domain, MAX_DOMAIN))):
        return None
    if domain.startswith("[") and literal_address(domain) is None:
        return None
    if not domain and local.lower() != "postmaster":
        return None
    return Mailbox(text, local, domain)


def _fits(text: str, octets: int) -> bool:
    return len(text.encode()) <= octets


def completed(text: str, domain: str | None, *, is_pedantic: bool = True) -> Mailbox | None:
    """As `parse_mailbox`, of an address that gets `domain` when it has none."""
    mailbox = parse_mailbox(text, is_pedantic=is_pedantic)
    if domain is None or (mailbox is not None and mailbox.domain):
        return mailbox
    return parse_mailbox(f"{text}@{domain}", is_pedantic=is_pedantic)


def literal_address(domain: str) -> str | None:
    """The IP address of an address literal, `[192.0.2.1]` or `[IPv6:2001:db8::1]`; None when it is none."""
    text = domain[1:-1]
    is_v6 = text[:5].lower() == "ipv6:"
    try:
        address = ip_address(text[5:] if is_v6 else text)
    except ValueError:
        return None
    return str(address) if isinstance(address, IPv6Address) == is_v6 else None


def split_path(argument: str) -> tuple[str, str] | None:
    """`<path> parameters` as (mailbox text without route, parameters); None when there are no angle brackets.

    A `>` inside a quoted local part does not end the path.
    """
    if not argument.startswith("<"):
        return None
    end = argument.find(">")
    if '"' not in argument[:end]:
        return None if end < 0 else _parted(argument, end)
    is_quoted = is_escaped = False
    for position, character in enumerate(argument):
        if is_escaped:
            is_escaped = False
        elif is_quoted and character == "\\":
            is_escaped = True
        elif character == '"':
            is_quoted = not is_quoted
        elif character == ">" and not is_quoted:
            return _parted(argument, position)
    return None


def _parted(argument: str, end: int) -> tuple[str, str] | None:
    """What `split_path` says when the path ends there."""
    inner, rest = argument[1:end], argument[end + 1 :]
    if rest and not rest.startswith(" "):
        return None
    route = _ROUTE.match(inner) if inner.startswith("@") else None
    return inner[route.end() if route else 0 :], rest.strip()
