"""`config eval`: the value that counts for any path, whether or not somebody wrote it."""

import pytest

from momentum_node.config import schema
from momentum_node.config.evaluation import PathFault, evaluate
from momentum_node.config.tree import Scope
from tests.support.configuration import GOLDEN, loaded

OUTBOUND = r"""
Retry_Interval = 30
Max_Outbound_Connections = 24
Cluster_Max_Outbound_Connections = 9
Binding_Group g {
  Retry_Interval = 5
  Domain d { Connect_Timeout = 7 }
  Binding b { Retry_Interval = 15  Connect_Timeout = 9  Domain e {} }
}
Binding lone { Cluster_Max_Outbound_Connections = 4  Host mx.e {} }
Domain a.test { Retry_Interval = 1 }
Domain /test$/ { Retry_Interval = 2  Idle_Timeout = 3 }
Host mx.a { Max_Outbound_Connections = 6 }
Host mx.b {}
"""
INBOUND = """
Relay_Hosts = ( 127.0.0.0/8 )
Pathway "partners" { Require_EHLO = true  Max_Message_Size = 5 }
ESMTP_Listener {
  Idle_Time = 60
  Peer 10.0.0.0/8 { Idle_Time = 40  Max_Message_Size = 9 }
  Peer 10.1.0.0/16 { Idle_Time = 20  Pathway = partners }
  Listen ":25" { Idle_Time = 50  Peer 10.1.1.1 { Banner_Hostname = "mx.test" } }
}
Control_Listener { Timeout = 5  Listen "/tmp/2025" {} }
"""


def answer(text: str, path: str) -> str:
    return str(evaluate(loaded(text).tree, path.split()))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("retry_interval", "Retry_Interval = 30"),
        ("Binding_Group g Binding b Domain e Retry_Interval", "Retry_Interval = 15"),
        ("Binding b Domain d Connect_Timeout", "Connect_Timeout = 7"),  # level 3 beats 4
        ("Binding b Domain nowhere.test Connect_Timeout", "Connect_Timeout = 9"),
        ("Binding_Group g Binding new Retry_Interval", "Retry_Interval = 5"),
        ("Binding_Group other Binding b Retry_Interval", "Retry_Interval = 30"),  # another b, that nobody wrote
        ("Binding new Domain A.test. Retry_Interval", "Retry_Interval = 1"),
        ("Domain a.test Idle_Timeout", "Idle_Timeout = 3"),
        ("Domain /test$/ Retry_Interval", "Retry_Interval = 2"),
        ("Domain other Idle_Timeout", "Idle_Timeout = 5"),
        ("Host mx.a Max_Outbound_Connections", "Max_Outbound_Connections = 6"),
        ("Host mx.b Max_Outbound_Connections", "Max_Outbound_Connections = -1"),
        ("Host mx.b Cluster_Max_Outbound_Connections", "Cluster_Max_Outbound_Connections = 9"),
        ("Binding lone Host mx.e Cluster_Max_Outbound_Connections", "Cluster_Max_Outbound_Connections = 4"),
        ("Binding lone Domain x Cluster_Max_Outbound_Connections", "Cluster_Max_Outbound_Connections = 4"),
        ("Domain a.test Gateway", "Option 'Gateway' is not set in scope 'Domain a.test'."),
        ("Domain a.test EHLO_Hostname", 'EHLO_Hostname = "__hostname__"'),
    ],
)
def test_outbound_options_fall_back(path: str, expected: str) -> None:
    assert answer(OUTBOUND, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ESMTP_Listener Idle_Time", "Idle_Time = 60"),
        ("ESMTP_Listener Listen *:25 Idle_Time", "Idle_Time = 50"),
        ("ESMTP_Listener Listen :26 Idle_Time", "Idle_Time = 60"),
        ("ESMTP_Listener Peer 10.9.0.0/16 Idle_Time", "Idle_Time = 40"),
        ("ESMTP_Listener Peer 10.0.0.0/7 Idle_Time", "Idle_Time = 60"),  # the wider block is not inside the /8
        ("ESMTP_Listener Listen :25 Peer 10.1.1.1 Idle_Time", "Idle_Time = 20"),
        ("ESMTP_Listener Listen :25 Peer 10.1.1.1 Banner_Hostname", 'Banner_Hostname = "mx.test"'),
        ("ESMTP_Listener Listen :25 Peer 10.1.1.1 Max_Message_Size", "Max_Message_Size = 5"),
        ("ESMTP_Listener Listen :25 Relay_Hosts", 'Relay_Hosts = ( "127.0.0.0/8" )'),
        ("Pathway partners Require_EHLO", "Require_EHLO = true"),
        ("Control_Listener Listen /tmp/2025 Timeout", "Timeout = 5"),
        ("cluster view_mature_time", "view_mature_time = 5"),
        ("cluster Topology 192.0.2.0/24 cidrmask", "cidrmask = 32"),
        ("cluster Topology 2001:db8::/32 cidrmask", "cidrmask = 128"),
        ("cluster Replicate inbound_cidr type", 'type = "inbound_cidr"'),
        ("ec_logger any heartbeat", "heartbeat = 60"),
    ],
)
def test_inbound_options_fall_back(path: str, expected: str) -> None:
    assert answer(INBOUND, path) == expected


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("Bindin b Max_Retries", "'Bindin' is not a scope of global; did you mean `Binding`?"),
        ("Listen :25 Idle_Time", "scope Listen does not stand in global (valid in: Control_Listener,"),
        ("Binding Max_Retries", "scope Binding needs an instance name before the option 'Max_Retries'"),
        ("Domain a Bind_Address", "'Bind_Address' is not valid in scope Domain (valid in: global, Binding_Group, Bind"),
        ("Max_Retrys", "'Max_Retrys' is not an option of scope global; did you mean `Max_Retries`?"),
        ("ESMTP_Listener Listen nonsense:x Enable", "'nonsense:x' is not an endpoint: the port must be 1-65535"),
    ],
)
def test_a_wrong_path_says_what_was_meant(path: str, told: str) -> None:
    with pytest.raises(PathFault) as fault:
        answer("", path)
    assert str(fault.value).startswith(told)


def example(name: str) -> Scope:
    return loaded((GOLDEN / "valid" / f"{name}.conf").read_text()).tree


V5_PATHS = """
|Security
ESMTP_Listener|ESMTP_Listener Listen 10.20.0.11:25|ESMTP_Listener Listen 10.20.0.61:25
ESMTP_Listener Listen 10.20.0.71:25|ESMTP_Listener Listen 10.20.0.61:25 Peer 203.0.113.9
ESMTP_Listener Listen 10.20.0.61:25 Peer 0.0.0.0/0|ESMTP_Listener Listen :25 Peer 203.0.113.9
Binding out-1|Binding out-1 Domain a.test|Domain a.test|Binding default|Host mx.a.test|ec_logger shared
ECCluster_Listener|ECCluster_Listener Listen *:4802|cluster|cluster Topology 10.20.0.0/24
cluster Replicate inbound_cidr|cluster Replicate outbound_domains|cluster Replicate metrics|Control_Listener
"""
PATHS = [path for line in V5_PATHS.strip().splitlines() for path in line.split("|")]


def answers(tree: Scope, path: str) -> dict[str, str]:
    words = path.split()
    kinds = [word.lower() for word in words if word.lower() in schema.SCOPES]
    options = {name for name in schema.names_in(kinds[-1] if kinds else "") if name.lower() not in schema.SCOPES}
    return {name: str(evaluate(tree, [*words, name])) for name in options}


@pytest.mark.parametrize("path", PATHS)
def test_a_node_in_both_dialects_gives_equal_answers(path: str) -> None:
    old, new = answers(example("V5"), path), answers(example("V6"), path)

    assert old == new
    assert len(old) > 1
