"""From a resource to pods, from reports to status: the operator's decisions as stories."""

import json

from momentum_node import mail, supervisor, worker
from momentum_node.bus import container
from momentum_node.config import schema
from momentum_node.duravip.driver import DRAIN_LIMIT_S
from momentum_operator import pod
from momentum_operator.actions import Apply, Delete, IssueSecrets, RefreshPod, SetFinalizer
from momentum_operator.observe import Other
from momentum_operator.roster import read_node
from tests.unit.operator_world import VIP_1, VIP_2, World, example, node, report


def test_the_finalizer_comes_before_anything_that_needs_cleaning_up() -> None:
    assert World().plan() == [SetFinalizer(True)]


def test_what_pods_mount_is_there_before_the_daemon_set() -> None:
    world = World()
    done = world.settle()
    order = [
        type(a).__name__ if isinstance(a, IssueSecrets) else a.value["kind"]
        for a in done
        if isinstance(a, Apply | IssueSecrets)
    ]
    assert order == ["IssueSecrets", "ConfigMap", "ConfigMap", "DaemonSet", "DuraVIP", "DuraVIP"]


def test_a_settled_world_is_left_alone() -> None:
    world = World().running()
    world.elapsed_s += 3600
    assert world.plan() == []


def test_everything_up_is_ready_and_says_so() -> None:
    world = World().running()
    assert world.condition("Ready") == ("True", "AsDeclared", "3 nodes, 2 addresses, as declared")
    assert world.resource["status"]["nodesReady"] == "3/3"
    assert world.resource["status"]["vipsServed"] == "2/2"
    assert world.resource["status"]["quorum"] == "3/3"
    assert world.vip(VIP_1) == {
        "owner": "n1",
        "since": "2030-01-01T00:00:05.000Z",
        "reason": "n1 is preferred",
        "heldBy": ["n1"],
        "holderCount": 1,
    }


def test_before_any_pod_runs_it_says_what_it_waits_for() -> None:
    world = World()
    world.settle()
    assert world.condition("Ready")[1:] == (
        "WaitingForNodes",
        "0 of 3 nodes take part: n1 has no pod; n2 has no pod; n3 has no pod",
    )


def test_a_hand_edited_object_is_put_right() -> None:
    world = World().running()
    world.objects["ConfigMap", "mail-config"]["data"]["ecelerity.conf"] = "Gateway = nobody"
    assert [type(a) for a in world.settle()] == [Apply]
    assert "Gateway" in world.file("ecelerity.conf")
    assert "nobody" not in world.file("ecelerity.conf")


def test_after_a_change_each_pod_is_touched_so_that_volumes_refresh_at_once() -> None:
    world = World().running()
    world.resource = example(hostname="mx.example.com") | {"status": world.resource["status"]}
    world.resource["metadata"]["finalizers"] = ["momentumcluster.io/nodes"]
    done = world.settle()
    assert [a.name for a in done if isinstance(a, RefreshPod)] == ["mail-node-n1", "mail-node-n2", "mail-node-n3"]
    assert not [a for a in done if isinstance(a, Delete)]  # nodes load a new text themselves
    status, reason, message = world.condition("ConfigAccepted")
    assert (status, reason) == ("True", "Loading")
    assert "runs on 0 of 3 nodes" in message


def test_the_survivors_are_believed_while_the_lost_node_still_talks_of_three() -> None:
    world = World().running()
    after = {VIP_1: "n2", VIP_2: "n2"}
    for name in ("n2", "n3"):
        world.reports[name] = report(name, ("n2", "n3"), after, quorum=(2, 3), revision=world.file("revision"))
    world.settle()
    assert world.vip(VIP_1)["owner"] == "n2"
    assert world.resource["status"]["quorum"] == "2/3"
    assert world.condition("VIPsAssigned")[1] == "VIPHeldTwice"  # n1's last word was that it has it
    del world.reports["n1"]
    world.settle()
    assert world.vip(VIP_1)["heldBy"] == ["n2"]
    assert world.condition("VIPsAssigned")[0] == "True"
    assert world.condition("Ready")[1:] == ("NodesMissing", "2 of 3 nodes take part: n1 does not answer")
    assert ("VIPMoved", f"{VIP_1} from n1 to n2: n2 is preferred") in [(e.reason, e.message) for e in world.events]


def test_since_stays_while_the_owner_does() -> None:
    world = World().running()
    for vip in world.reports["n1"]["vips"]:
        vip["since"] = "2030-01-01T09:00:00.000Z"  # n1 restarted and saw the table later
    world.settle()
    assert world.vip(VIP_1)["since"] == "2030-01-01T00:00:05.000Z"


def test_many_moves_are_told_in_one_event() -> None:
    vips = [{"name": f"v{i}", "address": f"198.18.0.{100 + i}"} for i in range(12)]
    listeners = [{"name": "smtp", "vips": [vip["name"] for vip in vips]}]
    world = World(resource=example(vips=vips, listeners=listeners, bindings=[]))
    world.settle()
    world.start_pods()
    world.everybody_reports(**{f"v{100 + i}": "n1" for i in range(12)})
    world.settle()
    moves = [(e.reason, e.message.split(":")[0]) for e in world.events if e.reason.startswith("VIP")]
    assert moves == [("VIPsMoved", "12 addresses to n1")]


def test_ids_are_kept_given_once_and_never_to_another() -> None:
    world = World().running()
    world.nodes = [node(1), node(3), node(4)]
    del world.pods["mail-node-n2"]
    del world.reports["n2"]
    world.settle()
    listed = {n["name"]: n["id"] for n in json.loads(world.file("nodes.json"))["nodes"]}
    assert listed == {"n1": 1, "n3": 3, "n4": 4}


def test_lost_ids_are_rebuilt_from_what_nodes_tell() -> None:
    world = World().running()
    world.nodes = [node(9), *world.nodes]
    world.reports["n1"]["node"]["id"] = 17
    del world.objects["ConfigMap", "mail-state"]
    del world.objects["ConfigMap", "mail-config"]
    world.settle()
    ids = json.loads(world.objects["ConfigMap", "mail-state"]["data"]["ids.json"])
    assert ids == {"n1": 17, "n2": 2, "n3": 3, "n9": 18}


def test_a_node_leaves_the_list_only_after_its_pod() -> None:
    world = World().running()
    world.nodes[2] = node(3, labels={})
    world.settle()
    assert '"n3"' in world.file("nodes.json")
    del world.pods["mail-node-n3"], world.reports["n3"]
    world.settle()
    assert '"n3"' not in world.file("nodes.json")
    assert "cluster_size = 2" in world.file("ecelerity.conf")


def test_the_thirty_third_node_gets_no_pod() -> None:
    world = World(resource=example(bus={"profile": "Balanced"}), nodes=[node(n) for n in range(1, 34)])
    world.settle()
    assert world.condition("TooManyNodes")[2] == "a cluster has 32 nodes at most; without a pod: n9"
    affinity = world.objects["DaemonSet", "mail-node"]["spec"]["template"]["spec"]["affinity"]
    (term,) = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchFields"] == [{"key": "metadata.name", "operator": "NotIn", "values": ["n9"]}]


def test_a_node_of_an_older_cluster_is_in_use() -> None:
    spec = {"nodes": {"selector": {"matchLabels": {"first": "true"}}}}
    world = World(others=(Other("other/first", "2029-01-01T00:00:00Z", spec),))
    world.nodes[1] = node(2, labels={"mail": "true", "first": "true"})
    world.settle()
    assert world.condition("NodeInUse")[2] == "n2 belongs to other/first"
    assert '"n2"' not in world.file("nodes.json")


def test_an_outdated_template_replaces_one_pod_at_a_time() -> None:
    world = World().running()
    world.settings = type(world.settings)(node_image="momentum-node:next", allowances=world.settings.allowances)
    first = world.plan()
    assert not [a for a in first if isinstance(a, Delete)]  # the new template must be there before a pod is made of it
    done = world.settle()
    assert [a.name for a in done if isinstance(a, Delete)] == ["mail-node-n1"]
    del world.reports["n1"]
    assert not [a for a in world.settle() if isinstance(a, Delete)]  # n1 is not back yet
    world.start_pods()
    world.everybody_reports()
    assert [a.name for a in world.settle() if isinstance(a, Delete)] == ["mail-node-n2"]


def test_a_new_node_needs_no_new_pods() -> None:
    world = World().running()
    world.nodes.append(node(4))
    assert not [a for a in world.settle() if isinstance(a, Delete)]


def test_an_address_that_is_no_longer_declared_loses_its_object() -> None:
    world = World().running()
    spec = world.resource["spec"]
    spec["vips"].pop()
    spec["bindings"].pop()
    spec["listeners"][0]["vips"] = ["out-1"]
    world.settle()
    assert ("DuraVIP", "mail-198-18-0-42") not in world.objects


def test_cordon_and_drain_of_a_kubernetes_node_reach_the_node_list() -> None:
    world = World().running()
    assert "cordoned" not in world.file("nodes.json")
    world.nodes[1] = node(2, is_cordoned=True)
    world.nodes[2] = node(3, is_draining=True)
    world.settle()
    listed = {one["name"]: one for one in json.loads(world.file("nodes.json"))["nodes"]}
    assert (listed["n2"]["cordoned"], listed["n3"]["draining"]) == (True, True)
    assert listed["n1"] == {"name": "n1", "id": 1, "address": "198.18.0.1"}
    world.nodes[1:] = [node(2), node(3)]
    world.settle()
    assert "cordoned" not in world.file("nodes.json")
    assert "draining" not in world.file("nodes.json")


def test_cordon_and_the_annotation_are_read() -> None:
    value = {
        "metadata": {"name": "n1", "annotations": {"momentumcluster.io/drain": ""}},
        "spec": {"unschedulable": True},
    }
    assert (read_node(value).is_cordoned, read_node(value).is_draining) == (True, True)
    plain = read_node({"metadata": {"name": "n1"}})
    assert (plain.is_cordoned, plain.is_draining) == (False, False)


def test_several_preferred_nodes_are_rendered_in_order() -> None:
    vips = [{"name": "out-1", "address": "198.18.0.41", "preferredNodeNames": ["n2.example.com", "n1"]}]
    world = World(resource=example(vips=vips, listeners=[{"name": "smtp", "vips": ["out-1"]}], bindings=[]))
    world.settle()
    assert 'Duravip_Preference = "n2 n1"' in world.file("ecelerity.conf")


def test_the_silence_that_isolates_follows_from_the_profile() -> None:
    for profile, seconds in (("Fast", 3), ("Balanced", 10), ("Safe", 30)):
        world = World(resource=example(bus={"profile": profile}))
        world.settle()
        assert f"duravip_self_drop = {seconds}\n" in world.file("ecelerity.conf")


def test_a_pod_is_given_the_time_that_its_slowest_stop_takes() -> None:
    assert mail.STOP_LIMIT_S >= supervisor.STOP_S + worker.SESSION_GRACE_S + worker.DELIVERY_GRACE_S
    assert pod.DRAIN_SECONDS >= mail.STOP_LIMIT_S + container.STOP_S
    longest = schema.option("", "drain_queue_timeout")
    assert longest is not None
    assert longest.type.high is not None
    assert DRAIN_LIMIT_S + longest.type.high <= supervisor.STOP_S
