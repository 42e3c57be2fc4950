"""Mail follows its address between whole nodes: one dies with mail and comes back, the other one stops in order."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.lab import why_no_lab
from tests.support.labcluster import LabCluster
from tests.support.labnode import let_in, nodes_json
from tests.support.nodetls import certify

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

VIP = "198.18.0.41"
LISTED = {"n1": 1, "n2": 2}
COUNT = 200
TEXT = """
Hostname = "{name}.example.org"
Relay_Hosts = ( "198.18.0.0/15" )
Gateway = "198.18.0.254:2525"
Host_Failure_Retry = 1
Mail_Workers = 2
ESMTP_Listener {{ Listen "198.18.0.41:25" {{ Enable_Duravip = true  Duravip_Preference = "n1" }} }}
Binding "moving" {{ Enable_Duravip = true  Bind_Address = "198.18.0.41"  Duravip_Preference = "n1" }}
cluster {{
  view_mature_time = 1  view_balance_interval = 600  duravip_release_grace = 1  duravip_failback_delay = 3600
  Topology "198.18.0.0/24" {{ interface = "eth0" }}
}}
"""


def files_of(name: str) -> Mapping[str, str]:
    return {"ecelerity.conf": TEXT.format(name=name), "nodes.json": nodes_json(LISTED)}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LabCluster]:
    """Two nodes on one wire; n1 has the address."""
    if (why := why_no_lab()) is not None:
        pytest.skip(why)
    with LabCluster(let_in(tmp_path), "embedded", listed=LISTED) as made:
        made.write(files_of)
        authority = None
        for node in made.nodes.values():
            authority = certify(node.etc, "lab", authority)
        made.start()
        made.wait_for("every node takes mail", 120, made.accepting)
        made.wait_for("n1 has the address", 60, lambda: made.owner(VIP) == "n1")
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
