"""The bus key of a running cluster is replaced: no stage before everybody is ready for it."""

import copy
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from momentum_node.bus.keystages import mounted
from momentum_node.config.ringkeys import fingerprint
from momentum_node.status.report import BusKeyReport
from momentum_operator import keyring, names
from momentum_operator.actions import Delete, Emit, RefreshPod, RotateKey
from momentum_operator.objects import Identity
from momentum_operator.rotation import ARBITER_STAGE_S, GIVE_UP_S, BusKey, Course, Step, course
from tests.unit.operator_world import START, World, node

WHO = Identity("mail", "mail", "5b6f0c1e")
NOW = "2030-01-01T00:00:00Z"
OLD, NEW = "old0", "new0"
KEYS = {
    "": BusKey(OLD, wish="1"),
    "distribute": BusKey(OLD, NEW, "distribute", "2", NOW),
    "install": BusKey(OLD, NEW, "install", "2", NOW),
    "switch": BusKey(OLD, NEW, "switch", "2", NOW),
}
READY: dict[str, BusKeyReport] = {
    "": {"stage": "", "file": OLD, "next": None, "inForce": OLD},
    "distribute": {"stage": "distribute", "file": OLD, "next": NEW, "inForce": OLD},
    "install": {"stage": "install", "file": NEW, "next": NEW, "inForce": OLD},
    "switch": {"stage": "switch", "file": NEW, "next": NEW, "inForce": NEW},
}
NAMES = ("n1", "n2", "n3")


def reports(stage: str) -> dict[str, Any]:
    """Everybody has done what the stage asks for, and all hear all."""
    told = {}
    for name in NAMES:
        links = [{"node": other, "connected": True, "timesDown": 1} for other in NAMES if other != name]
        told[name] = {"bus": {"ring": list(NAMES), "links": links, "key": READY[stage].copy()}}
    return told


def now(stage: str, told: dict[str, Any], *, later: float = 0.0, arbiter: bool = False, wish: str = "2") -> Course:
    at = (START + dt.timedelta(seconds=later)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return course(KEYS[stage], wish, NAMES, told, arbiter, at)


@pytest.mark.parametrize(
    ("stage", "step"),
    [("", Step.BEGIN), ("distribute", Step.INSTALL), ("install", Step.SWITCH), ("switch", Step.FINISH)],
)
def test_a_stage_follows_when_everybody_is_ready(stage: str, step: Step) -> None:
    assert now(stage, reports(stage)) == Course(step)


@pytest.mark.parametrize(
    ("stage", "before", "why"),
    [
        ("distribute", "", "n2 has not seen the next key yet"),
        ("install", "distribute", "n2 has not installed the next key yet"),
        ("switch", "install", "n2 does not use the next key yet"),
    ],
)
def test_one_who_is_behind_is_waited_for_and_named(stage: str, before: str, why: str) -> None:
    told = reports(stage)
    told["n2"]["bus"]["key"] = READY[before]
    assert now(stage, told) == Course(None, (why,))


@pytest.mark.parametrize("stage", ["", "distribute", "install", "switch"])
def test_one_who_does_not_report_or_publish_is_waited_for(stage: str) -> None:
    told = reports(stage)
    del told["n3"]
    assert now(stage, told).waits == ("n3 does not report",)
    told = reports(stage)
    told["n3"]["bus"]["key"] = None
    assert now(stage, told).waits[0].startswith("n3 publishes no key")


def test_who_is_on_a_ring_counts_although_kubernetes_has_lost_it() -> None:
    told = reports("install")
    del told["n3"]
    assert course(KEYS["install"], "2", ("n1", "n2"), told, False, NOW).waits == ("n3 does not report",)


@pytest.mark.parametrize("stage", ["", "switch"])
def test_it_neither_begins_nor_ends_with_a_broken_ring_or_link(stage: str) -> None:
    told = reports(stage)
    told["n1"]["bus"]["ring"] = ["n1", "n2"]
    assert now(stage, told).waits == ("n1 does not have n3 on its ring",)
    told = reports(stage)
    told["n1"]["bus"]["links"][0]["connected"] = False
    assert now(stage, told).waits == ("n1 has no link to n2",)


def test_the_arbiter_is_given_its_time() -> None:
    told = reports("distribute")
    for told_by in told.values():
        told_by["bus"]["ring"].append("4")  # its number: it is in no node list of the nodes
    assert "the arbiter reports nothing" in now("distribute", told, later=10, arbiter=True).waits[0]
    assert now("distribute", told, later=ARBITER_STAGE_S + 1, arbiter=True).step is Step.INSTALL


def test_before_anything_was_installed_it_can_be_given_up() -> None:
    told = reports("")
    assert now("distribute", told, wish="").step is Step.ABANDON
    assert now("distribute", told, later=GIVE_UP_S + 1).step is Step.ABANDON
    assert now("distribute", told, later=GIVE_UP_S - 1).step is None


@pytest.mark.parametrize("stage", ["install", "switch"])
def test_after_that_there_is_no_way_back(stage: str) -> None:
    assert now(stage, reports(""), wish="", later=9999).step is None
    assert now(stage, reports(stage), wish="").step is not None


def test_nothing_is_done_unasked_or_twice() -> None:
    assert now("", reports(""), wish="") == Course()
    assert now("", reports(""), wish="1") == Course()
    assert course(None, "2", NAMES, {}, False, NOW) == Course()


# -- the Secret ----------------------------------------------------------------------------------


def test_at_each_stage_the_secret_holds_what_nodes_need_and_nothing_else() -> None:
    now = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    live = {s["metadata"]["name"]: s for s in keyring.make(WHO, ["bus"], {}, now)}
    old = keyring.content(live["mail-bus"])["authkey"]
    held: dict[str, bytes] = {}
    for step in (Step.BEGIN, Step.INSTALL, Step.SWITCH):
        made = keyring.rotated(WHO, live, RotateKey(step.value, "2030-01"), now)
        assert made is not None
        live = {"mail-bus": made}
        held = keyring.content(made)
        assert held["authkey"] == old
        folder = mounted(held)
        assert folder is not None
        assert folder.stage.value == step.value
        key = keyring.bus_key("mail", live)
        assert key is not None
        assert (key.current, key.stage, key.wish) == (fingerprint(old), step.value, "2030-01")
        assert key.next == fingerprint(held["authkey.next"])
    made = keyring.rotated(WHO, live, RotateKey("finish", "2030-01"), now)
    assert made is not None
    assert keyring.content(made) == {"authkey": held["authkey.next"], "rotation": b"2030-01"}
    assert keyring.due("mail", {"mail-bus": made}, now) == ("ca", "node", "operator")


def test_an_abandoned_one_leaves_the_old_key_and_is_not_begun_again() -> None:
    now = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    live = {s["metadata"]["name"]: s for s in keyring.make(WHO, ["bus"], {}, now)}
    old = keyring.content(live["mail-bus"])["authkey"]
    for step in ("distribute", "abandon"):
        made = keyring.rotated(WHO, live, RotateKey(step, "x"), now)
        assert made is not None
        live = {"mail-bus": made}
    assert keyring.content(live["mail-bus"]) == {"authkey": old, "rotation": b"x"}
    key = keyring.bus_key("mail", live)
    assert course(key, "x", NAMES, reports(""), False, NOW) == Course()


# -- the operator as a whole ---------------------------------------------------------------------


def world_with(wish: str) -> World:
    world = World()
    world.bus_key = BusKey(OLD)
    world.running()
    world.resource["metadata"]["annotations"] = {names.ROTATE_ANNOTATION: wish}
    publish(world, "")
    return world


def publish(world: World, stage: str) -> None:
    for name, told in world.reports.items():
        links = [{"node": n, "connected": True, "timesDown": 0} for n in world.reports if n != name]
        told["bus"] |= {"ring": list(world.reports), "links": links, "key": copy.deepcopy(READY[stage])}  # type: ignore[typeddict-item]


def test_from_the_annotation_to_the_event() -> None:
    world = world_with("2030-01")
    for stage in ("distribute", "install", "switch"):
        done = world.settle()
        assert [a for a in done if isinstance(a, RotateKey)] == [RotateKey(stage, "2030-01")]
        assert len([a for a in done if isinstance(a, RefreshPod)]) == 3  # the kubelets look at once
        assert world.condition("BusKeyRotating")[2].startswith(f"{stage}: n1 ")
        assert world.condition("Ready")[0] == "True"
        publish(world, stage)
    done = world.settle()
    assert RotateKey("finish", "2030-01") in done
    assert ("BusKeyRotated", False) in [(a.reason, a.is_warning) for a in done if isinstance(a, Emit)]
    publish(world, "")
    for told in world.reports.values():
        told["bus"]["key"] = {"stage": "", "file": NEW, "next": None, "inForce": NEW}
    world.settle()
    assert world.plan() == []
    assert "BusKeyRotating" not in [c["type"] for c in world.resource["status"]["conditions"]]


def test_meanwhile_no_pod_is_replaced() -> None:
    world = world_with("2030-01")
    world.settle()
    world.pods["mail-node-n1"] = replace(world.pods["mail-node-n1"], template="older")
    assert not [a for a in world.plan() if isinstance(a, Delete)]


def test_a_node_that_kubernetes_has_lost_and_that_is_on_no_ring_is_not_waited_for() -> None:
    world = world_with("2030-01")
    world.nodes[2] = node(3, is_ready=False)
    del world.reports["n3"]
    publish(world, "")
    assert RotateKey("distribute", "2030-01") in world.plan()


def test_a_node_that_has_another_key_than_the_secret_is_named() -> None:
    world = world_with("")
    world.reports["n3"]["bus"]["key"] = READY["switch"]
    world.settle()
    told = "n3: another bus key than the Secret's is in use there"
    assert world.condition("HostReady") == ("False", "BusKeyDiffers", told)
