"""The one who decides about connections: grants, waiting in turn, recalls, tokens, explanations."""

import pytest

from momentum_node.limits.authority import GOAL, Ask, Authority, Denied, Granted, Id, Recalled
from momentum_node.limits.counters import Alone, Counter
from momentum_node.limits.rules import LimitRules
from tests.support.configuration import loaded


def rules(text: str) -> LimitRules:
    configuration = loaded(text)
    return LimitRules(configuration.tree, configuration.sources.place)


def authority(text: str) -> Authority:
    return Authority(rules(text))


def ask(
    number: int, domain: str = "a.test", *, worker: int = 1, hosts: tuple[str, ...] = ("mx",), active: int = 1000
) -> Ask:
    return Ask(Id(worker, number), "default", domain, hosts, active)


def granted(one: Authority) -> list[int]:
    return [effect.id.number for effect in one.effects() if isinstance(effect, Granted)]


def test_up_to_the_limit_and_no_further_and_the_first_who_waits_comes_first() -> None:
    node = authority("Max_Outbound_Connections = 2")
    for number in range(1, 6):
        node.ask(ask(number), 0.0)
    assert granted(node) == [1, 2]

    node.withdraw(Id(1, 2), 1.0)
    assert granted(node) == [3]
    node.withdraw(Id(1, 4), 1.0)  # it does not wait any more
    node.withdraw(Id(1, 1), 1.0)
    assert granted(node) == [5]


def test_a_dead_worker_leaves_no_connection_and_no_question_behind() -> None:
    node = authority("Max_Outbound_Connections = 2")
    for number in range(1, 5):
        node.ask(ask(number), 0.0)
    node.ask(ask(1, worker=2), 0.0)
    node.effects()

    node.gone(1, 1.0)

    assert node.effects() == [Granted(Id(2, 1), "mx")]
    assert node.here(Counter()) == 1


def test_another_worker_that_waits_has_a_connection_recalled_the_same_queue_does_not() -> None:
    node = authority("Max_Outbound_Connections = 1")
    node.ask(ask(1), 0.0)
    node.ask(ask(2), 0.0)
    assert [type(one) for one in node.effects()] == [Granted]

    node.ask(ask(1, worker=2), 0.0)

    assert node.effects() == [Recalled(Id(1, 1))]


def test_a_full_host_is_passed_over_and_waited_for_when_all_are_full() -> None:
    node = authority('Host one { Max_Outbound_Connections = 1 } Host "/tw/" { Max_Outbound_Connections = 1 }')
    for number in (1, 2, 3):
        node.ask(ask(number, hosts=("one", "two")), 0.0)
    assert [one for one in node.effects() if isinstance(one, Granted)] == [
        Granted(Id(1, 1), "one"),
        Granted(Id(1, 2), "two"),
    ]

    node.withdraw(Id(1, 2), 1.0)

    assert node.effects() == [Granted(Id(1, 3), "two")]


def test_no_more_connections_than_the_queues_of_all_workers_deserve() -> None:
    node = authority("")
    node.ask(ask(1, active=1), 0.0)
    node.ask(ask(2, active=1), 0.0)
    assert node.effects() == [Granted(Id(1, 1), "mx"), Denied(Id(1, 2), GOAL)]


@pytest.mark.parametrize(
    ("option", "count"),
    [("", 10), ("Connection_Allocation_Aggressiveness = high", 24), ("Connection_Allocation_Aggressiveness = 0.5", 16)],
)
def test_how_many_connections_a_queue_deserves_is_a_matter_of_aggressiveness(option: str, count: int) -> None:
    node = authority(option)
    for number in range(1, 33):
        node.ask(ask(number, active=32), 0.0)
    assert len(granted(node)) == count


def test_the_sweep_with_the_reserve_comes_as_often_as_configured() -> None:
    node = authority("Server_Max_Outbound_Connections = 0 Reserve_Maintenance_Interval = 40")
    node.tick(0.0)
    node.ask(ask(1), 0.0)
    assert node.next_timer() == 40.0


def test_the_reserve_never_passes_the_limit_of_a_domain() -> None:
    node = authority("Server_Max_Outbound_Connections = 0 Domain a.test { Scope_Max_Outbound_Connections = 0 }")
    node.tick(0.0)
    node.ask(ask(1, "a.test"), 0.0)
    node.ask(ask(2, "b.test"), 0.0)
    node.tick(15.0)
    assert granted(node) == [2]


def test_the_reserve_gives_a_small_domain_one_connection() -> None:
    node = authority("Server_Max_Outbound_Connections = 1 Server_Reserve_Outbound_Connections = 1")
    node.tick(0.0)
    node.ask(ask(1, "big.test"), 0.0)
    node.ask(ask(2, "small.test"), 0.0)
    node.ask(ask(3, "tiny.test"), 0.0)
    assert granted(node) == [1]

    timer = node.next_timer()
    assert timer == 15.0
    node.tick(timer)

    assert granted(node) == [2]
    assert node.here(Counter()) == 2


class Elsewhere(Alone):
    """Other nodes have so many connections to every domain."""

    connections = 0

    def elsewhere(self, counter: Counter) -> int:
        return self.connections if counter.domain else 0


def test_connections_of_other_nodes_count_against_a_cluster_limit() -> None:
    others = Elsewhere()
    text = 'Cluster_Max_Outbound_Connections = 3  cluster { Replicate "outbound_domains" {} }'
    node = Authority(rules(text), others)
    others.connections = 2
    node.ask(ask(1), 0.0)
    node.ask(ask(2), 0.0)
    assert granted(node) == [1]

    others.connections = 1
    node.tick(node.next_timer() or 0.0)

    assert granted(node) == [2]


def test_a_throttle_is_shared_by_everything_that_falls_back_to_it() -> None:
    node = authority('Domain "/test$/" { Outbound_Throttle_Connections = "2/10" }')
    node.ask(ask(1, "a.test"), 0.0)
    node.ask(ask(2, "b.test"), 1.0)
    node.ask(ask(3, "c.test"), 2.0)
    node.ask(ask(4, "elsewhere.example"), 2.0)
    assert granted(node) == [1, 2, 4]

    timer = node.next_timer()
    assert timer is not None
    assert 10.0 < timer < 10.1
    node.tick(timer)
    assert granted(node) == [3]


def test_message_tokens_are_counted_and_come_back_unused() -> None:
    node = authority('Outbound_Throttle_Messages = "1/60"')
    token = Ask(Id(1, 1), "default", "a.test", (), 5, wants_token=True)
    node.ask(token, 0.0)
    node.ask(ask(2), 0.0)
    assert granted(node) == [1]  # and nobody connects while no message could be sent

    node.give_back("default", "a.test", "Messages", 1.0)

    assert granted(node) == [2]


def test_a_new_generation_counts_and_judges_anew() -> None:
    node = authority("Max_Outbound_Connections = 1")
    node.ask(ask(1), 0.0)
    node.ask(ask(2), 0.0)
    node.ask(ask(3), 0.0)
    node.effects()

    node.configure(rules("Max_Outbound_Connections = 2"), 1.0)

    assert granted(node) == [2]


def test_it_says_why() -> None:
    node = authority("Max_Outbound_Connections = 2\nDomain a.test { Scope_Max_Outbound_Connections = 1 }")
    node.ask(ask(1), 0.0)
    node.ask(ask(2), 0.0)

    told = node.explain("default", "a.test", "mx", 0.0)

    assert not told.may_open
    assert told.why.startswith("Scope_Max_Outbound_Connections = 1 at main.conf:2:")
    assert (told.open, told.waiting, told.active) == (1, 1, 1000)
    assert {(one.option, one.value, one.count, one.binds) for one in told.standings} == {
        ("Server_Max_Outbound_Connections", "20000", 1, False),
        ("Max_Outbound_Connections", "2", 1, False),
        ("Scope_Max_Outbound_Connections", "1", 1, True),
    }
    assert node.explain("default", "b.test", None, 0.0).may_open


def test_the_limits_of_a_domain_behind_a_gateway_are_those_of_the_gateway() -> None:
    node = authority(
        'Domain a.test { Gateway = "Smart.test:587" Max_Outbound_Connections = 9 }'
        ' Domain "smart.test:587" { Max_Outbound_Connections = 4 }'
    )
    told = node.explain("default", "a.test", None, 0.0)
    assert told.domain == "smart.test:587"
    assert [one.value for one in told.standings if one.option == "Max_Outbound_Connections"] == ["4"]
