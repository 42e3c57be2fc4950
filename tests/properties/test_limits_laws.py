"""Laws of limits: never over one, in whatever order workers ask, end and die; never lost, never granted twice."""

from collections import Counter as Tally

import hypothesis.strategies as some
from hypothesis import given

from momentum_node.limits.authority import Ask, Authority, Denied, Granted, Id
from momentum_node.limits.rules import LimitRules
from momentum_node.limits.throttle import Throttle
from tests.support.configuration import loaded

LIMITS = """
    Server_Max_Outbound_Connections = 6
    Max_Outbound_Connections = 3
    Domain "/test$/" { Scope_Max_Outbound_Connections = 4 }
    Host mx1 { Max_Outbound_Connections = 2 }
    Binding_Group g { Binding b { Server_Max_Outbound_Connections = 3 } Domain a.test { Max_Outbound_Connections = 1 } }
"""
_LOADED = loaded(LIMITS)
RULES = LimitRules(_LOADED.tree, _LOADED.sources.place)
STEP = some.one_of(
    some.tuples(
        some.just("ask"),
        some.integers(1, 3),
        some.sampled_from(["default", "b"]),
        some.sampled_from(["a.test", "b.test", "c.example"]),
        some.sampled_from([("mx1",), ("mx1", "mx2"), ("mx2",)]),
    ),
    some.tuples(some.just("end"), some.integers(0, 30)),
    some.tuples(some.just("gone"), some.integers(1, 3)),
)


def over(held: dict[Id, tuple[str, str, str]]) -> list[str]:
    """Which limits the held connections break, counted independently of the code under test."""
    rows = list(held.values())
    pairs = Tally((binding, domain) for binding, domain, _ in rows)
    return [
        name
        for name, count, most in (
            ("server", len(rows), 6),
            ("regex", sum(domain.endswith("test") for _, domain, _ in rows), 4),
            ("host", sum(host == "mx1" for _, _, host in rows), 2),
            ("binding", sum(binding == "b" for binding, _, _ in rows), 3),
            ("group's domain", pairs["b", "a.test"], 1),
            ("queue", max(pairs.values(), default=0), 3),
        )
        if count > most
    ]


def hear(node: Authority, held: dict[Id, tuple[str, str, str]], waiting: dict[Id, tuple[str, str]]) -> None:
    """What the workers know after the effects."""
    for effect in node.effects():
        if isinstance(effect, Granted):
            held[effect.id] = (*waiting.pop(effect.id), effect.host)
        elif isinstance(effect, Denied):
            del waiting[effect.id]


@given(some.lists(STEP, max_size=60))
def test_no_limit_is_ever_exceeded_and_nobody_is_forgotten(steps: list[tuple[object, ...]]) -> None:
    node = Authority(RULES)
    held: dict[Id, tuple[str, str, str]] = {}
    waiting: dict[Id, tuple[str, str]] = {}
    for number, step in enumerate(steps):
        now = float(number)
        match step:
            case ("ask", int(worker), str(binding), str(domain), tuple(hosts)):
                waiting[Id(worker, number)] = (binding, domain)
                node.ask(Ask(Id(worker, number), binding, domain, hosts, 100), now)
            case ("end", int(which)) if held or waiting:
                ids = [*held, *waiting]
                id_ = ids[which % len(ids)]
                held.pop(id_, None)
                waiting.pop(id_, None)
                node.withdraw(id_, now)
            case ("gone", int(worker)):
                held = {id_: row for id_, row in held.items() if id_.worker != worker}
                waiting = {id_: row for id_, row in waiting.items() if id_.worker != worker}
                node.gone(worker, now)
        hear(node, held, waiting)
        assert over(held) == []
    for id_ in list(held):
        node.withdraw(id_, 1000.0)
    node.effects()
    # With room everywhere, whoever still waits is served by those who end before him.
    for _ in range(len(waiting) + 1):
        for id_ in list(node._open):
            node.withdraw(id_, 1000.0)
    assert not node._waiting
    assert not node._under


@given(
    some.integers(1, 5),
    some.floats(0.5, 10),
    some.lists(some.floats(0, 2), max_size=80),
)
def test_no_window_ever_holds_more_than_the_throttle_allows(number: int, window_s: float, pauses: list[float]) -> None:
    throttle, now, events = Throttle(number, window_s), 0.0, []
    for pause in pauses:
        now += pause
        if throttle.wait_s(now) == 0:
            throttle.take(now)
            events.append(now)
    for first, last in zip(events, events[number:], strict=False):
        assert last - first >= window_s


@given(some.integers(1, 5), some.integers(0, 5), some.floats(0, 3))
def test_who_waits_as_long_as_told_may_go(number: int, used: int, later: float) -> None:
    throttle = Throttle(number, 2.0)
    for count in range(min(used, number)):
        throttle.take(count * 0.1)
    now = 1.0 + later
    wait_s = throttle.wait_s(now)
    assert throttle.wait_s(now + wait_s + 1e-9) == 0


def test_many_events_take_little_memory_and_stay_within_the_limit() -> None:
    throttle, now, taken = Throttle(20_000, 10.0), 0.0, 0
    for step in range(60_000):
        now = step / 3000
        if throttle.wait_s(now) == 0:
            throttle.take(now)
            taken += 1 if now < 10 else 0
    assert taken == 20_000
    assert len(throttle._log) <= 260
