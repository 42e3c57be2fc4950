"""Endpoints, addresses and networks as text (configuration §4, §8.1).

HOST[:PORT][,BACKLOG][~CONCURRENCY]        HOST = IPv4, [IPv6], *, [*] or nothing (any)
/unix/path[,BACKLOG][~CONCURRENCY]
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from momentum_node.config.model import Address, Network

DEFAULT_PORTS = {"esmtp_listener": 25, "control_listener": 2025, "ecstream_listener": 1825, "eccluster_listener": 4802}
DEFAULT_BACKLOG = 500  # Momentum 3; 2.x used 5
_TAIL = re.compile(r"(?:,([0-9]{1,9}))?(?:~([0-9]{1,9}))?\Z")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"({_OCTET})\.({_OCTET})\.({_OCTET})\.({_OCTET})\Z")
_NUMBER = re.compile(r"[0-9]{1,9}\Z")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place to listen. `address` None with `path` None = any IPv4 address (`*`); `[*]` is the address `::`."""

    address: Address | None
    port: int
    path: str | None = None
    backlog: int | None = None
    concurrency: int | None = None

    @property
    def is_any(self) -> bool:
        return self.path is None and (self.address is None or (self.address.version == 6 and int(self.address) == 0))

    def __str__(self) -> str:
        """The normalised spelling, without backlog and concurrency: equal endpoints print equal."""
        if self.path is not None:
            return self.path
        if self.address is None:
            return f"*:{self.port}"
        host = str(self.address) if self.address.version == 4 else _bracketed(self.address)
        return f"{host}:{self.port}"


def _bracketed(address: Address) -> str:
    return "[*]" if address == IPv6Address(0) else f"[{address}]"


@lru_cache(maxsize=16384)
def endpoint(text: str, default_port: int) -> Endpoint:
    """Read an endpoint; raises ValueError whose text says what is wrong."""
    plain = _ipv4(text)  # the commonest form first: a large configuration has a hundred thousand of them
    if plain is not None:
        return Endpoint(plain, default_port)
    body, backlog, concurrency = _tail(text)
    if body.startswith("/"):
        return Endpoint(None, 0, body, backlog, concurrency)
    host, port = _host_and_port(body, default_port)
    return Endpoint(_host(host, text), port, None, backlog, concurrency)


def _tail(text: str) -> tuple[str, int | None, int | None]:
    cut = min((position for mark in ",~" if (position := text.find(mark)) >= 0), default=len(text))
    match = _TAIL.match(text, cut)
    if match is None:
        raise ValueError(f"'{text}' is not an endpoint: expected HOST:PORT[,BACKLOG][~CONCURRENCY]")
    backlog, concurrency = (int(number) if number else None for number in match.groups())
    if backlog == 0:
        raise ValueError(f"'{text}' is not an endpoint: the backlog must be 1 or more")
    return text[:cut], backlog, concurrency


def _host_and_port(body: str, default_port: int) -> tuple[str, int]:
    if body.startswith("["):
        host, bracket, rest = body.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"'{body}' is not an endpoint: expected [IPv6]:PORT")
        return host + bracket, _port(body, rest[1:]) if rest else default_port
    host, colon, port = body.partition(":")
    if ":" in port:
        raise ValueError(f"'{body}' is not an endpoint: an IPv6 address needs square brackets")
    return host, _port(body, port) if colon else default_port


def _port(body: str, text: str) -> int:
    if not _NUMBER.match(text) or not 1 <= int(text) <= 65535:
        raise ValueError(f"'{body}' is not an endpoint: the port must be 1-65535")
    return int(text)


def _host(host: str, text: str) -> Address | None:
    if host in {"*", ""}:
        return None
    if host.startswith("["):
        return IPv6Address(0) if host == "[*]" else _parsed(IPv6Address, host[1:-1], text)
    return _ipv4(host) or _parsed(IPv4Address, host, text)


def _ipv4(text: str) -> IPv4Address | None:
    """Four numbers with dots, three times as fast as `ipaddress` reads them; None for anything else."""
    match = _IPV4.match(text)
    if match is None:
        return None
    first, second, third, fourth = match.groups()
    return IPv4Address(int(first) << 24 | int(second) << 16 | int(third) << 8 | int(fourth))


def _parsed(kind: type[IPv4Address] | type[IPv6Address], host: str, text: str) -> Address:
    try:
        return kind(host)
    except ValueError:
        raise ValueError(f"'{text}' is not an endpoint: '{host}' is not an address or '*'") from None


def address(text: str) -> Address:
    """One IPv4 or IPv6 address; brackets around IPv6 are accepted. Raises ValueError."""
    plain = _ipv4(text)
    if plain is not None:
        return plain
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return IPv6Address(bare) if ":" in bare else ip_address(bare)
    except ValueError:
        raise ValueError(f"'{text}' is not an address") from None


@lru_cache(maxsize=16384)
def network(text: str) -> tuple[Network, bool]:
    """A CIDR (without a mask: one host) and whether host bits had to be cleared. Raises ValueError."""
    host, slash, mask = text.partition("/")
    try:
        first = address(host)
    except ValueError:
        raise ValueError(f"'{text}' is not an address or CIDR") from None
    if isinstance(first, IPv6Address) and first.scope_id:
        raise ValueError(f"'{text}' is not an address or CIDR")
    if slash and (not _NUMBER.match(mask) or int(mask) > first.max_prefixlen):
        raise ValueError(f"'{text}' is not a valid network: mask must be 0-{first.max_prefixlen}")
    length = int(mask) if slash else first.max_prefixlen
    kind: type[IPv4Network] | type[IPv6Network] = IPv4Network if isinstance(first, IPv4Address) else IPv6Network
    number = int(first)
    found = kind((number, length), strict=False)  # from the number: from an address it would print and read it
    return found, number & ((1 << first.max_prefixlen - length) - 1) != 0
