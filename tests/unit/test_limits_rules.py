"""Which limits apply to a queue, what each one counts, and where it was written."""

import pytest

from momentum_node.limits.counters import Counter
from momentum_node.limits.rules import LimitRules
from tests.support.configuration import loaded

BIND = Counter(binding="b")
PAIR = Counter(binding="b", domain="a.test")


def rules_of(text: str) -> LimitRules:
    configuration = loaded(text)
    return LimitRules(configuration.tree, configuration.sources.place)


def limits(text: str, host: str | None = None) -> dict[tuple[str, Counter], int]:
    rules = rules_of(text)
    found = (*rules.of("b", "a.test").limits, *rules.of_host("b", "a.test", host)[0])
    return {(one.option, one.counter): one.value for one in found}


def test_without_configuration_the_built_in_limits_apply() -> None:
    assert limits("") == {
        ("Server_Max_Outbound_Connections", Counter()): 20000,
        ("Max_Outbound_Connections", PAIR): 32,
    }


@pytest.mark.parametrize(
    ("text", "counter", "value"),
    [
        ("Scope_Max_Outbound_Connections = 7", Counter(), 7),
        ("Domain a.test { Scope_Max_Outbound_Connections = 7 }", Counter(domain="a.test"), 7),
        ('Domain "/test$/" { Scope_Max_Outbound_Connections = 7 }', Counter(domain="/test$/"), 7),
        ("Binding b { Scope_Max_Outbound_Connections = 7 }", BIND, 7),
        ("Binding b { Domain a.test { Scope_Max_Outbound_Connections = 7 } }", PAIR, 7),
        (
            "Binding_Group g { Binding b {} Domain a.test { Scope_Max_Outbound_Connections = 7 } }",
            Counter(group="g", domain="a.test"),
            7,
        ),
    ],
)
def test_a_scope_limit_counts_the_scope_in_which_it_stands(text: str, counter: Counter, value: int) -> None:
    assert limits(text)["Scope_Max_Outbound_Connections", counter] == value


def test_a_global_scope_limit_replaces_the_servers_and_one_of_a_bindings_domain_the_queues() -> None:
    everywhere = limits("Server_Max_Outbound_Connections = 5 Scope_Max_Outbound_Connections = 7")
    own = limits("Binding b { Domain a.test { Scope_Max_Outbound_Connections = 7 Max_Outbound_Connections = 3 } }")

    assert ("Server_Max_Outbound_Connections", Counter()) not in everywhere
    assert ("Max_Outbound_Connections", PAIR) not in own


def test_the_servers_limit_of_a_group_is_that_of_each_member() -> None:
    found = limits("Binding_Group g { Server_Max_Outbound_Connections = 9 Binding b {} }")

    assert found["Server_Max_Outbound_Connections", BIND] == 9
    assert found["Server_Max_Outbound_Connections", Counter()] == 20000


def test_unset_in_a_host_means_no_limit_and_does_not_fall_back() -> None:
    text = "Max_Outbound_Connections = 3  Host mx.a.test { Scope_Max_Outbound_Connections = 2 }"

    found = limits(text, "MX.a.test.")

    assert found["Scope_Max_Outbound_Connections", Counter(host="mx.a.test")] == 2
    assert ("Max_Outbound_Connections", Counter(host="mx.a.test")) not in found


CLUSTER_MAX = """
    Cluster_Max_Outbound_Connections = 50
    Domain a.test { Cluster_Max_Outbound_Connections = 40 }
    Host mx.a.test { Cluster_Max_Outbound_Connections = 10 }
    cluster { Replicate "outbound_domains" {} }
"""


def test_the_cluster_limit_has_an_order_of_its_own() -> None:
    option = "Cluster_Max_Outbound_Connections"

    assert limits(CLUSTER_MAX)[option, Counter(domain="a.test")] == 40
    host = limits(CLUSTER_MAX, "mx.a.test")
    assert host[option, Counter(host="mx.a.test")] == 10
    assert (option, Counter(domain="a.test")) not in host
    own = limits(CLUSTER_MAX + "Binding b { Cluster_Max_Outbound_Connections = 30 }")
    assert own[option, PAIR] == 30


def test_a_throttle_lives_where_its_value_stands() -> None:
    text = """
        Outbound_Throttle_Messages = "100"
        Domain "/test$/" { Outbound_Throttle_Messages = "10/60" }
        Domain b.test { Outbound_Throttle_Connections = "1" }
    """
    rules = rules_of(text)

    (messages,) = rules.of("b", "a.test").throttles
    assert (messages.number, messages.window_s, messages.counter) == (10, 60, Counter(domain="/test$/"))
    assert rules.of("b", "b.test").throttles_of("Messages") == (messages,)
    assert rules.of("b", "elsewhere.example").throttles_of("Messages")[0].counter == Counter()


def test_every_limit_names_its_place() -> None:
    (limit,) = (
        one
        for one in rules_of("\n  Max_Outbound_Connections = 3\n").of("b", "a.test").limits
        if one.option == "Max_Outbound_Connections"
    )
    assert str(limit.place).startswith("main.conf:2:")
