"""Clients counted by the blocks of their addresses: limits, workers that go, what other nodes have."""

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from momentum_node.config.model import Network
from momentum_node.limits.sessions import BLOCK, CLUSTER, LISTENER, SERVICE, Id, Limits, Session, Sessions


def client(address: str, listener: str = "any:25") -> Session:
    return Session(ip_address(address), listener)


class Elsewhere:
    """Other nodes with a number of sessions from each block; None: nobody hears them."""

    def __init__(self, count: int | None) -> None:
        self.count = count

    def sessions_elsewhere(self, _block: Network) -> int | None:
        return self.count


def test_a_block_has_its_limit_and_another_block_its_own() -> None:
    node = Sessions()
    limits = Limits(block=2, prefix_length=24)
    assert node.knock(Id(1, 1), client("192.0.2.1"), limits) is None
    assert node.knock(Id(2, 1), client("192.0.2.200"), limits) is None
    assert node.knock(Id(1, 2), client("192.0.2.7"), limits) == BLOCK
    assert node.knock(Id(1, 3), client("192.0.3.7"), limits) is None
    assert node.denials == {BLOCK: 1}

    node.left(Id(2, 1))
    assert node.knock(Id(1, 4), client("192.0.2.7"), limits) is None


def test_clients_that_nothing_limits_count_for_those_that_are_limited() -> None:
    node = Sessions()
    node.arrived(Id(1, 1), client("192.0.2.1"))
    node.arrived(Id(1, 1), client("192.0.2.1"))  # told again by a worker that is back
    assert node.knock(Id(1, 2), client("192.0.2.1"), Limits(block=2, prefix_length=32)) is None
    assert node.knock(Id(1, 3), client("192.0.2.1"), Limits(block=2, prefix_length=32)) == BLOCK


def test_an_ipv6_client_is_counted_by_its_own_block_size() -> None:
    node = Sessions()
    limits = Limits(block=1, prefix_length=64)
    assert node.knock(Id(1, 1), client("2001:db8::1"), limits) is None
    assert node.knock(Id(1, 2), client("2001:db8::2"), limits) == BLOCK
    assert node.knock(Id(1, 3), client("2001:db8:0:1::2"), limits) is None


def test_a_socket_and_the_service_have_limits_over_all_workers() -> None:
    node = Sessions()
    limits = Limits(listener=1, service=2)
    assert node.knock(Id(1, 1), client("192.0.2.1", "a:25"), limits) is None
    assert node.knock(Id(2, 1), client("192.0.2.2", "a:25"), limits) == LISTENER
    assert node.knock(Id(2, 2), client("192.0.2.2", "b:25"), limits) is None
    assert node.knock(Id(2, 3), client("192.0.2.3", "c:25"), limits) == SERVICE


def test_a_dead_worker_leaves_nobody_behind() -> None:
    node = Sessions()
    limits = Limits(block=1, prefix_length=32)
    node.knock(Id(1, 1), client("192.0.2.1"), limits)
    node.gone(1)
    node.left(Id(1, 1))  # said by nobody any more, and harmless
    assert len(node) == 0
    assert node.knock(Id(2, 1), client("192.0.2.1"), limits) is None


def test_the_limit_of_the_cluster_adds_what_the_others_have() -> None:
    others = Elsewhere(3)
    node = Sessions(others)
    limits = Limits(block=10, cluster=5, prefix_length=32)
    assert node.knock(Id(1, 1), client("192.0.2.1"), limits) is None
    assert node.knock(Id(1, 2), client("192.0.2.1"), limits) is None
    assert node.knock(Id(1, 3), client("192.0.2.1"), limits) == CLUSTER

    others.count = None  # cut off: this node's own count is all there is
    assert node.knock(Id(1, 4), client("192.0.2.1"), limits) is None
    assert node.is_blind


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 12), st.integers(0, 3)), max_size=60),
    st.sampled_from([8, 24, 31, 32]),
)
def test_a_count_is_what_a_census_finds(steps: list[tuple[bool, int, int]], length: int) -> None:
    node, there = Sessions(), dict[Id, Session]()
    for comes, number, last in steps:
        id_ = Id(number % 2, number)
        if comes:
            there[id_] = client(f"10.0.{last}.{last}")
            node.arrived(id_, there[id_])
        else:
            there.pop(id_, None)
            node.left(id_)
        block = ip_network("10.0.1.1").supernet(new_prefix=length)
        assert node.tree.sum(block) == sum(one.client in block for one in there.values())
    assert dict(node.clients()) == {
        one: sum(other.client == one for other in there.values()) for one in {one.client for one in there.values()}
    }
