"""Next hops as they are written: `Gateway` and the entries of `Routes` (mta §8).

host   192.0.2.1   [2001:db8::1]   each with an optional :port
smtp://host?pref=10&port=25&type=mx&ttl=300
__mx__                                        the domain's own MX records
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from momentum_node.config.source import Report
from momentum_node.config.tree import Scope

OWN_MX: Final = "__mx__"
_NUMBERS: Final = {"pref": 65_535, "port": 65_535, "ttl": 4_294_967_295}


@dataclass(frozen=True, slots=True)
class NextHop:
    """One entry. `name`: host, address, or `OWN_MX`; `port` None: that of the delivery method."""

    name: str
    port: int | None = None
    preference: int | None = None
    asks_mx: bool = True  # a name's MX records come before its addresses
    ttl_s: int = 0  # how long its addresses are kept; 0 = as long as the DNS says


def literal(name: str) -> str | None:
    """The address, when the name is one; else None."""
    try:
        return str(ip_address(name))
    except ValueError:
        return None


def parse_gateway(text: str) -> NextHop:
    """A host, with or without a port."""
    if text.startswith("["):
        inside, _, behind = text[1:].partition("]")
        return NextHop(inside, int(behind[1:]) if behind[1:].isdecimal() else None)
    name, colon, number = text.rpartition(":")
    if colon and number.isdecimal() and ":" not in name:
        return NextHop(name, int(number))
    return NextHop(text)


def parse_route(text: str) -> NextHop:
    """An entry of `Routes`. Raises `ValueError` with what is wrong."""
    if text.lower() == OWN_MX:
        return NextHop(OWN_MX)
    if "://" not in text:
        if "?" in text or "/" in text:
            raise ValueError("a host with parameters is written smtp://host?pref=10")
        return parse_gateway(text)
    url = urlsplit(text)
    if url.scheme not in {"smtp", "lmtp"} or not url.netloc or url.path not in {"", "/"}:
        raise ValueError("it has the form smtp://host?pref=10&port=25&type=mx")
    host = parse_gateway(url.netloc)
    given = dict(parse_qsl(url.query, keep_blank_values=True))
    numbers = {name: _number(name, given.pop(name)) for name in _NUMBERS if name in given}
    kind = given.pop("type", "mx").lower()
    if given or kind not in {"mx", "a"}:
        wrong = next(iter(given), f"type={kind}")
        raise ValueError(f"'{wrong}' is none of pref=, port=, ttl=, type=mx and type=a")
    port, preference, ttl_s = numbers.get("port", host.port), numbers.get("pref"), numbers.get("ttl", 0)
    return NextHop(host.name, port, preference, kind == "mx", ttl_s)


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) > _NUMBERS[name]:
        raise ValueError(f"{name} is a number from 0 to {_NUMBERS[name]}, not '{text}'")
    return int(text)


def check(scope: Scope, report: Report) -> None:
    """Every entry of every `Routes` can be read."""
    setting = scope.settings.get("routes")
    if setting is not None and isinstance(setting.decoded, tuple):
        for text in setting.decoded:
            try:
                parse_route(text)
            except ValueError as wrong:
                report.error(setting.value.at, "V002", f"'{text}' in '{setting.name}': {wrong}")
    for child in scope.children.values():
        if child.settings or child.children:  # most of a large file are empty
            check(child, report)
