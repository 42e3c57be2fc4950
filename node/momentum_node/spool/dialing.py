"""Making one connection for a queue: where to, with whose leave, to which address of the best host that takes it."""

import asyncio
import math
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, Final

from momentum_node import clock
from momentum_node.config.model import Address
from momentum_node.findings import Finding, HostRests, LookupFails
from momentum_node.limits.grants import Grant
from momentum_node.smtp.hosts import NO_CONNECTION, SHORTEST_REST_S, Hosts, Silence
from momentum_node.smtp.opening import TLS_FAILED_STATUS, TLS_STATUSES
from momentum_node.smtp.outbound import CONNECT_TIMED_OUT, Connection, Owner
from momentum_node.smtp.paces import Paces
from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.resolver import Patience, Resolver
from momentum_node.smtp.routes import Fence, NoRoute, Target
from momentum_node.smtp.terms import Terms
from momentum_node.smtp.tlscontexts import TlsContexts, client_context
from momentum_node.smtp.unanswered import Counts
from momentum_node.spool.knowledge import Known, told
from momentum_node.spool.leases import Leases
from momentum_node.spool.line import Line, Way
from momentum_node.spool.lookup import Lookup
from momentum_node.spool.siblings import Siblings
from momentum_node.worker_link import Frame

MOST_TOLD: Final = 500
"""Of what a host said, to the other workers: strangers write it, and a frame has an end."""


class Dialer:
    """Opens connections, and knows how the hosts behind them behave; what it finds, the other workers are told."""

    def __init__(
        self, owner: Owner, resolver: Resolver, leases: Leases, siblings: Siblings, send: Callable[[Frame], None]
    ) -> None:
        self._siblings = siblings
        self._send = send
        self.secured: Counter[str] = Counter()
        self._owner = owner
        self._resolver = resolver
        resolver.on_counted = lambda name, counts: send(LookupFails(name, *counts))
        self._leases = leases
        self._hosts = Hosts()
        self._paces = Paces()
        self._contexts = TlsContexts(client_context)
        self._fence = Fence()
        self._hostname = ""

    def configure(self, lookup: Lookup, hostname: str, own: frozenset[str]) -> None:
        """Use this generation from now on. `own`: addresses of this cluster."""
        self._hostname = hostname
        self._fence = Fence(own, lookup.node.prohibited_hosts)
        self._siblings.is_on = lookup.tree.value("migrate_connections_between_sibling_domains") is not False
        self._resolver.use_ipv6 = lookup.node.use_ipv6
        least, most = lookup.tree.value("min_dns_ttl"), lookup.tree.value("max_dns_ttl")
        self._resolver.keep_answers(_seconds(least, 0.0), _seconds(most, math.inf))

    def forget(self, name: str | None) -> None:
        """What the DNS said of a name; None: of every one."""
        self._resolver.forget(name)

    def watching(self) -> Coroutine[Any, Any, None]:
        """For ever: notice certificates that were renewed."""
        return self._contexts.watch()

    def known_of(self, lines: Iterable[Line]) -> Known:
        """What `knowledge.told` says of these queues of one domain."""
        return told(lines, self._hosts, self._paces, clock.wall())

    def tick(self, now: float) -> None:
        """Forget failures that are long over. `now`: wall clock."""
        self._hosts.tick(now)

    def reached(self, connection: Connection, way: Way) -> None:
        """It may take letters."""
        self.secured[connection.tls_version or "none"] += 1
        if self._hosts.reached(connection.target.address, way.demands):
            self._send(HostRests(connection.target.address, 0.0))

    def heed(self, found: Finding) -> None:
        """Another worker found that a host rests, or speaks again; or how often a name was asked for in vain."""
        if isinstance(found, LookupFails):
            self._resolver.heed(found.name, Counts(found.queries, found.periods))
        elif found.rest_s:
            why = reply(found.code, found.enhanced, found.text)
            self._hosts.failed(found.address, why, found.rest_s, clock.wall(), counted=found.failures)
        else:
            self._hosts.reached(found.address)

    def closed(self, connection: Connection) -> None:
        """A connection that `dial` made is gone."""
        self._hosts.closed(connection.target.address)

    def failed(self, connection: Connection, way: Way, why: Reply) -> None:
        """It ended before a letter could go out: another host, or the same one in the clear where that is allowed."""
        demands, address, now = way.demands, connection.target.address, clock.wall()
        rest_s = connection.options.host_failure_retry_s
        has_no_tls = why.enhanced == TLS_FAILED_STATUS
        self.secured.update(["failed"] if has_no_tls else [])
        if has_no_tls and demands and demands.tls == "ifavailable" and demands.in_clear:
            self._hosts.tls_failed(address, rest_s, now)
        elif why.enhanced in TLS_STATUSES:
            self._hosts.failed(address, why, rest_s, now, demands)
        else:
            self._rest(address, why, rest_s)

    def _rest(self, address: str, why: Reply, rest_s: float) -> None:
        failures = self._hosts.failed(address, why, rest_s, clock.wall())
        if failures:
            rest_s, text = max(rest_s, SHORTEST_REST_S), " ".join(why.lines)[:MOST_TOLD]
            self._send(HostRests(address, rest_s, why.code, why.enhanced, text, failures))

    async def dial(self, line: Line, way: Way) -> Connection | NoRoute | Silence | None:
        """A connection, perhaps an idle one of another queue; or that there is no route; or that no host takes one; or
        None: no leave to open one.

        Raises `SourceMissing`.
        """
        options = line.options
        patience = Patience(options.mx_failures_fallback_to_a, options.retry_interval_s)
        found = await self._resolver.targets(way.stops, patience)
        if not isinstance(found, NoRoute):
            found = self._fence.allowed(found, way.source)
        line.found = found
        if isinstance(found, NoRoute):
            return found
        tried = set[str]()
        while targets := self._left(found, way, tried):
            grant = await self._leases.connection(line, tuple(dict.fromkeys(target.host for target in targets)))
            if grant is None:
                return None
            there = [target for target in targets if target.host == grant.host]
            idle = self._siblings.idle(line, way, there)
            if idle is not None:
                self._leases.adopted(grant, idle)
                return idle
            tried.update(target.address for target in there)
            made = await self._with_grant(line, way, grant, there)
            if made is not None:
                return made
        return self._hosts.silence(found, clock.wall(), way.demands)

    def _left(self, found: list[Target], way: Way, tried: set[str]) -> list[Target]:
        return [one for one in self._hosts.usable(found, clock.wall(), way.demands) if one.address not in tried]

    async def _with_grant(self, line: Line, way: Way, grant: Grant, targets: list[Target]) -> Connection | None:
        """Use a grant for the first of these addresses that takes it."""
        is_used = False
        try:
            for target in targets:
                connection = await self._prepared(line, way, target)
                self._leases.heads(grant, target.address)
                began = clock.monotonic()
                failure = await _attempt(connection, way.source)
                if failure is None:
                    connection.pace.connected(clock.monotonic() - began)
                    is_used = True
                    self._hosts.opened(target.address)
                    self._leases.opened(grant, connection)
                    return connection
                self._rest(target.address, failure, line.options.host_failure_retry_s)
        finally:
            if not is_used:
                self._leases.release(grant)
        return None

    async def _prepared(self, line: Line, way: Way, target: Target) -> Connection:
        terms, context, demands = Terms(self._ehlo_name(line), way.method), None, way.demands
        if demands is not None:
            terms = replace(terms, tls=demands.tls, in_clear=demands.in_clear, xclient=demands.xclient)
            may_do_without = demands.tls == "ifavailable" and demands.in_clear
            if may_do_without and self._hosts.is_plain(target.address, clock.wall()):
                terms = replace(terms, tls="no")
            elif terms.tls != "no":
                context = await asyncio.to_thread(self._contexts.get, demands.tls_options)
                if context is None and may_do_without:
                    terms = replace(terms, tls="no")
        connection = Connection(self._owner, target, line.options, terms, context)
        connection.pace = self._paces.of(target.address)
        return connection

    def _ehlo_name(self, line: Line) -> str:
        wanted = line.options.ehlo_hostname
        if wanted == "__message__" and line.queue.active:
            return line.queue.active.first.envelope.sender.rpartition("@")[2] or self._hostname
        return self._hostname if wanted.startswith("__") else wanted


def _seconds(given: object, otherwise: float) -> float:
    return given if isinstance(given, int | float) else otherwise


async def _attempt(connection: Connection, source: Address | None) -> Reply | None:
    """Connect; None: it did, else why not. Raises `SourceMissing`."""
    try:
        await connection.open(source)
    except TimeoutError:
        return CONNECT_TIMED_OUT
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)  # the loops have texts of their own
        return reply(451, "4.4.1", f"[internal] {connection.target.address}: {reason}")
    return NO_CONNECTION if connection.is_closed else None
