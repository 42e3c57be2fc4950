"""A link that is up and leads nowhere: the bus goes another way, so only the gateway's silence tells (failover R18)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.lab import why_no_lab
from tests.support.labcluster import LabCluster
from tests.support.labnode import let_in, nodes_json

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

VIP = "198.18.0.41"
LISTED = {"n1": 1, "n2": 2}
TEXT = """
Hostname = "n.example.org"
Gateway = "198.18.0.254:2525"
Mail_Workers = 1
ESMTP_Listener {
  Listen "198.18.0.41:25" { Enable_Duravip = true Duravip_Preference = "n1" }
}
cluster {
  view_mature_time = 1  duravip_release_grace = 1  if_down_limit = 2  duravip_failback_delay = 2
  Topology "198.18.0.0/24" { interface = "eth0"  probe_gateway = "198.18.0.254" }
}
"""


def files_of(_name: str) -> Mapping[str, str]:
    return {"ecelerity.conf": TEXT, "nodes.json": nodes_json(LISTED)}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LabCluster]:
    if (why := why_no_lab()) is not None:
        pytest.skip(why)
    with LabCluster(let_in(tmp_path), "embedded", listed=LISTED) as made:
        made.write(files_of)
        made.start()
        made.wait_for("both nodes take mail", 120, made.accepting)
        made.wait_for("the preferred node has the address", 60, lambda: made.owner(VIP) == "n1")
        yield made


def notices(cluster: LabCluster, name: str) -> list[str]:
    report = cluster.nodes[name].report()
    return [one for one in report["notices"] if "does not answer" in one] if report else []


def came(cluster: LabCluster, name: str) -> list[tuple[str, int]]:
    """What the node says of the addresses that came to it, and how many are served."""
    report = cluster.nodes[name].report()
    measured = report.get("takeovers") if report else None
    return [(one["what"], one["served"]) for one in measured["recent"]] if measured else []


def test_an_address_leaves_a_node_whose_gateway_is_silent_and_stays_when_all_are_deaf(cluster: LabCluster) -> None:
    cluster.lab.cut("n1")
    cluster.wait_for("the address is where the gateway answers", 60, lambda: cluster.owner(VIP) == "n2")
    cluster.wait_for("it says how it came", 60, lambda: came(cluster, "n2")[-1:] == [("handed over", 1)])
    assert notices(cluster, "n1") == [
        "198.18.0.254 does not answer on eth0: addresses are not known to be reached here"
    ]
    cluster.lab.cut("n2")  # now nobody has proof
    cluster.wait_for("the other one says so too", 60, lambda: notices(cluster, "n2"))
    assert cluster.owner(VIP) == "n2"
    cluster.lab.heal("n1")
    cluster.wait_for("it is back where it is proven", 60, lambda: cluster.owner(VIP) == "n1")
    cluster.lab.heal("n2")
    cluster.wait_for("nobody has a doubt left", 60, lambda: not notices(cluster, "n1") and not notices(cluster, "n2"))
    assert cluster.owner(VIP) == "n1"
