"""Where mail for a domain goes: gateways, `Routes`, MX records in order, and where it must not go. Pure: the resolver
asks, this orders (RFC 5321 §5).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from momentum_node.config.model import Address, Network
from momentum_node.config.nexthops import OWN_MX, NextHop, literal, parse_gateway, parse_route
from momentum_node.smtp.address import literal_address
from momentum_node.smtp.reply import Reply, reply

NULL_MX: Final = reply(550, "5.4.4", "[internal] NULL MX domain does not accept mail")
NO_HOST: Final = reply(454, "4.4.4", "[internal] no MX or A for domain")
LOOKUP_FAILED: Final = reply(454, "4.4.3", "[internal] domain lookup failed for now")
DOMAIN_UNKNOWN: Final = reply(554, "5.4.4", "[internal] Domain Lookup Failed")
LOOKUP_PURGED: Final = DOMAIN_UNKNOWN
PROHIBITED: Final = reply(551, "5.4.6", "[internal] Private/Loopback Address")
OURSELVES: Final = reply(554, "5.4.6", "[internal] mail for this domain comes back to this server")
NO_FAMILY: Final = reply(550, "5.4.4", "[internal] no address that the source address can reach")
MOST_HOSTS: Final = 50
"""Of one domain: a stranger may write any number into his zone, and each is asked for, tried and told of."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One entry of a way. `rank`: lower first; equal ones share the load."""

    name: str
    port: int
    rank: int = 0
    asks_mx: bool = True
    is_given: bool = False  # an administrator named it: it may be one of our own addresses
    address: str | None = None  # it is an address: nothing is looked up
    ttl_s: int = 0  # how long what is looked up is kept; 0 = as long as the DNS says


@dataclass(frozen=True, slots=True)
class Host:
    """A host of a stop, by its MX record or by its own name."""

    name: str
    preference: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """One address to connect to."""

    address: str
    port: int
    host: str
    preference: int
    domain: str = ""  # whose host it is: the domain of the recipients, or a gateway
    is_given: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What its certificate may be issued for."""
        return tuple(dict.fromkeys(name for name in (self.host, self.domain) if name))


@dataclass(frozen=True, slots=True)
class NoRoute:
    """There is none, and what to tell about it: 4yz = ask again later. `failures`: periods in a row without answer."""

    reply: Reply
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Fence:
    """Where not to go: `own` addresses of the cluster, `prohibited` networks."""

    own: frozenset[str] = frozenset()
    prohibited: tuple[Network, ...] = ()

    def allowed(self, targets: Sequence[Target], source: Address | None) -> list[Target] | NoRoute:
        """The targets that may be used, or why there is none.

        Of MX records one of our own ends the list: it, and all that are not better, lead back here (RFC 5321 §5.1).
        """
        end = min((one.preference for one in targets if one.address in self.own and not one.is_given), default=None)
        left = [one for one in targets if end is None or one.preference < end]
        if targets and not left:
            return NoRoute(OURSELVES)
        public = [one for one in left if not self._is_prohibited(one.address)] if self.prohibited else left
        if left and not public:
            return NoRoute(PROHIBITED)
        reachable = [one for one in public if source is None or ip_address(one.address).version == source.version]
        return reachable if reachable or not public else NoRoute(NO_FAMILY)

    def _is_prohibited(self, text: str) -> bool:
        address = ip_address(text)
        return any(address in network for network in self.prohibited)


def stops_of(domain: str, gateway: str | None, routes: Sequence[str], port: int) -> tuple[Stop, ...]:
    """The way of mail for a domain. A gateway stands for everything else, `Routes` for the domain's MX records."""
    if gateway is not None:
        return (_given(parse_gateway(gateway), port, 0),)
    if not routes:
        return (_own(domain, port, 0),)
    stops, rank = [], -1
    for hop in map(parse_route, routes):
        rank = rank + 1 if hop.preference is None else hop.preference
        stops.append(_own(domain, hop.port or port, rank) if hop.name == OWN_MX else _given(hop, port, rank))
    return tuple(sorted(stops, key=lambda stop: stop.rank))


def _own(domain: str, port: int, rank: int) -> Stop:
    return Stop(domain, port, rank, address=literal_address(domain) if domain.startswith("[") else literal(domain))


def _given(hop: NextHop, port: int, rank: int) -> Stop:
    return Stop(hop.name, hop.port or port, rank, hop.asks_mx, True, literal(hop.name), hop.ttl_s)


def order_mx(records: Iterable[tuple[int, str]]) -> list[Host] | NoRoute:
    """MX records as hosts, best first, `MOST_HOSTS` at most. A single `.` refuses all mail (RFC 7505)."""
    hosts = sorted((preference, name.rstrip(".").lower()) for preference, name in records)
    if hosts and all(not name for _, name in hosts):
        return NoRoute(NULL_MX)
    return [Host(name, preference) for preference, name in hosts if name][:MOST_HOSTS]


def joined(found: Sequence[tuple[Stop, list[Target] | NoRoute]]) -> list[Target] | NoRoute:
    """The targets of all stops as one list with one order of preference; why there is none, when no stop has any."""
    if len(found) == 1:
        return found[0][1]
    there = [(stop.rank, target) for stop, targets in found if not isinstance(targets, NoRoute) for target in targets]
    if not there:
        missing = [one for _, one in found if isinstance(one, NoRoute)]
        return next((one for one in missing if one.reply.is_transient), missing[0])
    order = {key: number for number, key in enumerate(sorted({(rank, one.preference) for rank, one in there}))}
    return [
        Target(one.address, one.port, one.host, order[rank, one.preference], one.domain, one.is_given)
        for rank, one in there
    ]
