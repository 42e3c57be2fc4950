"""Mail follows its address between whole nodes: one dies with mail and comes back, the other one stops in order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.labcluster import LabCluster
from tests.support.nodepair import VIP, node_pair

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

COUNT = 200


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LabCluster]:
    with node_pair(tmp_path) as made:
        yield made


def test_mail_follows_its_address_home_and_away(cluster: LabCluster) -> None:
    n1, n2 = cluster.nodes["n1"], cluster.nodes["n2"]
    assert cluster.send(VIP, COUNT).wait(90) == 0
    sent = cluster.acknowledged()
    assert len(sent) == COUNT
    assert n1.spooled() == sent  # the next hop does not run yet

    n1.kill()
    cluster.wait_for("n2 has the address", 60, lambda: cluster.owner(VIP) == "n2")
    assert n2.spooled() == set()
    n1.start()
    cluster.wait_for("n1 has handed over what it had when it died", 120, lambda: n2.spooled() == sent)
    cluster.wait_for("nothing is left at n1", 60, lambda: n1.spooled() == set())

    n2.stop()
    assert cluster.owner(VIP) == "n1"
    assert (n1.spooled(), n2.spooled()) == (sent, set())

    cluster.start_sink()
    cluster.wait_for("all is delivered", 90, lambda: not cluster.undelivered())
    taken = cluster.taken()
    assert sorted(arrival.id for arrival in taken) == sorted(sent)
    assert {arrival.peer for arrival in taken} == {VIP}
