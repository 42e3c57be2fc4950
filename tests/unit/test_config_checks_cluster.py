"""What the cluster scope must hold for options elsewhere: X012 and X013."""

import pytest

from tests.support.configuration import GOLDEN, loaded, refused, where


def warned(text: str) -> list[str]:
    return [where(message) for message in loaded(text).warnings if message.code in {"X012", "X013"}]


def test_a_log_that_nobody_collects_and_one_that_nobody_writes() -> None:
    text = """ec_logger a { mainlog = "cluster:///var/log/main/=>master" rejectlog = "/var/log/reject" }
custom_logger b { delivery_logfile = "cluster:///var/log/lost?subscribers=x,y" }
cluster { logs = [ main = /var/log/main  empty = "/var/log/empty" ] }"""

    warnings = [message for message in loaded(text).warnings if message.code == "X012"]

    assert [where(message) for message in warnings] == ["2:38 X012", "3:50 X012"]
    assert warnings[0].text == "'/var/log/lost' is in no `logs`: nobody collects this log"
    assert warnings[1].text == "no logger writes '/var/log/empty': this log stays empty"


def test_a_logger_that_is_off_writes_nothing() -> None:
    assert warned("Logger a/b ec_logger passive { mainlog = cluster:///x }  cluster { logs [ m = /x ] }") == [
        "1:79 X012"
    ]


@pytest.mark.parametrize("name", ["V5", "V6", "V8", "manual"])
def test_the_examples_have_no_such_fault(name: str) -> None:
    assert warned((GOLDEN / "valid" / f"{name}.conf").read_text()) == []


LIMITS = [
    ("Cluster_Server_Max_Outbound_Connections = 5", "outbound_cidr"),
    ("Binding b { Cluster_Server_Max_Outbound_Connections = 5 }", "outbound_binding_domains"),
    ("Cluster_Max_Outbound_Connections = 5", "outbound_domains"),
    ("Domain d { Cluster_Max_Outbound_Connections = 5 }", "outbound_domains"),
    ("Binding b { Cluster_Max_Outbound_Connections = 5 }", "outbound_domains"),
    ("Binding b { Cluster_Max_Outbound_Connections = 5 }", "outbound_binding_domains"),
    ("Binding b { Domain d { Cluster_Max_Outbound_Connections = 5 } }", "outbound_binding_domains"),
    ("Binding b { Host h { Cluster_Max_Outbound_Connections = 5 } }", "outbound_cidr"),
    ("Domain d { Cluster_Scope_Max_Outbound_Connections = 5 }", "outbound_binding_domains"),
    ('Cluster_Outbound_Throttle_Messages = "5/9"', "OBTM"),
    ("Binding b { Cluster_Outbound_Throttle_Connections = 5 }", "OBTC"),
    ("ESMTP_Listener { Listen :25 { Peer 10.0.0.0/8 { Cluster_Max_Inbound_Connections = 5 } } }", "inbound_cidr"),
]


@pytest.mark.parametrize(("text", "kind"), LIMITS)
def test_a_limit_of_the_cluster_needs_its_replication(text: str, kind: str) -> None:
    other = "inbound_cidr" if kind != "inbound_cidr" else "OBTC"

    assert warned(f'{text}  cluster {{ Replicate "{kind}" {{}} }}') == []
    assert warned(f'{text}  cluster {{ Replicate "mine" {{ class = {kind} }} }}') == []
    assert [code.split()[1] for code in warned(f'{text}  cluster {{ Replicate "{other}" {{}} }}')] == ["X013"]
    assert [code.split()[1] for code in warned(text)] == ["X013"]


def test_no_limit_needs_no_replication() -> None:
    text = 'Cluster_Max_Outbound_Connections = -1 Cluster_Outbound_Throttle_Messages = "0"'
    assert warned(f"{text} ESMTP_Listener {{ Cluster_Max_Inbound_Connections = 0 }}") == []


def test_a_binding_of_a_group_has_no_such_limit() -> None:
    text = "Binding_Group g { Binding b { Cluster_Max_Outbound_Connections = 5 } }"
    assert [where(message) for message in refused(text).messages] == ["1:31 S002"]


def test_weights_are_whole_numbers_and_each_node_has_one() -> None:
    head = 'cluster { nodename = "n1" nodeaddr = "198.18.0.1" duravip_weights = '
    assert loaded(head + "[ n1 = 2  n3 = 100 ] }").node.cluster.weights == (("n1", 2), ("n3", 100))  # type: ignore[union-attr]
    wrong = refused(head + "[ n1 = 0  n2 = 1.5  n3 = 101  N4 = 2  n4 = 3 ] }")
    assert [message.text for message in wrong.messages] == [
        "the weight of 'n1' must be 1-100, not 0",
        "the weight of 'n2' must be 1-100, not 1.5",
        "the weight of 'n3' must be 1-100, not 101",
        "'n4' has a weight already",
    ]


def test_a_gateway_to_be_asked_is_of_the_family_of_its_network() -> None:
    topology = 'Topology "198.18.0.0/24" { interface = "eth0" probe_gateway = '
    head = f'cluster {{ nodename = "n1" nodeaddr = "198.18.0.1" {topology}'
    cluster = loaded(f'{head} "198.18.0.254" }} }}').node.cluster
    assert cluster is not None
    assert str(cluster.topologies[0].probe_gateway) == "198.18.0.254"
    wrong = refused(f'{head} "2001:db8::1" }} }}')
    assert [m.text for m in wrong.messages] == [
        "'probe_gateway' must be of the family of 198.18.0.0/24, not 2001:db8::1"
    ]
