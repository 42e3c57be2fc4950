"""Who may open a connection: all workers ask here, and nobody else decides. Pure: questions in, effects out.

    ask → granted at once, or it waits under what binds (a counter, a throttle); the rest of its life is one of
    waiting → granted      room was made, in the order of asking
    waiting → denied       the queue has what it deserves, or the worker is gone
    granted → recalled     somebody else waits for what this one holds: it ends after its message in hand

A worker that is gone takes its connections, questions and tokens with it, once.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from momentum_node.limits.counters import Alone, Counter, Counts
from momentum_node.limits.decision import Explanation, State, explain, reached, throttle_key
from momentum_node.limits.rules import HOSTS, Limit, LimitRules, Rules, ThrottleRule
from momentum_node.limits.throttle import Throttle
from momentum_node.spool.schedule import connection_goal

LOOK_AGAIN_S: Final = 0.5
"""What only other nodes can change (cluster counts) is looked at so often."""
MOST_LOOKED_AT: Final = 64  # holders of a counter, when one is to be recalled
GOAL: Final = "goal"
SUSPENDED: Final = "suspended"


class Id(NamedTuple):
    """One question or connection: the worker's link, and the number that the worker gave it."""

    worker: int
    number: int


@dataclass(frozen=True, slots=True)
class Ask:
    """One more connection for a queue, to the first of `hosts` (MX names, best first) that has room."""

    id: Id
    binding: str
    domain: str
    hosts: tuple[str, ...]
    active: int  # messages that wait in this worker's queue
    wants_token: bool = False  # for one message of an open connection, not for a connection


@dataclass(frozen=True, slots=True)
class Granted:
    """The connection, or the message, may go ahead."""

    id: Id
    host: str


@dataclass(frozen=True, slots=True)
class Denied:
    """Not now, and it does not wait: ask again when there is a reason to. `why` is one of GOAL, SUSPENDED."""

    id: Id
    why: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """Another queue or worker waits for what this connection holds."""

    id: Id


Effect: TypeAlias = Granted | Denied | Recalled
ThrottleKey: TypeAlias = tuple[str, Counter]
Key: TypeAlias = Counter | ThrottleKey


@dataclass(slots=True, eq=False)
class Held:
    """One open connection."""

    id: Id
    binding: str
    domain: str
    host: str
    counters: tuple[Counter, ...] = ()
    is_recalled: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """What binds, and when to look again (None: when a connection under it ends)."""

    key: Key
    option: str
    at: float | None = None


@dataclass(slots=True)
class Line:
    """Those who wait under one key, and until when there is nothing to look at."""

    asks: deque[Ask] = field(default_factory=deque)
    at: float | None = None


class Authority:
    """All outbound connections of one node."""

    def __init__(self, rules: LimitRules, others: Counts | None = None) -> None:
        self.denials: dict[str, int] = {}
        """How often each option made somebody wait."""
        self._rules = rules
        self._others: Counts = others or Alone()
        self._open: dict[Id, Held] = {}
        self._under: dict[Counter, dict[Id, Held]] = {}
        self._waiting: dict[Id, Key] = {}
        self._lines: dict[Key, Line] = {}
        self._throttles: dict[ThrottleKey, Throttle] = {}
        self._active: dict[tuple[str, str], dict[int, int]] = {}
        self._effects: list[Effect] = []
        self._swept = float("-inf")

    # -- what workers say

    def ask(self, ask: Ask, now: float) -> None:
        """A worker wants one more connection, or to begin one more message."""
        self._active.setdefault((ask.binding, ask.domain), {})[ask.id.worker] = ask.active
        verdict = self._judge(ask, now)
        if isinstance(verdict, Block):
            self.denials[verdict.option] = self.denials.get(verdict.option, 0) + 1
            self._wait(ask, verdict)
            self._recall_for(ask, verdict)
        else:
            self._settle(ask, verdict, now)

    def withdraw(self, id_: Id, now: float) -> None:
        """It does not wait any more, or its connection is closed."""
        self._forget_waiting(id_)
        held = self._open.pop(id_, None)
        if held is None:
            return
        self._uncount(held)
        self._serve(held.counters, now)

    def give_back(self, binding: str, domain: str, what: str, now: float) -> None:
        """A token of "Connections" or "Messages" that was granted was not used."""
        for rule in self._rules.of(binding, domain).throttles_of(what):
            self._throttle(rule, now).give_back()
            self._serve((throttle_key(rule),), now)

    def restore(self, id_: Id, binding: str, domain: str, host: str) -> None:
        """A connection that is open since before this authority: it counts, whatever the limits say."""
        self._hold(Held(id_, binding, domain, host))

    def gone(self, worker: int, now: float) -> None:
        """The worker ended: nothing of it is left."""
        for id_ in [id_ for id_ in self._waiting if id_.worker == worker]:
            self._forget_waiting(id_)
        freed: dict[Counter, None] = {}
        for held in [held for held in self._open.values() if held.id.worker == worker]:
            del self._open[held.id]
            self._uncount(held)
            freed.update(dict.fromkeys(held.counters))
        for pair in [pair for pair, per_worker in self._active.items() if worker in per_worker]:
            del self._active[pair][worker]
            if not self._active[pair]:
                del self._active[pair]
        self._serve(freed, now)

    # -- time and configuration

    def configure(self, rules: LimitRules, now: float) -> None:
        """Another generation: every connection is counted anew, everybody who waits is judged anew."""
        self._rules = rules
        self._under.clear()
        for held in self._open.values():
            self._count(held)
        asks = [ask for line in self._lines.values() for ask in line.asks]
        self._lines.clear()
        self._waiting.clear()
        for ask in asks:
            self.ask(ask, now)

    def tick(self, now: float) -> None:
        """Look at who waits for time: throttles, other nodes, the reserve."""
        due = [key for key, line in self._lines.items() if line.at is not None and line.at <= now]
        self._serve(due, now)
        if now - self._swept >= self._rules.reserve_interval_s:
            self._swept = now
            self._sweep(now)

    def next_timer(self) -> float | None:
        """When to call `tick` at the latest; None: nobody waits for time."""
        times = [line.at for line in self._lines.values() if line.at is not None]
        if Counter() in self._lines:
            times.append(self._swept + self._rules.reserve_interval_s)
        return min(times, default=None)

    def effects(self) -> list[Effect]:
        """What to tell the workers, in order; handed out once."""
        effects, self._effects = self._effects, []
        return effects

    # -- what is known

    def count(self, limit: Limit) -> int:
        """Connections that the limit compares: exact for this node, as last replicated for the others."""
        here = len(self._under.get(limit.counter, ()))
        return here + self._others.elsewhere(limit.counter) if limit.is_cluster else here

    def here(self, counter: Counter) -> int:
        """Open connections of this node under a counter: what replication tells the other nodes."""
        return len(self._under.get(counter, ()))

    def used(self, option: str, counter: Counter, now: float) -> int:
        """Events of this node in the current window of a throttle: what replication tells the other nodes."""
        throttle = self._throttles.get((option, counter))
        return 0 if throttle is None else throttle.used(now)

    def explain(self, binding: str, domain: str, host: str | None, now: float) -> Explanation:
        """Why this queue may, or may not, open one more connection now."""
        rules = self._rules.of(binding, self._rules.routing_domain(binding, domain))
        active, goal = self._goal(rules)
        throttles = {rule: self._throttle(rule, now) for rule in rules.throttles}
        waiting = sum(
            (ask.binding, ask.domain) == (binding, rules.domain) for line in self._lines.values() for ask in line.asks
        )
        return explain(
            State(
                rules,
                host,
                (*rules.limits, *self._rules.of_host(binding, rules.domain, host)[0]),
                self.count,
                {rule: (throttle.used(now), throttle.wait_s(now)) for rule, throttle in throttles.items()},
                goal,
                active,
                waiting,
                self.here(Counter(binding=binding, domain=rules.domain)),
            )
        )

    # -- deciding

    def _goal(self, rules: Rules) -> tuple[int, int]:
        active = sum(self._active.get((rules.binding, rules.domain), {}).values())
        return active, connection_goal(active, rules.maximum, rules.aggressiveness)

    def _judge(self, ask: Ask, now: float, extra: int = 0) -> str | Denied | Block:
        """The host to go to, or what is in the way. `extra`: room that the reserve adds to the node's limit."""
        rules = self._rules.of(ask.binding, ask.domain)
        if rules.suspended is not None:
            return Denied(ask.id, SUSPENDED)
        blocked = self._throttled(rules.throttles_of("Messages"), now)
        if ask.wants_token or blocked is not None:
            return blocked or ""
        blocked = self._throttled(rules.throttles_of("Connections"), now)
        if blocked is not None:
            return blocked
        goal = self._goal(rules)[1]
        if goal != rules.maximum and self.here(Counter(binding=rules.binding, domain=rules.domain)) >= goal:
            return Denied(ask.id, GOAL)
        limit = reached(rules.limits, lambda one: self.count(one) - (extra if one.counter == Counter() else 0))
        if limit is not None:
            return self._blocked(limit, limit.counter, now)
        return self._host(ask, now)

    def _host(self, ask: Ask, now: float) -> str | Block:
        first: Limit | None = None
        for host in ask.hosts:
            limit = reached(self._rules.of_host(ask.binding, ask.domain, host)[0], self.count)
            if limit is None:
                return host
            first = first or limit
        if first is None:  # no host was named
            return ""
        return self._blocked(first, first.counter if first.counter.host is None else HOSTS, now)

    def _blocked(self, limit: Limit, counter: Counter, now: float) -> Block:
        return Block(counter, limit.option, now + LOOK_AGAIN_S if limit.is_cluster else None)

    def _throttled(self, throttles: Iterable[ThrottleRule], now: float) -> Block | None:
        for rule in throttles:
            wait_s = self._throttle(rule, now).wait_s(now)
            if wait_s > 0:
                return Block(throttle_key(rule), rule.option, now + wait_s)
        return None

    def _throttle(self, rule: ThrottleRule, now: float) -> Throttle:
        key = throttle_key(rule)
        throttle = self._throttles.get(key)
        if throttle is None:
            throttle = self._throttles[key] = Throttle(rule.number, rule.window_s)
        throttle.number, throttle.window_s = rule.number, rule.window_s
        if rule.is_cluster:
            throttle.exchanged(self._others.used_elsewhere(rule.option, rule.counter), now)
        return throttle

    def _settle(self, ask: Ask, verdict: str | Denied, now: float) -> None:
        if isinstance(verdict, Denied):
            self._effects.append(verdict)
            return
        rules = self._rules.of(ask.binding, ask.domain)
        for rule in rules.throttles_of("Messages" if ask.wants_token else "Connections"):
            self._throttle(rule, now).take(now)
        if not ask.wants_token:
            self._hold(Held(ask.id, ask.binding, ask.domain, verdict))
        self._effects.append(Granted(ask.id, verdict))

    # -- who holds what

    def _hold(self, held: Held) -> None:
        self._open[held.id] = held
        self._count(held)

    def _count(self, held: Held) -> None:
        own = self._rules.of(held.binding, held.domain).counters
        held.counters = (*own, *self._rules.of_host(held.binding, held.domain, held.host or None)[1])
        for counter in held.counters:
            self._under.setdefault(counter, {})[held.id] = held

    def _uncount(self, held: Held) -> None:
        for counter in held.counters:
            under = self._under[counter]
            del under[held.id]
            if not under:
                del self._under[counter]

    def _recall_for(self, ask: Ask, block: Block) -> None:
        """The oldest connection under what binds that is not the asking queue's own goes after its message."""
        if not isinstance(block.key, Counter):
            return
        mine = (ask.id.worker, ask.binding, ask.domain)
        for _, held in zip(range(MOST_LOOKED_AT), self._under.get(block.key, {}).values(), strict=False):
            if not held.is_recalled and (held.id.worker, held.binding, held.domain) != mine:
                held.is_recalled = True
                self._effects.append(Recalled(held.id))
                return

    # -- who waits

    def _wait(self, ask: Ask, block: Block) -> None:
        line = self._lines.setdefault(block.key, Line())
        line.asks.append(ask)
        line.at = block.at
        self._waiting[ask.id] = block.key

    def _forget_waiting(self, id_: Id) -> None:
        key = self._waiting.pop(id_, None)
        if key is None:
            return
        line = self._lines[key]
        line.asks = deque(ask for ask in line.asks if ask.id != id_)
        if not line.asks:
            del self._lines[key]

    def _serve(self, keys: Iterable[Key], now: float) -> None:
        """Room may have been made under these: whoever waits there longest goes first."""
        for key in keys:
            line = self._lines.get(key)
            if line is not None:
                self._serve_line(key, line, now)

    def _serve_line(self, key: Key, line: Line, now: float) -> None:
        asks, line.asks = line.asks, deque()
        del self._lines[key]
        while asks:
            ask = asks.popleft()
            verdict = self._judge(ask, now)
            if not isinstance(verdict, Block):
                del self._waiting[ask.id]
                self._settle(ask, verdict, now)
                continue
            self._wait(ask, verdict)
            if verdict.key == key and key != HOSTS:  # the rest wait for the same: hosts differ
                self._lines[key].asks.extend(asks)
                return

    def _sweep(self, now: float) -> None:
        """`Server_Reserve`: a queue without any connection gets one although the node's limit is reached."""
        line = self._lines.get(Counter())
        for ask in list(line.asks) if line is not None else ():
            if self.here(Counter(binding=ask.binding, domain=self._rules.of(ask.binding, ask.domain).domain)):
                continue
            verdict = self._judge(ask, now, self._rules.reserve)
            if isinstance(verdict, str):
                self._forget_waiting(ask.id)
                self._settle(ask, verdict, now)
