"""A queue on its way out: the terms of the generation it is delivered under, its connections, what they are busy with.

A reload changes the terms of a line; a connection keeps the source and the route that it was opened with, and is used
up when they are no longer its line's (configuration §12.2).
"""

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from momentum_node.config.model import Address, OutboundOptions, TlsOptions, Wish
from momentum_node.smtp.hosts import NO_CONNECTION, Silence
from momentum_node.smtp.opening import TLS_STATUSES
from momentum_node.smtp.outbound import Connection
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.routes import LOOKUP_PURGED, NoRoute, Stop, Target, stops_of
from momentum_node.smtp.terms import Method
from momentum_node.spool.assignment import DEFAULT
from momentum_node.spool.lookup import Lookup
from momentum_node.spool.message import Message
from momentum_node.spool.schedule import Key, Queue, Untried, connection_goal, untried

CONNECTS_AT_ONCE = 4  # new connections of one queue in one go
SOURCE_REST_S = 5.0  # after EADDRNOTAVAIL, before the next look
STILL_S = 60.0
"""A queue whose address is not here for so long stands still: what grows too old in it does not wait for a last try."""


class Demands(NamedTuple):
    """What is asked of a connection; a host may refuse it, and take letters that ask for less."""

    tls: Wish
    in_clear: bool
    tls_options: TlsOptions
    xclient: Wish


class Way(NamedTuple):
    """From where to where, and what is spoken there."""

    source: Address | None
    stops: tuple[Stop, ...]
    method: Method
    demands: Demands | None = None  # None: nothing


@dataclass(slots=True, eq=False)
class Line:
    """A queue's connections. `options` and `way` are those of the generation `lookup`."""

    queue: Queue
    lookup: Lookup
    options: OutboundOptions
    way: Way
    """Of a connection that is opened now."""
    idle: list[Connection] = field(default_factory=list)
    rest_until: float = 0.0  # wall clock
    failing_since: float | None = None
    away_since: float | None = None  # that its address is not here
    keeps_default: bool = False  # Default_Binding = suspended
    found: list[Target] | NoRoute | None = None  # where its mail goes, as it was looked up last
    opening: dict["asyncio.Task[None]", Address | None] = field(default_factory=dict)  # and from where

    @classmethod
    def of(cls, queue: Queue, lookup: Lookup) -> "Line":
        """A new one."""
        options = lookup.outbound(queue.key.binding, queue.key.domain)
        line = cls(queue, lookup, options, _way(queue.key, lookup, options))
        line._heed_terms()
        return line

    def refresh(self, lookup: Lookup) -> None:
        """Terms of this generation from now on."""
        if lookup is self.lookup:
            return
        before = self.way
        self.lookup, self.options = lookup, lookup.outbound(self.queue.key.binding, self.queue.key.domain)
        self.way = _way(self.queue.key, lookup, self.options)
        self._heed_terms()
        if before != self.way:  # what failed on the old way says nothing about the new one
            self.begin_anew()

    def _heed_terms(self) -> None:
        """What else the generation says of it."""
        self.queue.delayed.live(self.options.message_expiration_s)
        self.keeps_default = self.lookup.tree.value("default_binding") == "suspended"

    def wanted(self) -> int:
        """How many connections to open now."""
        most, there = self.options.max_outbound_connections, self.queue.connections
        goal = min(connection_goal(len(self.queue.active), most), CONNECTS_AT_ONCE) - len(self.opening)
        return goal if most < 0 else min(goal, most - there)

    @property
    def names(self) -> list[str]:
        """What the DNS is asked for."""
        return [stop.name for stop in self.way.stops if stop.address is None]

    def begin_anew(self) -> None:
        """Failures so far, and attempts under way, say nothing about what comes."""
        self.rest_until, self.failing_since = 0.0, None
        for task in self.opening:
            task.cancel()

    def leave(self) -> None:
        """Its queue is none any more: open nothing for it, and close what has nothing to do."""
        for task in self.opening:
            task.cancel()
        while self.idle:
            self.idle.pop().quit()

    @property
    def is_suspended(self) -> bool:
        """It is told to wait."""
        return self.options.suspend_delivery or (self.keeps_default and self.queue.key.binding == DEFAULT)

    def untried(self, now: float) -> Untried | None:
        """What of its mail is not to be tried (again)."""
        is_away = self.away_since is not None and now >= self.away_since + STILL_S
        return untried(self.options, now, stands_still=is_away or self.is_suspended)

    # -- what became of trying

    def source_is(self, here: bool, now: float) -> bool:
        """Whether its address is here, which comes back."""
        if here:
            self.away_since = None
        elif self.away_since is None:
            self.away_since = now
        return here

    def source_missing(self, now: float) -> None:
        """The kernel did not let us send from its address."""
        self.source_is(False, now)
        self.rest_until = now + SOURCE_REST_S

    def reached(self) -> None:
        """A host of the domain speaks to us."""
        self.failing_since, self.rest_until = None, 0.0

    def no_contact(self, silence: Silence, now: float) -> Reply | None:
        """No host takes a connection: rest until one may be tried again. What all active mail is told, if it is time.

        That is: TLS was wanted and did not come about (nothing gets better by waiting for a connection); or every host
        failed `MX_Failures_To_Delay` times in a row; or nobody was reached for `Connect_Timeout_To_Delay`.
        """
        if self.failing_since is None:
            self.failing_since = now
        end = self.failing_since + self.options.connect_timeout_to_delay_s
        self.rest_until = min(silence.until, end) if end > now else silence.until
        if silence.why.enhanced in TLS_STATUSES:
            return silence.why
        return NO_CONNECTION if end <= now or 0 < self.options.mx_failures_to_delay <= silence.failures else None

    def no_route(self, route: NoRoute, now: float) -> Reply:
        """The look-up gave no host. What all active mail is told."""
        if not route.failures:
            return route.reply
        self.rest_until = now + self.options.host_failure_retry_s
        return LOOKUP_PURGED if 0 < self.options.dns_failures_to_purge <= route.failures else route.reply


@dataclass(slots=True, eq=False)
class Hand:
    """What a connection is busy with."""

    line: Line
    way: Way
    messages: list[Message] = field(default_factory=list)

    def is_used_up(self, connection: Connection) -> bool:
        """No other message: it had its share, or a reload wants fewer connections, or others."""
        options = self.line.options
        if 0 < options.max_deliveries_per_connection <= connection.delivered or self.way != self.line.way:
            return True
        if 0 < options.max_recipients_per_connection <= connection.recipients:
            return True
        return 0 <= options.max_outbound_connections < self.line.queue.connections

    def batch(self, connection: Connection) -> int:
        """How many recipients its next transaction may have."""
        options = self.line.options
        left = options.max_recipients_per_connection - connection.recipients
        most = min(options.max_recipients_per_batch, connection.room or options.max_recipients_per_batch)
        return min(most, left) if options.max_recipients_per_connection else most


def _way(key: Key, lookup: Lookup, options: OutboundOptions) -> Way:
    binding = lookup.node.bindings.get(key.binding)
    source = None if binding is None else binding.address  # None: the kernel chooses
    method = options.delivery_method
    port = options.lmtp_port if method == "LMTP" else options.remote_smtp_port
    stops = stops_of(key.domain, key.domain if key.is_gateway else None, options.routes, port)
    return Way(source, stops, method, _demands(options))


def _demands(options: OutboundOptions) -> Demands | None:
    if options.tls_wish == options.xclient == "no":
        return None
    return Demands(options.tls_wish, options.tls_ifavailable_fallback, options.tls, options.xclient)
