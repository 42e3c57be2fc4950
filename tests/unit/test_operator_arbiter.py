"""A cluster of two gets a third vote on a node that is nobody's, keeps it while it can, and gives it up at three."""

import json
from typing import Any

from momentum_operator import names
from momentum_operator.actions import Delete
from momentum_operator.observe import Other
from momentum_operator.roster import KubeNode, read_node
from tests.unit.operator_world import World, example, node

PLAIN: dict[str, str] = {}


def two_and(*more: KubeNode, **spec: Any) -> World:
    """n1 and n2 carry mail; `more` are other nodes of the Kubernetes cluster."""
    return World(resource=example(**spec), nodes=[node(1), node(2), *more])


def arbiter_of(world: World) -> str | None:
    """The Kubernetes node of the arbiter, as the node list, corosync.conf, pods and status agree on it."""
    listed = json.loads(world.file("nodes.json"))["arbiter"]
    told = world.resource["status"].get("arbiter")
    if listed is None:
        assert told is None
        assert ("DaemonSet", "mail-arbiter") not in world.objects
        assert ".arbiter" not in world.file("corosync.conf")
        return None
    assert f"name: {listed['name']}" in world.file("corosync.conf")
    assert listed["name"] == f"{told}.arbiter"
    world.start_pods()
    assert [pod.node for pod in world.arbiter_pods.values()] == [told]
    return str(told)


def test_two_nodes_get_an_arbiter_with_a_number_of_its_own() -> None:
    world = two_and(node(3, labels=PLAIN)).running()
    assert arbiter_of(world) == "n3"
    listed = json.loads(world.file("nodes.json"))
    assert listed["arbiter"] == {"name": "n3.arbiter", "id": 3, "address": "198.18.0.3"}
    assert [one["id"] for one in listed["nodes"]] == [1, 2]
    assert "cluster_size = 2" in world.file("ecelerity.conf")  # it carries no addresses and nobody waits for it


def test_its_pod_runs_corosync_and_nothing_else() -> None:
    world = two_and(node(3, labels=PLAIN)).running()
    pod = world.objects["DaemonSet", "mail-arbiter"]["spec"]["template"]["spec"]
    (bus,) = pod["containers"]
    assert bus["command"] == ["momentum-node", "bus", "--keys", "/etc/momentum/bus-key"]
    assert "initContainers" not in pod
    assert {volume["name"] for volume in pod["volumes"]} == {mount["name"] for mount in bus["volumeMounts"]}
    assert "tls" not in {volume["name"] for volume in pod["volumes"]}
    assert pod["hostNetwork"]
    assert not pod["automountServiceAccountToken"]


def test_three_nodes_need_none() -> None:
    assert arbiter_of(World().running()) is None


def test_without_a_node_to_spare_there_is_none() -> None:
    assert arbiter_of(two_and().running()) is None


def test_it_can_be_refused() -> None:
    assert arbiter_of(two_and(node(3, labels=PLAIN), bus={"arbiter": "None"}).running()) is None


def test_where_each_side_goes_on_nobody_needs_to_be_asked() -> None:
    assert arbiter_of(two_and(node(3, labels=PLAIN), bus={"partitionPolicy": "AllSides"}).running()) is None


def test_it_goes_where_nothing_keeps_pods_away_if_it_can() -> None:
    control_plane = node(3, labels=PLAIN, is_tainted=True)
    assert arbiter_of(two_and(control_plane).running()) == "n3"
    assert arbiter_of(two_and(control_plane, node(4, labels=PLAIN)).running()) == "n4"


def test_it_stays_where_it_is_until_that_node_is_lost() -> None:
    world = two_and(node(4, labels=PLAIN)).running()
    world.nodes.append(node(3, labels=PLAIN))
    world.settle()
    assert arbiter_of(world) == "n4"
    world.nodes[2] = node(4, labels=PLAIN, is_ready=False)
    world.settle()
    assert arbiter_of(world) == "n3"
    assert json.loads(world.file("nodes.json"))["arbiter"]["id"] == 4  # the number of n4's is never given again


def test_a_lost_one_without_a_successor_keeps_its_vote() -> None:
    world = two_and(node(3, labels=PLAIN)).running()
    world.nodes[2] = node(3, labels=PLAIN, is_ready=False)
    world.settle()
    assert arbiter_of(world) == "n3"


def test_a_node_that_another_cluster_means_is_left_alone() -> None:
    spec = {"nodes": {"selector": {"matchLabels": {"other": "true"}}}}
    world = two_and(node(3, labels={"other": "true"}))
    world.others = (Other("other/later", "2031-01-01T00:00:00Z", spec),)
    assert arbiter_of(world.running()) is None


def test_a_node_of_the_other_address_family_cannot_vote() -> None:
    assert arbiter_of(two_and(node(3, labels=PLAIN, internal_addresses=("fd00::3",))).running()) is None


def test_a_third_mail_node_ends_it() -> None:
    world = two_and(node(4, labels=PLAIN)).running()
    world.nodes.append(node(3))
    done = world.settle()
    assert Delete("DaemonSet", names.arbiter("mail")) in done
    assert arbiter_of(world) is None


def test_its_volume_is_refreshed_and_its_pod_replaced_as_the_nodes_are() -> None:
    world = two_and(node(3, labels=PLAIN)).running()
    world.start_pods()
    world.settle()
    (pod,) = world.arbiter_pods.values()
    assert pod.configuration == world.file("revision")[:16]


def test_taints_are_read() -> None:
    value = {"metadata": {"name": "n9"}, "spec": {"taints": [{"key": "node-role.kubernetes.io/control-plane"}]}}
    assert read_node(value).is_tainted
    assert not read_node({"metadata": {"name": "n9"}}).is_tainted
