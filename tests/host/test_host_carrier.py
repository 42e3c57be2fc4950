"""A link that goes and comes back: its addresses leave at once, and return when it has been up for `if_down_limit`."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.host.supervised import plant
from tests.support.lab import ip, why_no_lab
from tests.support.labcluster import LabCluster
from tests.support.labnode import let_in, nodes_json

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

VIP = "198.18.0.41"
LIMIT_S = 3
TEXT = f"""
Hostname = "n1.example.org"
Gateway = "198.18.0.254:2525"
Mail_Workers = 1
ESMTP_Listener {{ Listen "{VIP}:25" {{ Enable_Duravip = true }} }}
cluster {{
  view_mature_time = 1  duravip_release_grace = 1  if_down_limit = {LIMIT_S}  if_check_interval = 2
  Topology "198.18.0.0/24" {{ interface = "eth0" }}
}}
"""


def files_of(_name: str) -> Mapping[str, str]:
    return {"ecelerity.conf": TEXT, "nodes.json": nodes_json({"n1": 1})}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LabCluster]:
    if (why := why_no_lab()) is not None:
        pytest.skip(why)
    with LabCluster(let_in(tmp_path), "embedded", listed={"n1": 1}) as made:
        made.write(files_of)
        made.start()
        made.wait_for("the node takes mail", 120, made.accepting)
        made.wait_for("it has the address", 60, lambda: made.owner(VIP) == "n1")
        yield made


def test_a_link_that_is_back_proves_itself_before_it_carries_addresses(cluster: LabCluster) -> None:
    def says(text: str) -> bool:
        report = cluster.nodes["n1"].report()
        return report is not None and any(text in vip["reason"] for vip in report["vips"])

    ip("-n", cluster.lab.bridge, "link", "set", "port-n1", "down")
    cluster.wait_for("the address is given up", 30, lambda: not cluster.holders(VIP))
    cluster.wait_for("it says why", 30, lambda: says("link down: eth0"))
    ip("-n", cluster.lab.bridge, "link", "set", "port-n1", "up")
    began = time.monotonic()
    cluster.wait_for("the address is back", 60, lambda: cluster.owner(VIP) == "n1")
    assert time.monotonic() - began >= LIMIT_S - 0.5


def test_what_nobody_knows_of_goes_at_the_next_check(cluster: LabCluster) -> None:
    plant(cluster.lab.hosts["n1"], "198.18.0.77")
    cluster.wait_for("it is removed", 30, lambda: not cluster.holders("198.18.0.77"))
    assert cluster.owner(VIP) == "n1"
