"""The queues of one worker: what to deliver now, what to try again when. Pure: `now` is passed in, wall-clock seconds.

A queue is (binding, routing domain): the recipient's domain, or the gateway that its mail goes through. Its active list
is served first come, first served; its delayed list is ordered by next attempt. The rules are those of Momentum's
`Retry_Interval`, `Max_Retry_Interval`, `Max_Retries` and `Message_Expiration`.
"""

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from momentum_node.config.model import OutboundOptions
from momentum_node.smtp.reply import Reply, reply
from momentum_node.spool.activelist import ActiveList
from momentum_node.spool.delayedlist import DelayedList
from momentum_node.spool.message import Message
from momentum_node.spool.waiting import Waiting

TOO_MANY_RETRIES: Final = reply(554, "5.4.7", "[internal] exceeded max retries without delivery")
TOO_OLD: Final = reply(554, "5.4.7", "[internal] exceeded max time without delivery")
NOT_ATTEMPTED: Final = reply(554, "5.4.5", "[internal] Delivery not attempted (message expired)")
GIVEN_UP: Final = frozenset({TOO_MANY_RETRIES, TOO_OLD, NOT_ATTEMPTED})
"""Said of a message that something else kept from being delivered: `Message.answer`."""
BLACKHOLED: Final = reply(554, "5.7.0", "[internal] Blackholed")
LOOKED_AT: Final = 2000
"""Queues in one go of the maintainer: some milliseconds. The others have their turn in the next ones."""
AGGRESSIVENESS: Final = 0.3  # Connection_Allocation_Aggressiveness = normal


class Key(NamedTuple):
    """Which queue."""

    binding: str
    domain: str
    is_gateway: bool = False  # `domain` is one

    @classmethod
    def of(cls, message: Message) -> "Key":
        """Where it waits."""
        gateway = message.gateway
        return cls(message.binding, message.domain) if gateway is None else cls(message.binding, gateway, True)


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again at `at`, for the `retries`-th time."""

    at: float
    retries: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further try."""

    reply: Reply


def retry_delay(failures: int, options: OutboundOptions) -> float:
    """Seconds to wait after the n-th transient failure, n = 1, 2 …"""
    doublings = min(failures - 1, 62)  # the cap acts long before a float overflows
    return min(math.ldexp(options.retry_interval_s, doublings), options.max_retry_interval_s)


def automatic_retries(options: OutboundOptions) -> int:
    """`Max_Retries = auto`: the capped delays that fit into a life, and one for the last clipped try."""
    left, count = options.message_expiration_s, 0
    while 0 < (delay := retry_delay(count + 1, options)) <= left:
        if delay == options.max_retry_interval_s:  # the rest are all alike
            return count + int(left // delay) + 1
        left -= delay
        count += 1
    return count + 1


def after_failure(message: Message, options: OutboundOptions, now: float) -> Retry | GiveUp:
    """What a transient failure at `now` leads to; `message.retries` counts the failures before this one."""
    failures = message.retries + 1
    if options.never_retry:
        return GiveUp(TOO_MANY_RETRIES)
    end = message.envelope.created + options.message_expiration_s
    if now >= end:
        return GiveUp(TOO_OLD)
    limit = automatic_retries(options) if options.retries_are_automatic else options.max_retries
    if limit is not None and failures > limit:
        return GiveUp(TOO_MANY_RETRIES)
    return Retry(min(now + retry_delay(failures, options), end), failures)


@dataclass(frozen=True, slots=True)
class Untried:
    """Messages made at `before` (seconds since the epoch) or earlier are not tried (again)."""

    reply: Reply
    before: float


def untried(options: OutboundOptions, now: float, *, stands_still: bool = False) -> Untried | None:
    """What of a queue is not tried: all of it; or what is too old, where such mail is not tried, or the queue stands
    still. None: everything is."""
    too_old = now - options.message_expiration_s
    if options.blackhole != "false":
        return Untried(BLACKHOLED, math.inf)
    if options.never_attempt_expired:
        return Untried(NOT_ATTEMPTED, too_old)
    return Untried(TOO_OLD, too_old) if stands_still or options.suspend_delivery else None


def connection_goal(active: int, maximum: int, aggressiveness: float = AGGRESSIVENESS) -> int:
    """Connections that `active` messages deserve: few for a short queue, `maximum` for a long one."""
    if maximum <= 0:
        return active
    share = 1 - math.pow(1 - aggressiveness, active / maximum)
    return min(maximum, active, math.ceil(maximum * share))


@dataclass(slots=True, eq=False)
class Queue:
    """One queue. `connections` is kept by whoever opens them."""

    key: Key
    active: ActiveList = field(default_factory=ActiveList)
    delayed: DelayedList = field(default_factory=DelayedList)
    connections: int = 0
    domains: set[str] = field(default_factory=set)  # of a gateway's queue: those whose mail is, or was, in it
    scanned: float = -math.inf  # when delayed mail was last looked at
    alarms: tuple[float, ...] = ()  # when it is to be woken, the first of them last

    def take(self, limit: int) -> list[Message]:
        """The next messages of one transaction: as many as follow each other with the same body, at most `limit`."""
        if not self.active:
            return []
        taken = [self.active.popleft()]
        stored = taken[0].stored
        while self.active and len(taken) < limit and self.active.first.stored is stored:
            taken.append(self.active.popleft())
        return taken

    @property
    def oversleeps(self) -> bool:
        """Its delayed mail is due before it is woken."""
        woken = self.alarms[-1] if self.alarms else math.inf
        return not self.delayed.is_sorted or self.delayed.next_due < woken

    @property
    def is_empty(self) -> bool:
        """Nothing waits here."""
        return not self.active and not self.delayed


class Schedule:
    """All queues. Whoever adds or delays a message afterwards looks at the queue that comes back.

    A queue that has nothing but delayed mail sleeps until the first of it is due; those that are awake are looked at
    in turn, not too many at a time: there may be a hundred thousand of either.
    """

    def __init__(self) -> None:
        self.queues: dict[Key, Queue] = {}
        self._awake: dict[Key, Queue] = {}
        self._alarms: list[tuple[float, int, Queue]] = []
        self._alarm_number = 0
        self.scan_interval_s = 0.0
        """While a queue has active mail, its delayed mail is looked at so often (Delayed_Queue_Scan_Interval)."""
        self._leaving: list[Queue] = []
        self._dropped: list[Queue] = []
        self.waiting = Waiting()

    def __iter__(self) -> Iterator[Message]:
        for queue in self.all():
            yield from queue.active
            yield from queue.delayed

    def queue(self, key: Key) -> Queue:
        """The queue of a key, made when there is none."""
        found = self.queues.get(key)
        if found is None:
            found = self.queues[key] = Queue(key, ActiveList(self.waiting), DelayedList(self.waiting))
            self.rouse(found)
        return found

    def all(self) -> list[Queue]:
        """The queues, and what is left of those that are none any more."""
        return [*self.queues.values(), *self._leaving]

    def add(self, message: Message, now: float) -> Queue:
        """Queue a message: active when its next attempt is due."""
        queue = self.queue(Key.of(message))
        if message.gateway is not None:
            queue.domains.add(message.domain)
        if message.next_attempt <= now:
            queue.active.append(message)
        else:
            queue.delayed.add(message)
        self.rouse(queue)
        return queue

    def give_back(self, messages: Iterable[Message]) -> None:
        """Put messages back to the head of their queue: they were taken, but no attempt counts."""
        for message in reversed(list(messages)):
            queue = self.queue(Key.of(message))
            if message.gateway is not None:
                queue.domains.add(message.domain)
            queue.active.appendleft(message)
            self.rouse(queue)

    def rouse(self, queue: Queue) -> None:
        """Look at it the next time: it has mail, or what it has is due at another time."""
        if self.queues.get(queue.key) is queue:
            self._awake[queue.key] = queue

    def wake(self, now: float) -> list[Queue]:
        """Move due messages to active; the queues that have any active message. Empty queues are dropped.

        Of those whose time has come, and of those that are awake, at most `LOOKED_AT`.
        """
        ready = []
        for queue in [*self._ring(now), *islice(self._awake.values(), LOOKED_AT)]:
            self._awake.pop(queue.key, None)
            if self.queues.get(queue.key) is queue and self._is_ready(queue, now):
                ready.append(queue)
        return ready

    def _is_ready(self, queue: Queue, now: float) -> bool:
        """It has active mail. A queue that is not put to sleep, or dropped, stays awake: behind all others."""
        queue.delayed.sort()
        if not queue.active or now - queue.scanned >= self.scan_interval_s:
            queue.scanned = now
            for message in queue.delayed.due(now):
                queue.active.append(message)
        if queue.is_empty and not queue.connections:
            del self.queues[queue.key]
            self._dropped.append(queue)
        elif queue.active or queue.connections or not queue.delayed.is_sorted:
            self._awake[queue.key] = queue
        else:
            self._wake_at(queue, queue.delayed.next_due)
        return bool(queue.active)

    def dropped(self) -> list[Queue]:
        """The queues that are none any more since this was asked last."""
        gone, self._dropped = self._dropped, []
        return gone

    @property
    def is_crowded(self) -> bool:
        """One go of `wake` does not see all that is awake."""
        return len(self._awake) > LOOKED_AT

    def _ring(self, now: float) -> dict[Queue, None]:
        rung: dict[Queue, None] = {}
        while self._alarms and self._alarms[0][0] <= now and len(rung) < LOOKED_AT:
            queue = heapq.heappop(self._alarms)[2]
            queue.alarms = queue.alarms[:-1]
            if self.queues.get(queue.key) is queue and queue.key not in self._awake:
                rung[queue] = None
        return rung

    def _wake_at(self, queue: Queue, at: float) -> None:
        if not queue.alarms or at < queue.alarms[-1]:  # else it is woken early enough, and sleeps again
            queue.alarms += (at,)
            self._alarm_number += 1  # keeps the heap from comparing queues
            heapq.heappush(self._alarms, (at, self._alarm_number, queue))

    # -- queues whose mail goes elsewhere

    def leave(self, queue: Queue) -> None:
        """It is no queue any more: what is in it is counted, and is to be withdrawn."""
        del self.queues[queue.key]
        self._leaving.append(queue)

    def is_leaving(self, queue: Queue) -> bool:
        """See `leave`."""
        return any(one is queue for one in self._leaving)

    def end(self, queue: Queue) -> None:
        """Nothing is left in it."""
        self._leaving.remove(queue)

    def withdraw(self, queue: Queue, limit: int) -> Iterator[Message]:
        """Take at most `limit` messages out for good, one by one: whoever stops asking leaves the rest."""
        for _ in range(limit):
            if queue.active:
                yield queue.active.popleft()
            elif queue.delayed:
                yield queue.delayed.pop()
            else:
                return

    def next_due(self) -> float | None:
        """When the first delayed message is due."""
        return min((queue.delayed.next_due for queue in self.queues.values() if queue.delayed), default=None)

    def count(self) -> int:
        """Messages in all queues."""
        return self.waiting.active + self.waiting.delayed
