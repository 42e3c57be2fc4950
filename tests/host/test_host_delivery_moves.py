"""Deliveries that are under way when their address moves to another node (failover F30)."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.labcluster import LabCluster
from tests.support.labnode import nodes_json
from tests.support.nodepair import LISTED, VIP, node_pair

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

COUNT, IN_HAND = 60, 5


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LabCluster]:
    with node_pair(tmp_path, f"Max_Outbound_Connections = {IN_HAND}") as made:
        yield made


def delivered(cluster: LabCluster, name: str) -> int:
    report = cluster.nodes[name].report()
    return report["mail"]["delivered"] if report else 0


def drain(cluster: LabCluster, name: str) -> None:
    """As the operator does it: the node gives its addresses up, and lives."""
    listed = json.loads(nodes_json(LISTED))
    for node in listed["nodes"]:
        node["draining"] = node["name"] == name
    for node in cluster.nodes.values():
        (node.etc / "nodes.json").write_text(json.dumps(listed))


def test_what_was_not_acknowledged_leaves_once_more_from_the_new_node_and_nothing_else(cluster: LabCluster) -> None:
    slow = cluster.directory / "slow"
    slow.touch()
    cluster.start_sink(slow)
    assert cluster.send(VIP, COUNT).wait(90) == 0
    sent = cluster.acknowledged()
    assert len(sent) == COUNT
    cluster.wait_for("as many as may be are in hand", 60, lambda: len(cluster.taken()) == IN_HAND)

    drain(cluster, "n1")
    cluster.wait_for("n2 has the address", 60, lambda: cluster.owner(VIP) == "n2")
    cluster.wait_for("n2 tries as many, from the address that it has now", 120, lambda: len(cluster.taken()) > IN_HAND)
    in_doubt = {arrival.id for arrival in cluster.taken()[:IN_HAND]}
    slow.unlink()
    cluster.wait_for("all is delivered", 120, lambda: not cluster.undelivered())
    cluster.wait_for("nothing is left", 60, lambda: not any(node.spooled() for node in cluster.nodes.values()))

    arrived = Counter(arrival.id for arrival in cluster.taken())
    assert set(arrived) == sent  # nothing lost
    assert {id_ for id_, times in arrived.items() if times > 1} == in_doubt  # after the final dot, without an answer
    assert max(arrived.values()) == 2
    assert {arrival.peer for arrival in cluster.taken()} == {VIP}
    assert (delivered(cluster, "n1"), delivered(cluster, "n2")) == (0, COUNT)
