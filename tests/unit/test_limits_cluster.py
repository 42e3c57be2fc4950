"""Limits and throttles of all nodes together: what each one counts, and what a node may take of it."""

import pytest

from momentum_node.limits.authority import Ask, Authority, Granted, Id
from momentum_node.limits.counters import Counter
from momentum_node.limits.rules import LimitRules
from momentum_node.limits.throttle import EXCHANGE_S, Throttle
from tests.support.configuration import loaded

REPLICATED = """
    cluster { Replicate "outbound_cidr" {} Replicate "outbound_domains" {} Replicate "outbound_binding_domains" {}
              Replicate "OBTM" {} Replicate "OBTC" {} }
"""


class Others:
    """The other nodes: connections by counter, and events of throttles by where their value stands."""

    def __init__(self, connections: dict[Counter, int] | None = None) -> None:
        self.connections = connections or {}
        self.events: dict[tuple[str, Counter], int] = {}

    def elsewhere(self, counter: Counter) -> int:
        return self.connections.get(counter, 0)

    def used_elsewhere(self, option: str, counter: Counter) -> int | None:
        return self.events.get((option, counter), 0)


class Node:
    """The authority of one node, and who asks it."""

    def __init__(self, text: str, others: Others) -> None:
        configuration = loaded(text + REPLICATED)
        self._authority = Authority(LimitRules(configuration.tree, configuration.sources.place), others)
        self._number = 0
        self.now = 0.0

    def granted(self, count: int, *, wants_token: bool = False) -> int:
        """How many of so many questions of the queue (b, a.test) are granted at once."""
        for _ in range(count):
            self._number += 1
            ask = Ask(Id(1, self._number), "b", "a.test", ("mx.a.test",), 1000, wants_token)
            self._authority.ask(ask, self.now)
        return sum(isinstance(one, Granted) for one in self._authority.effects())


@pytest.mark.parametrize(
    ("text", "counter"),
    [
        ("Cluster_Server_Max_Outbound_Connections = 5", Counter()),
        ("Binding b { Cluster_Server_Max_Outbound_Connections = 5 }", Counter(binding="b")),
        ("Binding_Group g { Cluster_Server_Max_Outbound_Connections = 5 Binding b {} }", Counter(binding="b")),
        ("Cluster_Max_Outbound_Connections = 5", Counter(domain="a.test")),
        ("Domain a.test { Cluster_Max_Outbound_Connections = 5 }", Counter(domain="a.test")),
        ("Binding b { Cluster_Max_Outbound_Connections = 5 }", Counter(binding="b", domain="a.test")),
        ("Host mx.a.test { Cluster_Max_Outbound_Connections = 5 }", Counter(host="mx.a.test")),
        ("Cluster_Scope_Max_Outbound_Connections = 5", Counter()),
        ('Domain "/test$/" { Cluster_Scope_Max_Outbound_Connections = 5 }', Counter(domain="/test$/")),
        ("Binding b { Cluster_Scope_Max_Outbound_Connections = 5 }", Counter(binding="b")),
        (
            "Binding_Group g { Binding b {} Domain a.test { Cluster_Scope_Max_Outbound_Connections = 5 } }",
            Counter(group="g", domain="a.test"),
        ),
        (
            "Binding b { Domain a.test { Cluster_Scope_Max_Outbound_Connections = 5 } }",
            Counter(binding="b", domain="a.test"),
        ),
        ("Host mx.a.test { Cluster_Scope_Max_Outbound_Connections = 5 }", Counter(host="mx.a.test")),
    ],
)
def test_connections_of_the_other_nodes_count_where_the_limit_counts(text: str, counter: Counter) -> None:
    assert Node(text, Others({counter: 3})).granted(4) == 2
    assert Node(text, Others({Counter(domain="else.test"): 3})).granted(6) == 5


def test_a_scope_limit_of_all_nodes_replaces_the_one_of_the_server_and_of_the_queue() -> None:
    everywhere = "Cluster_Server_Max_Outbound_Connections = 1 Cluster_Scope_Max_Outbound_Connections = 3"
    both = "Cluster_Scope_Max_Outbound_Connections = 3 Cluster_Max_Outbound_Connections = 1"
    own = f"Binding b {{ Domain a.test {{ {both} }} }}"
    assert Node(everywhere, Others()).granted(5) == 3
    assert Node(own, Others()).granted(5) == 3


@pytest.mark.parametrize("what", ["Messages", "Connections"])
@pytest.mark.parametrize(
    ("scope", "counter"),
    [
        ("{}", Counter()),
        ("Domain a.test {{ {} }}", Counter(domain="a.test")),
        ("Binding b {{ {} }}", Counter(binding="b")),
        ("Binding_Group g {{ {} Binding b {{}} }}", Counter(group="g")),
    ],
)
def test_events_of_the_other_nodes_use_up_a_throttle(what: str, scope: str, counter: Counter) -> None:
    option = f"Cluster_Outbound_Throttle_{what}"
    others = Others()
    others.events[option, counter] = 7
    node = Node(scope.format(f'{option} = "10/60"'), others)
    assert node.granted(5, wants_token=what == "Messages") == 2  # 95 of 100 of the three that are left
    others.events[option, counter] = 10
    node.now = 30.0
    assert node.granted(1, wants_token=what == "Messages") == 0


def test_the_throttle_of_this_node_holds_beside_that_of_all() -> None:
    node = Node('Outbound_Throttle_Messages = "2/60" Cluster_Outbound_Throttle_Messages = "10/60"', Others())
    assert node.granted(5, wants_token=True) == 2


def taken(throttle: Throttle, now: float) -> int:
    """As many events as may happen now."""
    count = 0
    while throttle.wait_s(now) == 0:
        throttle.take(now)
        count += 1
    return count


def test_a_node_takes_its_share_of_what_is_left_once_between_two_exchanges() -> None:
    throttle = Throttle(100, 60)
    throttle.exchanged(40, 0.0)
    assert taken(throttle, 0.0) == 57  # 95 of 100 of 60
    throttle.exchanged(40, EXCHANGE_S / 2)
    assert taken(throttle, EXCHANGE_S / 2) == 0
    throttle.exchanged(40, EXCHANGE_S)  # the others have had time to say that they used nothing
    assert taken(throttle, EXCHANGE_S) == 2
    throttle.exchanged(42, EXCHANGE_S + 0.1)  # they say more: nothing is left
    assert taken(throttle, EXCHANGE_S + 0.1) == 0


def test_a_node_alone_takes_all_of_it() -> None:
    throttle = Throttle(100, 60)
    throttle.exchanged(None, 0.0)
    assert taken(throttle, 0.0) == 100
