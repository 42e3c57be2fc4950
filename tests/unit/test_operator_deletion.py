"""`kubectl delete`: pods drain and go, then the rest; nobody waits for ever."""

from typing import Any

from momentum_operator.actions import Delete
from tests.unit.operator_world import World, example


def _deleted(**changes: Any) -> World:
    world = World(resource=example(**changes)).running()
    world.deleting_since_s = world.elapsed_s
    return world


def test_the_finalizer_stays_until_the_last_pod_is_gone() -> None:
    world = _deleted()
    assert world.plan()[0] == Delete("DaemonSet", "mail-node")
    world.settle()
    assert world.condition("Ready")[1:] == ("Deleting", "waiting for the nodes to leave: n1; n2; n3")
    assert world.observed().has_finalizer
    world.pods.clear()
    world.settle()
    assert not world.observed().has_finalizer


def test_nodes_that_do_not_answer_are_named_and_let_go() -> None:
    world = _deleted(deletionTimeoutSeconds=60)
    world.settle()
    for name in ("mail-node-n1", "mail-node-n3"):
        del world.pods[name]
    world.elapsed_s += 59
    world.settle()
    assert world.observed().has_finalizer
    world.elapsed_s += 2
    world.settle()
    assert not world.observed().has_finalizer
    assert world.events[-1].reason == "NodesLeftBehind"
    assert world.events[-1].message.startswith("gave up waiting for n2 after 60 s")


def test_purge_removes_the_host_paths_of_each_node_before_the_end() -> None:
    world = _deleted(deletionPolicy="Purge")
    world.pods.clear()
    world.settle()
    jobs = {name: job for (kind, name), job in world.objects.items() if kind == "Job"}
    assert sorted(job["spec"]["template"]["spec"]["nodeName"] for job in jobs.values()) == ["n1", "n2", "n3"]
    (container,) = next(iter(jobs.values()))["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["rm", "-rf", "--", "/host/mail"]
    assert world.observed().has_finalizer
    for job in jobs.values():
        job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    world.settle()
    assert not world.observed().has_finalizer


def test_a_broken_spec_can_be_deleted() -> None:
    world = _deleted()
    world.resource["spec"] = {"nodes": 7}
    world.pods.clear()
    world.settle()
    assert not world.observed().has_finalizer
