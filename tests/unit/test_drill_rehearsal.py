"""A drill before and while it is done: what is refused and why, where it goes, what brings the address home."""

from collections.abc import Callable
from ipaddress import ip_address

import pytest

from momentum_node.config.model import Address
from momentum_node.drill.rehearsal import DrillRefused, Rehearsal, Step, is_at, next_step, rehearse
from momentum_node.duravip.vip import Policy
from tests.support.declared import declared
from tests.support.machines import V1, V2, cluster, the
from tests.support.story import Cluster

EVEN = Policy(failback_delay_s=0.0, view_mature_time_s=5.0, balance_interval_s=0.0)  # nothing balances by itself


def rehearsal(made: Cluster, vip: Address = V1, to: str | None = None, *, force: bool = False) -> Rehearsal:
    table, reachable, definitions = the(made, made.up()[0]).basis()
    return rehearse(table, reachable, definitions, vip, to, even_if_others_move=force)


def refusal(made: Cluster, vip: Address = V1, to: str | None = None) -> str:
    with pytest.raises(DrillRefused) as refused:
        rehearsal(made, vip, to)
    return str(refused.value)


def step(made: Cluster, plan: Rehearsal) -> Step:
    return next_step(the(made, made.up()[0]).basis()[0], plan)


def move(made: Cluster, node: str | None, vip: Address = V1) -> None:
    made.tell(made.up()[0], lambda machine: machine.on_move(vip, node, made.now))


def one_each(count: int) -> Cluster:
    return cluster(count, EVEN, f"192.0.2.1..{count}")


def test_it_goes_to_who_would_have_it_if_its_owner_died() -> None:
    plan = rehearsal(one_each(3))
    assert plan == Rehearsal(V1, "n1", "n2", ())


def test_it_goes_where_one_wants() -> None:
    assert rehearsal(one_each(3), to="N3.example.com").target == "n3"


def test_a_rehearsal_changes_nothing() -> None:
    made = one_each(3)
    before = made.owners("n1"), the(made, "n1").placements()
    rehearsal(made)
    assert (made.owners("n1"), the(made, "n1").placements()) == before


def test_followers_go_along_and_are_named() -> None:
    made = Cluster(["n1", "n2"], EVEN)
    for name in made.nodes:
        made.nodes[name].definitions = declared(name, ["192.0.2.1", "192.0.2.2~192.0.2.1"])
    made.start("n1", "n2")
    made.wait(5.0)
    assert rehearsal(made).along == (V2,)
    assert refusal(made, V2) == "192.0.2.2 follows 192.0.2.1: move that one"


def draining(made: Cluster) -> None:
    made.tell("n2", lambda machine: machine.on_drain(made.now))


def without_link(made: Cluster) -> None:
    made.tell("n2", lambda machine: machine.on_usable(frozenset(), "eth0 has no carrier", made.now))


def failing(made: Cluster) -> None:
    move(made, "n2")
    made.tell("n2", lambda machine: machine.on_plumb_failed(V1, "in use by 02:00:00:00:00:09", made.now))
    move(made, None)


@pytest.mark.parametrize(
    ("happened", "why"),
    [
        (draining, "n2 is draining"),
        (without_link, "n2 cannot serve it: eth0 has no carrier"),
        (failing, "n2 failed: in use by 02:00:00:00:00:09"),
    ],
)
def test_without_another_candidate_it_is_refused(happened: Callable[[Cluster], None], why: str) -> None:
    made = cluster(2, EVEN)
    happened(made)
    assert refusal(made) == f"no other node can have 192.0.2.1: {why}"


def test_a_node_that_is_alone_refuses() -> None:
    assert refusal(cluster(1)) == "no other node can have 192.0.2.1: n1 is the only member"


def test_a_pinned_address_is_refused_and_told_how_to_end_it() -> None:
    made = one_each(3)
    move(made, "n3")
    assert refusal(made).startswith("192.0.2.1 is pinned to n3, by an administrator or by a drill")
    assert "--vip 192.0.2.1 --unpin" in refusal(made)


def test_what_does_not_exist_or_is_there_already_is_refused() -> None:
    made = one_each(2)
    assert refusal(made, ip_address("192.0.2.99")) == "192.0.2.99 is no DuraVIP of this cluster"
    assert refusal(made, to="n9") == "no member is called n9 (members: n1, n2)"
    assert refusal(made, to="n1") == "192.0.2.1 is on n1 already: name another node, or none"


def test_an_address_without_an_owner_is_refused() -> None:
    made = Cluster(["n1", "n2"], EVEN)
    for name in made.nodes:
        made.nodes[name].definitions = declared(name, ["192.0.2.1"])
    made.start("n1", "n2")
    assert refusal(made) == "nobody owns 192.0.2.1: no member is mature yet"


def test_an_address_that_is_moving_is_refused() -> None:
    made = one_each(2)
    made.nodes["n1"].holds_on = True
    made.tell("n1", lambda machine: machine.on_cordon(True, made.now))
    assert refusal(made) == "192.0.2.1 is moving now: n1 has not released it yet"


def test_during_a_gather_it_is_refused() -> None:
    with pytest.raises(DrillRefused, match="exchanging their states"):
        rehearse(None, frozenset(), {}, V1)


def test_a_drill_that_lets_balancing_move_others_is_refused_unless_forced() -> None:
    """n1:{1} n2:{2,3}: without 1 the load of n1 is none, and balancing would give it 2."""
    made = cluster(2, EVEN, "192.0.2.1..3")
    move(made, "n2", ip_address("192.0.2.3"))
    move(made, None, ip_address("192.0.2.3"))
    assert made.owners("n1") == "n1:{1} n2:{2,3}"
    assert "balancing could move other addresses" in refusal(made)
    assert rehearsal(made, force=True).target == "n2"


def test_a_node_that_may_not_have_it_is_refused() -> None:
    made = one_each(3)
    made.tell("n3", lambda machine: machine.on_cordon(True, made.now))
    draining(made)
    assert refusal(made, to="n2").startswith("192.0.2.1 would not go to n2, but to n1")


# -- on the way home -----------------------------------------------------------------------------


def test_the_way_home() -> None:
    made = one_each(3)
    plan = rehearsal(made)
    move(made, "n2")
    assert is_at(the(made, "n1").basis()[0], V1, "n2")
    assert step(made, plan) is Step.MOVE
    made.nodes["n2"].holds_on = True
    move(made, "n1")
    assert step(made, plan) is Step.WAIT
    assert not is_at(the(made, "n1").basis()[0], V1, "n1")
    made.finish("n2")
    assert step(made, plan) is Step.UNPIN
    move(made, None)
    assert step(made, plan) is Step.DONE
    assert made.owners("n1") == "n1:{1} n2:{2} n3:{3}"


def test_when_the_target_dies_it_still_comes_home() -> None:
    made = one_each(3)
    plan = rehearsal(made, to="n3")
    move(made, "n3")
    made.stop("n3")
    assert made.placement(V1).owner == "n1"
    assert step(made, plan) is Step.DONE
    plan = Rehearsal(V1, "n2", "n3", ())
    assert step(made, plan) is Step.MOVE


def test_when_its_origin_dies_the_pin_ends_and_it_stays() -> None:
    made = one_each(3)
    plan = rehearsal(made, to="n3")
    move(made, "n3")
    made.stop("n1")
    assert step(made, plan) is Step.UNPIN
    move(made, None)
    assert step(made, plan) is Step.DONE
    assert made.placement(V1).owner == "n3"


def test_an_administrators_move_meanwhile_is_left_alone() -> None:
    made = one_each(3)
    plan = rehearsal(made, to="n2")
    move(made, "n2")
    move(made, "n3")
    assert step(made, plan) is Step.DONE


def test_it_waits_while_states_are_exchanged() -> None:
    assert next_step(None, Rehearsal(V1, "n1", "n2", ())) is Step.WAIT
    assert not is_at(None, V1, "n1")
