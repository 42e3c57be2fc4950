"""Two members with one name or one address (cluster §1.1): one of them has no part in anything."""

from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.vip import Identity
from tests.support.declared import declared
from tests.support.machines import POLICY, the
from tests.support.story import Cluster


def test_two_nodes_of_one_name_do_not_both_serve() -> None:
    """Cluster §1.1: the mature one stays; the other owns nothing."""
    made = Cluster(["n1", "n2"], POLICY)
    for name in ("n1", "n2"):
        made.nodes[name].definitions = declared(name, ["192.0.2.1..4"])
    twin = made.nodes["n2"]
    made.start("n1")
    made.wait(5.0)
    twin.pid += 1
    twin.machine = DuraVip(Identity("N1", "198.18.0.9", 77), twin.local, twin.definitions, POLICY)
    made.connect([["n1", "n2"]])
    made.wait(5.0)
    assert not twin.wire
    assert len(made.nodes["n1"].wire) == 4
    for name in ("n1", "n2"):
        assert the(made, name).alarms() == ("two members are N1 at 198.18.0.9: node 2 has no part in anything",)


def test_of_two_nodes_with_one_address_that_come_together_the_lower_one_serves() -> None:
    """Cluster §1.1: none of them is mature, so the bus node id decides; once it has left, the other one may."""
    made = Cluster(["n1", "n2"], POLICY)
    for name, node in made.nodes.items():
        node.definitions = declared(name, ["192.0.2.1..4"])
        node.machine = DuraVip(Identity(name, "198.18.0.9", node.node_id), node.local, node.definitions, POLICY)
    made.connect([["n1", "n2"]])
    made.wait(5.0)
    assert [len(node.wire) for node in made.nodes.values()] == [4, 0]
    made.stop("n1")
    made.wait(5.0)
    assert len(made.nodes["n2"].wire) == 4
