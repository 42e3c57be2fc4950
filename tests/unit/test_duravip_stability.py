"""Since when an address has the same candidates, and means the same: `duravip show` tells both."""

from dataclasses import replace
from ipaddress import ip_address

from momentum_node.config.model import Address
from momentum_node.duravip.stability import Clocks, Stability
from tests.support.declared import declared
from tests.support.machines import POLICY, V1, V2, cluster, the
from tests.support.story import Cluster

V3 = ip_address("192.0.2.3")


class Seen:
    """What n1's report would say, looked at after each step."""

    def __init__(self, made: Cluster) -> None:
        self.made = made
        self.stability = Stability(made.now)

    def look(self, at: float) -> None:
        self.stability.look(the(self.made, "n1").basis()[0], at)

    def __call__(self, vip: Address) -> Clocks:
        return self.stability.of(vip)


def two_nodes() -> Seen:
    seen = Seen(cluster(2))
    seen.look(10.0)
    return seen


def test_what_does_not_change_keeps_its_clocks() -> None:
    seen = two_nodes()
    for at in (20.0, 30.0):
        seen.made.tell("n1", lambda machine: machine.on_move(V1, "n2", seen.made.now))
        seen.look(at)
    assert seen(V1) == seen(V2) == Clocks(10.0, 10.0)


def test_a_member_that_goes_changes_the_view_and_not_the_configuration() -> None:
    seen = two_nodes()
    seen.made.stop("n2")
    seen.look(20.0)
    assert seen(V1) == Clocks(20.0, 10.0)
    seen.made.start("n2")
    seen.look(30.0)
    assert seen(V1) == Clocks(30.0, 10.0)


def test_a_member_that_was_away_between_two_looks_is_another_one() -> None:
    seen = two_nodes()
    seen.made.stop("n2")
    seen.made.start("n2")
    seen.look(20.0)
    assert seen(V1).view == 20.0


def test_a_lost_link_changes_the_view_of_its_addresses_only() -> None:
    seen = two_nodes()
    seen.made.tell("n2", lambda machine: machine.on_usable(frozenset({V2}), "eth0 has no carrier", seen.made.now))
    seen.look(20.0)
    assert (seen(V1).view, seen(V2).view) == (20.0, 10.0)


def test_another_definition_changes_the_configuration_of_its_address_only() -> None:
    seen = two_nodes()
    first, second = declared("n2", ["192.0.2.1..2"])
    changed = (replace(first, bindings=("another",)), second)
    seen.made.tell("n2", lambda machine: machine.on_definitions(changed, POLICY, seen.made.now))
    seen.look(20.0)
    assert (seen(V1), seen(V2)) == (Clocks(10.0, 20.0), Clocks(10.0, 10.0))


def test_an_address_that_comes_begins_both() -> None:
    seen = two_nodes()
    more = declared("n2", ["192.0.2.1..3"])
    seen.made.tell("n2", lambda machine: machine.on_definitions(more, POLICY, seen.made.now))
    seen.look(20.0)
    assert (seen(V1), seen(V3)) == (Clocks(10.0, 10.0), Clocks(20.0, 20.0))


def test_while_states_are_exchanged_nothing_is_concluded() -> None:
    seen = two_nodes()
    seen.stability.look(None, 20.0)
    seen.look(30.0)
    assert seen(V1) == Clocks(10.0, 10.0)
