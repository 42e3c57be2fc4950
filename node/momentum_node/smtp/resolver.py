"""Asking the DNS for the hosts of a domain: one question at a time for each domain, answers kept for their TTL."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
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

CACHE_ENTRIES = 100_000
LIFETIME_S = 15.0
MOST_FAILING = 10_000  # domains whose failed look-ups are remembered


class Patience(NamedTuple):
    """What is done about look-ups that fail."""

    mx_failures: int = 3  # MX queries in a row without an answer, until the domain's own address is tried
    period_s: float = 1200.0  # failures within one such period count once


PATIENCE: Final = Patience()


@dataclass(slots=True)
class _Failing:
    queries: int = 0  # for MX records, in a row
    periods: int = 0
    counted_at: float = 0.0


class Resolver:
    """`nameservers` and `port` are for tests; by default the system's resolv.conf says whom to ask."""

    def __init__(self, nameservers: Sequence[str] | None = None, port: int = 53) -> None:
        self.use_ipv6 = False
        self._given = nameservers
        self._port = port
        self._asking: dict[Stop, asyncio.Task[list[Target] | NoRoute]] = {}
        self._failing: dict[str, _Failing] = {}
        self._dns: dns.asyncresolver.Resolver | None = None

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if self._dns is None:
            self._dns = dns.asyncresolver.Resolver(configure=self._given is None)
            if self._given is not None:
                self._dns.nameservers = list(self._given)
            self._dns.port = self._port
            self._dns.lifetime = LIFETIME_S
            self._dns.cache = dns.resolver.LRUCache(CACHE_ENTRIES)
        return self._dns

    def forget(self, name: str | None = None) -> None:
        """Ask again for the hosts of a name and for their addresses, next time; None: for everything."""
        cache = None if self._dns is None else self._dns.cache
        if name is None:
            self._failing.clear()
        else:
            self._failing.pop(name, None)
        if cache is None:
            return
        if name is None:
            cache.flush()
            return
        known = cache.get(_key(name, "MX"))
        hosts = [] if known is None or known.rrset is None else [record.exchange for record in known.rrset]
        cache.flush(_key(name, "MX"))
        for host in (name, *hosts):
            for kind in ("A", "AAAA"):
                cache.flush(_key(host, kind))

    async def targets(self, stops: Sequence[Stop], patience: Patience = PATIENCE) -> list[Target] | NoRoute:
        """All addresses of a way, best first."""
        return joined([(stop, await self._stop(stop, patience)) for stop in stops])

    async def _stop(self, stop: Stop, patience: Patience) -> list[Target] | NoRoute:
        if stop.address is not None:
            return [_target(stop, stop.address, Host(stop.name))]
        task = self._asking.get(stop)
        if task is None:
            task = self._asking[stop] = asyncio.create_task(self._ask(stop, patience))
            task.add_done_callback(lambda _: self._asking.pop(stop, None))
        return await asyncio.shield(task)

    async def _ask(self, stop: Stop, patience: Patience) -> list[Target] | NoRoute:
        try:
            hosts = await self._hosts(stop, patience)
            if isinstance(hosts, NoRoute):
                return hosts
            found = [target for host in hosts for target in await self._addresses(stop, host)]
        except (dns.resolver.NXDOMAIN, dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.IDNAException):
            return NoRoute(DOMAIN_UNKNOWN)
        except dns.exception.DNSException:
            return NoRoute(LOOKUP_FAILED, self._failed(stop.name, patience))
        if (failing := self._failing.get(stop.name)) is not None:
            failing.periods = 0
        return found or NoRoute(NO_HOST)

    async def _hosts(self, stop: Stop, patience: Patience) -> list[Host] | NoRoute:
        """The hosts of a stop: itself, where it has no MX records, or these have not been told for too long."""
        if not stop.asks_mx:
            return [Host(stop.name)]
        try:
            answer = await self._resolver().resolve(stop.name, "MX", search=False, raise_on_no_answer=False)
        except (dns.resolver.NoNameservers, dns.exception.Timeout):
            failing = self._record(stop.name)
            failing.queries += 1
            if failing.queries <= patience.mx_failures:
                raise
            return [Host(stop.name)]
        if (known := self._failing.get(stop.name)) is not None:
            known.queries = 0
        found = order_mx((record.preference, record.exchange.to_text()) for record in answer)
        return found or [Host(stop.name)]

    async def _addresses(self, stop: Stop, host: Host) -> list[Target]:
        targets = []
        for kind in ("A", "AAAA") if self.use_ipv6 else ("A",):
            try:
                answer = await self._resolver().resolve(host.name, kind, search=False)
            except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
                continue
            targets += [_target(stop, record.address, host) for record in answer]
        return targets

    def _record(self, name: str) -> _Failing:
        found = self._failing.get(name)
        if found is None:
            if len(self._failing) >= MOST_FAILING:
                self._failing.clear()
            found = self._failing[name] = _Failing()
        return found

    def _failed(self, name: str, patience: Patience) -> int:
        failing, now = self._record(name), clock.monotonic()
        if not failing.periods or now - failing.counted_at >= patience.period_s:
            failing.periods, failing.counted_at = failing.periods + 1, now
        return failing.periods


def _key(
    name: str | dns.name.Name, kind: str
) -> tuple[dns.name.Name, dns.rdatatype.RdataType, dns.rdataclass.RdataClass]:
    """Of an answer in the cache."""
    found = dns.name.from_text(name) if isinstance(name, str) else name
    return found, dns.rdatatype.from_text(kind), dns.rdataclass.IN


def _target(stop: Stop, address: str, host: Host) -> Target:
    return Target(address, stop.port, host.name, host.preference, stop.name, stop.is_given)
