"""Asking the DNS for the hosts of a domain: one question at a time for each domain, answers kept for their TTL."""

import asyncio
from collections.abc import Sequence

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

from momentum_node.smtp.address import literal_address
from momentum_node.smtp.routes import (
    DOMAIN_UNKNOWN,
    LOOKUP_FAILED,
    NO_HOST,
    Host,
    NoRoute,
    Target,
    literal,
    order_mx,
    parse_gateway,
)

CACHE_ENTRIES = 100_000
LIFETIME_S = 15.0


class Resolver:
    """`nameservers` and `port` are for tests; by default the system's resolv.conf says whom to ask."""

    def __init__(self, nameservers: Sequence[str] | None = None, port: int = 53, use_ipv6: bool = False) -> None:
        self._given = nameservers
        self._port = port
        self._types = ("A", "AAAA") if use_ipv6 else ("A",)
        self._asking: dict[tuple[str, int], asyncio.Task[list[Target] | NoRoute]] = {}
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

    async def targets(self, destination: str, port: int, is_gateway: bool) -> list[Target] | NoRoute:
        """Where mail for `destination` goes: a domain, or a gateway (a name or an address, with or without a port)."""
        host = parse_gateway(destination, port) if is_gateway else Host(destination, port)
        address = literal_address(destination) if destination.startswith("[") and not is_gateway else literal(host.name)
        if address is not None:
            return [Target(address, host.port, host.name, 0)]
        key = (host.name, host.port)
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(host))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, host: Host) -> list[Target] | NoRoute:
        try:
            hosts = await self._mail_hosts(host)
            if isinstance(hosts, NoRoute):
                return hosts
            found = [await self._addresses(one) for one in hosts]
        except (dns.resolver.NXDOMAIN, dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.IDNAException):
            return NoRoute(DOMAIN_UNKNOWN)
        except dns.exception.DNSException:
            return NoRoute(LOOKUP_FAILED)
        return [target for one in found for target in one] or NoRoute(NO_HOST)

    async def _mail_hosts(self, host: Host) -> list[Host] | NoRoute:
        try:
            answer = await self._resolver().resolve(host.name, "MX", search=False)
        except dns.resolver.NoAnswer:
            return [host]
        return order_mx(((record.preference, record.exchange.to_text()) for record in answer), host.port)

    async def _addresses(self, host: Host) -> list[Target]:
        targets = []
        for kind in self._types:
            try:
                answer = await self._resolver().resolve(host.name, kind, search=False)
            except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
                continue
            targets += [Target(record.address, host.port, host.name, host.preference) for record in answer]
        return targets
