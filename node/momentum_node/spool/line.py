"""A queue on its way out: the terms of the generation it is delivered under, its connections, what they are busy with.

A reload changes the terms of a line; a connection keeps the source and the route that it was opened with, and is used
up when they are no longer its line's (configuration §12.2).
"""

import asyncio
from dataclasses import dataclass, field
from typing import TypeAlias

from momentum_node.config.model import Address, OutboundOptions
from momentum_node.smtp.outbound import Connection
from momentum_node.spool.lookup import Lookup
from momentum_node.spool.message import Message
from momentum_node.spool.schedule import Key, Queue, connection_goal

CONNECTS_AT_ONCE = 4  # new connections of one queue in one go

Way: TypeAlias = tuple[Address | None, str | None, int]
"""From where to where: source address, gateway, port."""


@dataclass(slots=True, eq=False)
class Line:
    """A queue's connections. `options` and `source` are those of the generation `lookup`."""

    queue: Queue
    lookup: Lookup
    options: OutboundOptions
    source: Address | None
    idle: list[Connection] = field(default_factory=list)
    rest_until: float = 0.0  # wall clock
    failing_since: float | None = None
    opening: dict["asyncio.Task[None]", Address | None] = field(default_factory=dict)  # and from where

    @classmethod
    def of(cls, queue: Queue, lookup: Lookup) -> "Line":
        """A new one."""
        return cls(queue, lookup, lookup.outbound(*queue.key), source_of(queue.key, lookup))

    @property
    def way(self) -> Way:
        """The way of a connection that is opened now."""
        return self.source, self.options.gateway, self.options.remote_smtp_port

    def refresh(self, lookup: Lookup) -> None:
        """Terms of this generation from now on."""
        if lookup is self.lookup:
            return
        before = self.way
        self.lookup, self.source = lookup, source_of(self.queue.key, lookup)
        self.options = lookup.outbound(*self.queue.key)
        if before != self.way:  # what failed on the old way says nothing about the new one
            self.rest_until, self.failing_since = 0.0, None
            for task in self.opening:
                task.cancel()

    def wanted(self) -> int:
        """How many connections to open now."""
        most, there = self.options.max_outbound_connections, self.queue.connections
        goal = min(connection_goal(len(self.queue.active), most), CONNECTS_AT_ONCE) - len(self.opening)
        return goal if most < 0 else min(goal, most - there)


@dataclass(slots=True, eq=False)
class Hand:
    """What a connection is busy with."""

    line: Line
    way: Way
    messages: list[Message] = field(default_factory=list)

    def is_used_up(self, delivered: int) -> bool:
        """After `delivered` messages no other: it had its share, or a reload wants fewer connections, or others."""
        options = self.line.options
        if 0 < options.max_deliveries_per_connection <= delivered or self.way != self.line.way:
            return True
        return 0 <= options.max_outbound_connections < self.line.queue.connections


def source_of(key: Key, lookup: Lookup) -> Address | None:
    """The address that mail of this queue leaves from; None: the kernel chooses."""
    binding = lookup.node.bindings.get(key.binding)
    return None if binding is None else binding.address
