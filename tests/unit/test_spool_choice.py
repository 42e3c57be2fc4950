"""Which binding a message leaves from: policy first, then rules, sender's domain, default; groups and their states."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from momentum_node.spool.assignment import Assignment
from momentum_node.spool.choice import Arrival, BindingState, Chooser, groups_of, rules_of
from momentum_node.spool.conditions import BadCondition, parse
from tests.support.configuration import loaded

HEAD = b"X-Tenant: a\r\nSubject: a long\r\n subject\r\n\r\n"
ARRIVAL = Arrival(
    "news@a.test",
    "a.test",
    "joe@big.test",
    ip_address("192.0.2.1"),
    25,
    ip_address("198.51.100.7"),
    HEAD,
    b"one\r\ntwo\r\n",
)


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ("header:X-Tenant == 'a' AND rcptto =~ '@big\\.test$'", True),
        ("header:x-tenant == 'b' OR mailfrom =~ '^news@'", True),
        ("header:x-tenant == 'b' AND mailfrom =~ 'x' OR rcptto == 'joe@big.test'", True),
        ("header:x-tenant == 'b' AND (mailfrom =~ 'x' OR rcptto == 'joe@big.test')", False),
        ("mailfrom =~ 'NEWS'", False),
        ("header:Subject == 'a long subject'", True),
        ("body =~ '^two$'", True),
        ("recv_ip == '192.0.2.1' AND recv_port == '25' AND sender_ip =~ '^198\\.'", True),
    ],
)
def test_conditions(condition: str, matches: bool) -> None:
    assert parse(condition)(ARRIVAL) is matches


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("mailfrom", "=~ or =="),
        ("sender == 'a'", "'sender' is no field"),
        ("mailfrom =~ '('", "does not compile"),
        ("(mailfrom == 'a'", "closing parenthesis"),
        ("mailfrom == 'a' rcptto == 'b'", "AND or OR is missing"),
        ("mailfrom == a", "a text in single quotes"),
        ("(" * 60, "too many parentheses"),
        ("", "a field"),
    ],
)
def test_a_bad_condition_says_where_and_what(condition: str, says: str) -> None:
    with pytest.raises(BadCondition, match=says.replace("(", r"\(")):
        parse(condition)


LOCAL = BindingState(is_local=True, is_plumbed=True, has_owner=True, is_suspended=False)
AWAY = BindingState(is_local=False, is_plumbed=False, has_owner=True, is_suspended=False)
OWNERLESS = BindingState(is_local=False, is_plumbed=False, has_owner=False, is_suspended=False)
UNPLUMBED = BindingState(is_local=True, is_plumbed=False, has_owner=True, is_suspended=False)
SUSPENDED = BindingState(is_local=True, is_plumbed=True, has_owner=True, is_suspended=True)

TEXT = """
    Binding alone { Match_Domain = ( "a.test" ) }
    Binding_Group bulk { Binding b1 {} Binding b2 {} }
    Binding_Group empty { Retry_Interval = 5 }
    regex_binding2 "rules" {
      "b1,b2" = "rcptto =~ 'turn@'"
      "group:bulk" = "rcptto =~ 'group@'"
      "nobody" = "rcptto =~ 'wrong@'"
    }
"""


class Known:
    def __init__(self, **states: BindingState) -> None:
        self.states = states

    def state(self, binding: str) -> BindingState:
        return self.states.get(binding, LOCAL)


def first(names: Sequence[str]) -> str:
    return names[0]


def chooser(*, refuses_default: bool = False, **states: BindingState) -> Chooser:
    generation = loaded(TEXT)
    rules, wrong = rules_of(generation.tree, generation.sources.place)
    assert wrong == []
    groups = groups_of(generation.tree)
    assignment = Assignment(generation.node.bindings)
    return Chooser(assignment, groups, Known(**states), first, rules, refuses_default)


def to(recipient: str, sender: str = "x@y.test") -> Arrival:
    return Arrival(sender, sender.partition("@")[2], recipient, None, 25, None, HEAD)


def test_policy_beats_rules_beat_the_senders_domain_beat_default() -> None:
    one = chooser()
    assert one.choose(to("turn@x", "q@a.test"), "alone").binding == "alone"
    assert one.choose(to("turn@x", "q@a.test")).binding == "b1"
    assert one.choose(to("joe@x", "q@a.test")).binding == "alone"
    assert one.choose(to("joe@x")).binding == "default"
    assert chooser(refuses_default=True).choose(to("joe@x")).binding is None


def test_several_targets_are_taken_in_turn() -> None:
    one = chooser()
    assert [one.choose(to("turn@x")).binding for _ in range(3)] == ["b1", "b2", "b1"]


def test_an_unknown_name_changes_nothing_and_is_told() -> None:
    wrong = chooser().choose(to("joe@x", "q@a.test"), "nobody")
    assert (wrong.binding, "nobody" in (wrong.error or "")) == ("alone", True)
    ruled = chooser().choose(to("wrong@x"))
    assert (ruled.binding, "nobody" in (ruled.error or "")) == ("default", True)


@pytest.mark.parametrize(
    ("b1", "b2", "chosen"),
    [
        (LOCAL, LOCAL, "b1"),
        (AWAY, LOCAL, "b2"),
        (SUSPENDED, AWAY, "b2"),
        (UNPLUMBED, AWAY, "b2"),
        (OWNERLESS, SUSPENDED, "b2"),
        (OWNERLESS, UNPLUMBED, "default"),
    ],
)
def test_a_group_gives_local_before_away_before_suspended(b1: BindingState, b2: BindingState, chosen: str) -> None:
    choice = chooser(b1=b1, b2=b2).choose(to("group@x"))
    assert choice.binding == chosen
    assert (choice.error is not None) == (chosen == "default")


def test_an_empty_or_unknown_group_is_default_and_an_error() -> None:
    for name in ("group:empty", "group:unknown"):
        choice = chooser().choose(to("joe@x"), name)
        assert choice.binding == "default"
        assert choice.error is not None
