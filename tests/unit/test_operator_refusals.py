"""Wrong input: told with its place, and running nodes go on untouched."""

from pathlib import Path
from typing import Any

import pytest

from momentum_operator.observe import Other
from momentum_operator.settings import Settings
from tests.unit.operator_world import VIP_1, World, example, node


def _vip(address: str, name: str = "out-1", **more: Any) -> dict[str, Any]:
    return {"name": name, "address": address, **more}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "bad address": (
        {"vips": [_vip("198.18.0.400"), _vip("198.18.0.42", "out-2")]},
        "spec.vips[0].address: '198.18.0.400' is not an IPv4",
    ),
    "in no network": (
        {"vips": [_vip("192.0.2.9"), _vip("198.18.0.42", "out-2")]},
        "spec.vips[0].address: 192.0.2.9 is in no network",
    ),
    "two of one name": (
        {"vips": [_vip(VIP_1), _vip("198.18.0.42")]},
        "spec.vips[1].name: out-1 is already at spec.vips[0].name",
    ),
    "two of one address": (
        {"vips": [_vip(VIP_1), _vip(VIP_1, "out-2")]},
        "spec.vips[1].address: 198.18.0.41 is already at spec.vips[0]",
    ),
    "two bindings of one name": (
        {"bindings": [{"name": "a", "vip": "out-1"}, {"name": "a", "vip": "out-2"}]},
        "spec.bindings[1].name: a is already at spec.bindings[0].name",
    ),
    "a node's own address": (
        {"vips": [_vip("198.18.0.2"), _vip("198.18.0.42", "out-2")]},
        "spec.vips[0].address: 198.18.0.2 is the own address of node n2",
    ),
    "not allowed": (
        {
            "vips": [_vip("198.18.7.1"), _vip("198.18.0.42", "out-2")],
            "networks": [{"cidr": "198.18.0.0/15", "interface": "eth0"}],
        },
        "spec.vips[0].address: namespace mail may not claim 198.18.7.1 (allowed are 198.18.0.0/24)",
    ),
    "the broadcast address": (
        {"vips": [_vip("198.18.0.255"), _vip("198.18.0.42", "out-2")]},
        "spec.vips[0].address: 198.18.0.255 is the broadcast address of 198.18.0.0/24",
    ),
    "the network itself": (
        {"vips": [_vip("198.18.0.0"), _vip("198.18.0.42", "out-2")]},
        "198.18.0.0 is the address of network",
    ),
    "a silence that every lost node makes": (
        {"configuration": "cluster {\n  duravip_self_drop = 1\n}\n"},
        "spec.configuration: duravip_self_drop = 1 must be above 1.5 s with profile Fast, or 0",
    ),
    "unknown vip": (
        {"bindings": [{"name": "a", "vip": "out-9"}]},
        "spec.bindings[0].vip: there is no 'out-9' in spec.vips",
    ),
    "unused vip": ({"bindings": [], "listeners": []}, "spec.vips[0]: out-1 is used by no listener and no binding"),
    "unknown field": ({"replication": []}, "spec.replication: unknown field"),
    "one port twice": (
        {"listeners": [{"name": "a", "vips": ["out-1", "out-2"]}, {"name": "b", "vips": ["out-1"]}]},
        "spec.listeners[1].vips[0]: port 25 of out-1 already belongs to listener 'a'",
    ),
    "too long": ({"configuration": "#" * 524289}, "512 KiB"),
    "syntax error in the text": ({"configuration": "Hostname = a\nBinding {\n"}, "spec.configuration:2:"),
    "unknown option in the text": ({"configuration": "\n  Hostnme = a\n"}, "spec.configuration:2:3: "),
    "error in an included file": (
        {
            "configuration": 'include "a.conf"\n',
            "configurationFiles": [{"name": "a.conf", "content": "Nonsense = 1\n"}],
        },
        "spec.configurationFiles[0].content:1:1: ",
    ),
    "include of a file of the machine": ({"configuration": 'include "/etc/passwd"\n'}, "spec.configuration:1:"),
    "an address in the text that is not allowed": (
        {
            "configuration": 'Binding "x" { Enable_Duravip = true Bind_Address = "198.18.9.9" }',
            "networks": [{"cidr": "198.18.0.0/15", "interface": "eth0"}],
        },
        "spec.configuration: namespace mail may not claim 198.18.9.9",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_its_place_and_nodes_go_on_untouched(name: str) -> None:
    changes, told = REFUSED[name]
    world = World().running()
    before = dict(world.objects["ConfigMap", "mail-config"]["data"])
    world.resource["spec"] = example(**changes)["spec"]
    world.resource["metadata"]["generation"] = 2
    world.settle()
    status, reason, message = world.condition("ConfigAccepted")
    assert (status, reason) == ("False", "Invalid")
    assert told in message
    assert message.endswith("the nodes go on with what they had")
    assert world.objects["ConfigMap", "mail-config"]["data"] == before
    assert world.vip(VIP_1)["owner"] == "n1"
    assert world.resource["status"]["observedGeneration"] == 2
    assert "ConfigRejected" in [event.reason for event in world.events]


def test_nothing_of_a_file_of_this_machine_is_told() -> None:
    world = World(resource=example(configuration='include "/etc/hostname"\ninclude "../../etc/hostname"\n'))
    world.settle()
    message = world.condition("ConfigAccepted")[2]
    assert Path("/etc/hostname").read_text().strip() not in message


def test_a_spec_that_was_never_right_makes_nothing() -> None:
    world = World(resource=example(vips=[_vip("198.18.0.400")]))
    world.settle()
    assert world.objects == {}
    assert world.condition("Ready")[1] == "Invalid"


def test_right_again_is_taken_at_once() -> None:
    world = World().running()
    good = world.resource["spec"]
    world.resource["spec"] = example(configuration="Nonsense\n")["spec"]
    world.settle()
    world.resource["spec"] = good
    world.settle()
    assert world.condition("ConfigAccepted")[0] == "True"
    assert world.events[-1].reason == "ConfigLoaded"


def test_a_node_that_comes_while_the_spec_is_wrong_joins_with_the_last_right_one() -> None:
    world = World().running()
    world.resource["spec"] = example(configuration="Nonsense\n")["spec"]
    world.nodes.append(node(4))
    world.settle()
    assert '"n4"' in world.file("nodes.json")
    assert "Nonsense" not in "".join(world.objects["ConfigMap", "mail-config"]["data"].values())


def test_without_an_allowance_nothing_is_touched_and_the_reason_is_told() -> None:
    world = World(settings=Settings())
    world.settle()
    assert world.objects == {}
    assert "mail is not in the chart's allowedAddresses" in world.condition("ConfigAccepted")[2]


def test_an_address_of_an_older_cluster_is_not_taken() -> None:
    elsewhere = {"nodes": {"selector": {"matchLabels": {"other": "true"}}}}
    older = example()["spec"] | elsewhere
    world = World(others=(Other("other/first", "2029-12-31T00:00:00Z", older),))
    world.settle()
    assert f"{VIP_1} already belongs to MomentumCluster other/first" in world.condition("ConfigAccepted")[2]
    younger = World(others=(Other("other/second", "2030-06-01T00:00:00Z", older),))
    younger.settle()
    assert younger.condition("ConfigAccepted")[0] == "True"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"nodes": [node(1, pod_networks=("198.18.0.32/27",)), node(2)]},
            "198.18.0.32/27, from which Kubernetes gives pods",
        ),
        ({"service_networks": ("fd00::/108", "198.18.0.0/26")}, "198.18.0.0/26, from which Kubernetes gives services"),
    ],
)
def test_an_address_that_kubernetes_may_give_away_is_not_taken(changes: dict[str, Any], told: str) -> None:
    world = World(**changes)
    world.settle()
    assert world.condition("ConfigAccepted")[:2] == ("False", "Invalid")
    assert f"spec.vips[0].address: {VIP_1} is in {told} their addresses" in world.condition("ConfigAccepted")[2]
    assert world.objects == {}


def test_labels_that_no_node_has_are_told_first_and_the_spec_is_accepted() -> None:
    world = World(nodes=[node(1, labels={})])
    world.settle()
    assert world.condition("ConfigAccepted")[0] == "True"
    told = ("False", "NoNodesSelected", "no Kubernetes node can be used: label nodes as spec.nodes.selector says")
    assert world.condition("Ready") == world.condition("NodesAvailable") == told
    assert "cluster_size = 32" in world.file("ecelerity.conf"), "no number of nodes may take itself for a majority"


def test_of_a_spec_that_was_never_accepted_nothing_else_is_claimed() -> None:
    world = World(resource=example(configuration="Nonsense\n"))
    world.settle()
    unknown = ("Unknown", "NothingAccepted", "no spec was accepted yet: see ConfigAccepted")
    assert world.condition("NodesAvailable") == world.condition("VIPsAssigned") == unknown


def test_a_misspelled_name_gets_a_suggestion() -> None:
    world = World(resource=example(bindings=[{"name": "example", "vip": "aut-1"}]))
    world.settle()
    assert "there is no 'aut-1' in spec.vips; did you mean 'out-1'?" in world.condition("ConfigAccepted")[2]
    world = World(resource=example(configuration="Hostnam = a.example.com\n"))
    world.settle()
    told = (
        "spec.configuration:1:1: 'Hostnam' is not an option or stanza of scope global; did you mean `Hostname`? [S001]"
    )
    assert told in world.condition("ConfigAccepted")[2]
