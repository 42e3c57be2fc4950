"""Asking the DNS for the hosts of a domain: one question at a time for each domain, answers kept for their TTL."""

import asyncio
import math
from collections.abc import Callable, Sequence
from itertools import islice, product
from typing import Final, NamedTuple

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from momentum_node import clock
from momentum_node.smtp.routes import (
    DOMAIN_UNKNOWN,
    LOOKUP_FAILED,
    NO_HOST,
    Host,
    NoRoute,
    Stop,
    Target,
    joined,
    order_mx,
)
from momentum_node.smtp.unanswered import Counts, Unanswered

CACHE_ENTRIES = 100_000
LIFETIME_S = 15.0
ASKING_S = 2 * LIFETIME_S  # for the addresses of one domain: no further host is asked for after it
MOST_TARGETS = 100  # addresses of one domain: a stranger writes his zone


class Patience(NamedTuple):
    """What is done about look-ups that fail."""

    mx_failures: int = 3  # MX queries in a row without an answer, until the domain's own address is tried
    period_s: float = 1200.0  # failures within one such period count once


PATIENCE: Final = Patience()


class _Cache(dns.resolver.LRUCache):
    """Each answer for at least `least_s` and at most `most_s`, whatever the DNS says."""

    least_s = 0.0
    most_s = math.inf

    def put(self, key: dns.resolver.CacheKey, value: dns.resolver.Answer) -> None:
        """See `LRUCache`."""
        ttl = value.chaining_result.minimum_ttl
        value.expiration += min(max(ttl, self.least_s), self.most_s) - ttl
        super().put(key, value)


class Resolver:
    """`nameservers` and `port` are for tests; by default the system's resolv.conf says whom to ask."""

    def __init__(self, nameservers: Sequence[str] | None = None, port: int = 53) -> None:
        self.use_ipv6 = False
        self._given = nameservers
        self._port = port
        self._asking: dict[Stop, asyncio.Task[list[Target] | NoRoute]] = {}
        self._unanswered = Unanswered()
        self.on_counted: Callable[[str, Counts], None] = lambda _name, _counts: None
        """A name was asked for in vain again, or has an answer again: what other workers are to `heed`."""
        self._cache = _Cache(CACHE_ENTRIES)
        self._kept: dict[Stop, tuple[float, list[Target]]] = {}  # until when; of entries of `Routes` that say so
        self._dns: dns.asyncresolver.Resolver | None = None

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if self._dns is None:
            self._dns = dns.asyncresolver.Resolver(configure=self._given is None)
            if self._given is not None:
                self._dns.nameservers = list(self._given)
            self._dns.port = self._port
            self._dns.lifetime = LIFETIME_S
            self._dns.cache = self._cache
        return self._dns

    def keep_answers(self, least_s: float, most_s: float) -> None:
        """For so long, from now on."""
        self._cache.least_s, self._cache.most_s = least_s, most_s

    def forget(self, name: str | None = None) -> None:
        """Ask again for the hosts of a name and for their addresses, next time; None: for everything."""
        self._unanswered.forget(name)
        self._kept = {stop: kept for stop, kept in self._kept.items() if name not in {None, stop.name}}
        if name is None:
            self._cache.flush()
            return
        known = self._cache.get(_key(name, "MX"))
        hosts = [] if known is None or known.rrset is None else [record.exchange for record in known.rrset]
        self._cache.flush(_key(name, "MX"))
        for host in (name, *hosts):
            for kind in ("A", "AAAA", "ANY"):  # ANY: that there is no such name
                self._cache.flush(_key(host, kind))

    def heed(self, name: str, counts: Counts) -> None:
        """Another worker has counted."""
        self._unanswered.heed(name, counts, clock.monotonic())

    async def targets(self, stops: Sequence[Stop], patience: Patience = PATIENCE) -> list[Target] | NoRoute:
        """All addresses of a way, best first."""
        return joined([(stop, await self._stop(stop, patience)) for stop in stops])

    async def _stop(self, stop: Stop, patience: Patience) -> list[Target] | NoRoute:
        if stop.address is not None:
            return [_target(stop, stop.address, Host(stop.name))]
        until, kept = self._kept.get(stop, (0.0, []))
        if until > clock.monotonic():
            return kept
        task = self._asking.get(stop)
        if task is None:
            task = self._asking[stop] = asyncio.create_task(self._ask(stop, patience))
            task.add_done_callback(lambda _: self._asking.pop(stop, None))
        return await asyncio.shield(task)

    async def _ask(self, stop: Stop, patience: Patience) -> list[Target] | NoRoute:
        before = self._unanswered.of(stop.name)
        found = await self._look_up(stop, patience)
        counts = self._unanswered.of(stop.name)
        if counts != before:
            self.on_counted(stop.name, counts)
        if stop.ttl_s and not isinstance(found, NoRoute):
            self._kept[stop] = clock.monotonic() + stop.ttl_s, found
        return found

    async def _look_up(self, stop: Stop, patience: Patience) -> list[Target] | NoRoute:
        try:
            hosts = await self._hosts(stop, patience)
            if isinstance(hosts, NoRoute):
                found: list[Target] | NoRoute = hosts
            else:
                found = await self._addresses(stop, hosts)
        except (dns.resolver.NXDOMAIN, dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.IDNAException):
            self._unanswered.forget(stop.name)
            return NoRoute(DOMAIN_UNKNOWN)
        except dns.exception.DNSException:
            periods = self._unanswered.failed(stop.name, patience.period_s, clock.monotonic())
            return NoRoute(LOOKUP_FAILED, periods)
        self._unanswered.answered(stop.name)
        return found or NoRoute(NO_HOST)

    async def _hosts(self, stop: Stop, patience: Patience) -> list[Host] | NoRoute:
        """The hosts of a stop: itself, where it has no MX records, or these have not been told for too long."""
        if not stop.asks_mx:
            return [Host(stop.name)]
        try:
            answer = await self._resolver().resolve(stop.name, "MX", search=False, raise_on_no_answer=False)
        except (dns.resolver.NoNameservers, dns.exception.Timeout):
            if self._unanswered.query_failed(stop.name) <= patience.mx_failures:
                raise
            return [Host(stop.name)]
        self._unanswered.query_answered(stop.name)
        found = order_mx((record.preference, record.exchange.to_text()) for record in answer)
        return found or [Host(stop.name)]

    async def _addresses(self, stop: Stop, hosts: Sequence[Host]) -> list[Target]:
        """Of those hosts that the DNS says something of now; raises what is in the way when it is none."""
        targets: list[Target] = []
        failure: dns.exception.DNSException | None = None
        end = clock.monotonic() + ASKING_S
        for host, kind in product(hosts, ("A", "AAAA") if self.use_ipv6 else ("A",)):
            try:
                answer = await self._resolver().resolve(host.name, kind, search=False)
            except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
                continue
            except (dns.resolver.NoNameservers, dns.exception.Timeout) as error:
                failure = error
            else:
                targets += [
                    _target(stop, record.address, host) for record in islice(answer, MOST_TARGETS - len(targets))
                ]
            if len(targets) == MOST_TARGETS or clock.monotonic() > end:
                break
        if failure is not None and not targets:
            raise failure
        return targets


def _key(
    name: str | dns.name.Name, kind: str
) -> tuple[dns.name.Name, dns.rdatatype.RdataType, dns.rdataclass.RdataClass]:
    """Of an answer in the cache."""
    found = dns.name.from_text(name) if isinstance(name, str) else name
    return found, dns.rdatatype.from_text(kind), dns.rdataclass.IN


def _target(stop: Stop, address: str, host: Host) -> Target:
    return Target(address, stop.port, host.name, host.preference, stop.name, stop.is_given)
