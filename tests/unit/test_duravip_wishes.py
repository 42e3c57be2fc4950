"""What the configuration and the node list say about addresses reaches the machine's words."""

from ipaddress import ip_address

import pytest

from momentum_node import nodelist
from momentum_node.duravip.vip import definitions, names_in, policy_of
from momentum_node.errors import ConfigurationError
from tests.support.configuration import loaded

TEXT = """
Cluster {
  nodename = "n1"
  nodeaddr = "198.18.0.1"
  view_balance_interval = 3
  duravip_balance_set_size = 7
  duravip_self_drop = 4
  heartbeats_per_sec = 2
  duravip_weights = [ n1.example.com = 4  n3 = 2 ]
  Topology "198.18.0.0/24" { interface = "eth0" }
}
Binding "a" {
  Bind_Address = "198.18.0.41"
  Enable_Duravip = true
  Duravip_Preference = "n2, n1.example.com"
  Duravip_Candidates = "n1 n2"
  Duravip_Apart = "pool"
}
ESMTP_Listener {
  Listen "198.18.0.41:25" { Enable_Duravip = true }
  Listen "198.18.0.42:25" { Duravip_Follow = "a" }
}
"""


def test_preferences_candidates_apart_groups_and_followers_are_declared() -> None:
    vips = loaded(TEXT).node.vips
    (head, follower) = definitions(vips, "n1")
    assert (head.claim, head.rank, head.may_serve, head.apart) == (True, 1, True, "pool")
    assert (str(follower.address), follower.follow) == ("198.18.0.42", ip_address("198.18.0.41"))
    assert not follower.claim
    elsewhere = definitions(vips, "n3")[0]
    assert (elsewhere.claim, elsewhere.may_serve) == (False, False)


def test_names_are_read_with_commas_or_blanks_and_compared_short() -> None:
    assert names_in("N1, n2.example.com n1") == ("n1", "n2")


def test_the_cluster_scope_becomes_the_policy() -> None:
    cluster = loaded(TEXT).node.cluster
    assert cluster is not None
    policy = policy_of(cluster, frozenset({1, 2}), "N1.example.com")
    assert (policy.balance_interval_s, policy.balance_set_size) == (3.0, 7)
    assert (policy.self_drop_s, policy.heartbeats_per_sec, policy.node_ids) == (4.0, 2.0, frozenset({1, 2}))
    assert policy.weight == 4
    assert policy_of(cluster, frozenset(), "n2").weight == 1


def test_the_node_list_cordons_and_drains() -> None:
    text = '{"cluster": "c", "nodes": [{"name": "n1", "id": 1, "address": "a", "cordoned": true, "draining": true}]}'
    listed = nodelist.parse(text, "nodes.json").nodes[0]
    assert (listed.cordoned, listed.draining) == (True, True)
    with pytest.raises(ConfigurationError, match="true or false"):
        nodelist.parse(text.replace("true", '"yes"'), "nodes.json")
