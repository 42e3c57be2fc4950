"""May one more connection be opened? One function, that also explains itself. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from momentum_node.limits.counters import Counter
from momentum_node.limits.rules import Limit, Rules, ThrottleRule

Count: TypeAlias = Callable[[Limit], int]


def reached(limits: Iterable[Limit], count: Count) -> Limit | None:
    """The first limit that leaves no room for one more connection; None: there is room under all of them."""
    return next((limit for limit in limits if count(limit) >= limit.value), None)


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit or throttle as it stands now."""

    option: str
    value: str  # "32", or a throttle as "10/60"
    place: str  # file:line:column, or "built-in default"
    counts: str  # the scope whose connections or events are counted
    scope: str  # "node" or "cluster"
    count: int
    binds: bool  # it alone forbids the next connection


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a queue may, or may not, open one more connection now."""

    binding: str
    group: str
    domain: str
    host: str | None
    may_open: bool
    why: str
    goal: int
    active: int
    open: int
    waiting: int  # connections of this queue that were asked for and wait
    standings: tuple[Standing, ...]

    def plain(self) -> dict[str, Any]:
        """As a JSON object."""
        own = {name: getattr(self, name) for name in self.__slots__ if name != "standings"}
        limits = [{name: getattr(one, name) for name in one.__slots__} for one in self.standings]
        return {**own, "standings": limits}


@dataclass(frozen=True, slots=True)
class State:
    """What an explanation is made from."""

    rules: Rules
    host: str | None
    limits: tuple[Limit, ...]  # those of `rules` and of the host
    count: Count
    throttles: Mapping[ThrottleRule, tuple[int, float]]  # used, seconds until it has room
    goal: int
    active: int
    waiting: int
    open: int


def explain(state: State) -> Explanation:
    """Every limit that applies, its value, where it was set, its count, and which one binds."""
    standings = [_of_limit(limit, state.count(limit)) for limit in state.limits]
    standings += [_of_throttle(rule, *state.throttles[rule]) for rule in state.rules.throttles]
    binding_now = next((one for one in standings if one.binds), None)
    why = _why(state, binding_now)
    rules = state.rules
    return Explanation(
        rules.binding,
        rules.group,
        rules.domain,
        state.host,
        may_open=why is None,
        why=why or "one more connection may be opened",
        goal=state.goal,
        active=state.active,
        open=state.open,
        waiting=state.waiting,
        standings=tuple(standings),
    )


def _why(state: State, binds: Standing | None) -> str | None:
    if state.rules.suspended is not None:
        return f"Suspend_Delivery at {state.rules.suspended}"
    if binds is not None:
        return f"{binds.option} = {binds.value} at {binds.place}: {binds.count} counted for {binds.counts}"
    if state.active and state.open >= state.goal:
        return f"{state.active} active messages deserve {state.goal} connections, and {state.open} are open"
    return None


def _of_limit(limit: Limit, count: int) -> Standing:
    return Standing(
        limit.option,
        str(limit.value),
        _place(limit.place),
        str(limit.counter),
        "cluster" if limit.is_cluster else "node",
        count,
        count >= limit.value,
    )


def _of_throttle(rule: ThrottleRule, used: int, wait_s: float) -> Standing:
    return Standing(
        rule.option,
        f"{rule.number}/{rule.window_s}",
        _place(rule.place),
        str(rule.counter),
        "cluster" if rule.is_cluster else "node",
        used,
        wait_s > 0,
    )


def _place(place: object) -> str:
    return "built-in default" if place is None else str(place)


def throttle_key(rule: ThrottleRule) -> tuple[str, Counter]:
    """Which counter a throttle has: by reference, so shared by everything that falls back to it."""
    return rule.option, rule.counter
