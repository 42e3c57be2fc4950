"""What people are told, by situation: the most important thing first."""

from collections.abc import Callable

import pytest

from momentum_operator.conditions import stamp
from momentum_operator.view import agree
from tests.unit.operator_world import VIP_1, VIP_2, World, report

OWNED = {VIP_1: "n1", VIP_2: "n2"}
ALL = ("n1", "n2", "n3")


def _alone(world: World) -> None:
    world.reports = {"n1": report("n1", ("n1",), dict.fromkeys(OWNED), quorum=(1, 3))}


def _split(world: World) -> None:
    world.reports["n3"] = report("n3", ("n3",), dict.fromkeys(OWNED), quorum=(1, 3))


def _no_owner(world: World) -> None:
    for name in ALL:
        world.reports[name]["vips"][1] |= {"owner": None, "held": False, "reason": "no member may have it"}


def _not_on_nic(world: World) -> None:
    world.reports["n1"]["vips"][0] |= {"held": False, "problem": "another host answers for it"}


def _refused(world: World) -> None:
    world.reports["n2"]["configuration"]["errors"] = ["ecelerity.conf:3:1: error: no"]


def _no_interface(world: World) -> None:
    world.reports["n2"]["interfaces"] = [{"name": "ens3", "up": True, "addresses": []}]


def _draining(world: World) -> None:
    world.reports["n3"]["state"] = "DRAINING"


SITUATIONS: list[tuple[Callable[[World], None], str, tuple[str, str, str]]] = [
    (_alone, "MembershipAgreed", ("False", "NoQuorum", "1/3 nodes are on the bus: too few to own addresses")),
    (_split, "MembershipAgreed", ("False", "ViewsDiffer", "nodes see different members: (n1 n2 n3); (n3)")),
    (_no_owner, "VIPsAssigned", ("False", "VIPWithoutOwner", f"{VIP_2} has no owner: no member may have it")),
    (
        _not_on_nic,
        "VIPsAssigned",
        ("False", "VIPNotServed", f"{VIP_1} belongs to n1, which does not serve it: another host answers for it"),
    ),
    (_refused, "ConfigAccepted", ("False", "RefusedByNode", "n2: ecelerity.conf:3:1: error: no")),
    (
        _no_interface,
        "HostReady",
        ("False", "InterfaceMissing", "n2 has no interface eth0 (spec.networks[0].interface)"),
    ),
    (_draining, "NodesAvailable", ("False", "NodesMissing", "2 of 3 nodes take part: n3 is in state DRAINING")),
]


@pytest.mark.parametrize(("happens", "kind", "told"), SITUATIONS, ids=lambda v: getattr(v, "__name__", ""))
def test_each_situation_is_told(happens: Callable[[World], None], kind: str, told: tuple[str, str, str]) -> None:
    world = World().running()
    happens(world)
    world.settle()
    assert world.condition(kind) == told


def test_a_problem_that_outlives_every_move_is_a_conflict_and_told_once() -> None:
    world = World().running()
    _not_on_nic(world)
    world.settle()
    world.elapsed_s += 2  # the kernel of a node that died may answer so long
    world.settle()
    assert "VIPConflict" not in [e.reason for e in world.events]
    for _ in range(3):
        world.elapsed_s += 15
        world.settle()
    conflicts = [e.message for e in world.events if e.reason == "VIPConflict"]
    assert conflicts == [f"{VIP_1} on n1: another host answers for it"]
    world.everybody_reports()
    world.settle()
    assert "conflictSince" not in world.vip(VIP_1)


def test_a_transition_time_moves_only_when_the_status_flips() -> None:
    before = [{"type": "Ready", "status": "True", "lastTransitionTime": "then"}]
    same = stamp([{"type": "Ready", "status": "True", "message": "new"}], before, "now", 7)
    flipped = stamp([{"type": "Ready", "status": "False", "message": "new"}], before, "now", 7)
    assert (same[0]["lastTransitionTime"], flipped[0]["lastTransitionTime"]) == ("then", "now")
    assert same[0]["observedGeneration"] == 7


def test_a_cut_off_node_is_outvoted_whatever_it_says() -> None:
    survivors = ("n2", "n3")
    after = {VIP_1: "n2", VIP_2: "n2"}
    view = agree(
        {
            "n1": report("n1", ("n1",), OWNED, quorum=(1, 3)),
            "n2": report("n2", survivors, after, quorum=(2, 3)),
            "n3": report("n3", survivors, after, quorum=(2, 3)),
        }
    )
    assert view.members == survivors
    assert view.truth(VIP_1).owner == "n2"
    assert view.truth(VIP_1).held_by == ("n1", "n2")
    assert not view.truth(VIP_1).is_served


def test_nobody_speaks_and_nothing_is_invented() -> None:
    assert agree({}).truth(VIP_1).owner is None
