"""Where mail for a domain goes: gateways, MX records in order. Pure; the resolver asks, this orders (RFC 5321 §5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from momentum_node.smtp.reply import Reply, reply

NULL_MX: Final = reply(550, "5.4.4", "[internal] NULL MX domain does not accept mail")
NO_HOST: Final = reply(454, "4.4.4", "[internal] no MX or A for domain")
LOOKUP_FAILED: Final = reply(454, "4.4.3", "[internal] domain lookup failed for now")
DOMAIN_UNKNOWN: Final = reply(554, "5.4.4", "[internal] Domain Lookup Failed")


@dataclass(frozen=True, slots=True)
class Host:
    """A name or an address to go to. `is_final`: no MX look-up of it."""

    name: str
    port: int
    preference: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """One address to connect to."""

    address: str
    port: int
    host: str
    preference: int


@dataclass(frozen=True, slots=True)
class NoRoute:
    """There is none, and what to tell about it: 4yz = ask again later."""

    reply: Reply


def parse_gateway(text: str, port: int) -> Host:
    """`host`, `192.0.2.1`, `[2001:db8::1]`, each with an optional `:port`; `port` where none is named."""
    if text.startswith("["):
        inside, _, behind = text[1:].partition("]")
        return Host(inside, int(behind[1:]) if behind[1:].isdecimal() else port)
    name, colon, number = text.rpartition(":")
    if colon and number.isdecimal() and ":" not in name:
        return Host(name, int(number))
    return Host(text, port)


def literal(name: str) -> str | None:
    """The address, when the name is one; else None."""
    try:
        return str(ip_address(name))
    except ValueError:
        return None


def order_mx(records: Iterable[tuple[int, str]], port: int) -> list[Host] | NoRoute:
    """MX records as hosts, best first. A single `.` refuses all mail (RFC 7505)."""
    hosts = sorted((preference, name.rstrip(".").lower()) for preference, name in records)
    if hosts and all(not name for _, name in hosts):
        return NoRoute(NULL_MX)
    return [Host(name, port, preference) for preference, name in hosts if name]


def choose(
    targets: Iterable[Target],
    resting: Mapping[str, float],
    open_to: Mapping[str, int],
    families: frozenset[int],
    now: float,
) -> list[Target]:
    """The targets to try now, in order: no failure lately, lower preference first, then fewer open connections.

    `resting`: address → until when it is left alone. `families`: IP versions that the source address can reach.
    """
    usable = [
        target
        for target in targets
        if resting.get(target.address, 0.0) <= now and ip_address(target.address).version in families
    ]
    return sorted(usable, key=lambda target: (target.preference, open_to.get(target.address, 0)))
