"""A host that is no member has one of our addresses when we come (R25, F36): it is left alone, told of, asked again.

What one host of another cluster, or a forgotten virtual machine, looks like on the wire.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.lab import ip, why_no_lab
from tests.support.labcluster import LabCluster
from tests.support.labnode import let_in, nodes_json

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

TAKEN, FREE = "198.18.0.41", "198.18.0.42"
TEXT = f"""
Hostname = "n1.example.org"
Gateway = "198.18.0.254:2525"
Mail_Workers = 1
ESMTP_Listener {{ Listen "{TAKEN}:25" {{ Enable_Duravip = true }} }}
ESMTP_Listener {{ Listen "{FREE}:25" {{ Enable_Duravip = true }} }}
cluster {{
  view_mature_time = 1  if_check_interval = 2
  Topology "198.18.0.0/24" {{ interface = "eth0" }}
}}
"""


def files_of(_name: str) -> Mapping[str, str]:
    return {"ecelerity.conf": TEXT, "nodes.json": nodes_json({"n1": 1})}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LabCluster]:
    """One node, and a stranger that has one of its two addresses."""
    if (why := why_no_lab()) is not None:
        pytest.skip(why)
    with LabCluster(let_in(tmp_path), "embedded", listed={"n1": 1}) as made:
        stranger = made.lab.add("stranger", 77)
        ip("-n", stranger.namespace, "address", "add", f"{TAKEN}/32", "dev", "eth0")
        made.write(files_of)
        made.start()
        made.wait_for("the node takes mail", 120, made.accepting)
        yield made


def test_an_address_that_a_stranger_has_is_left_to_it_and_taken_when_it_is_gone(cluster: LabCluster) -> None:
    stranger = cluster.lab.hosts["stranger"]
    line = ip("-n", stranger.namespace, "-o", "link", "show", "dev", "eth0")
    mac = line.split("link/ether ")[1].split()[0]

    def told() -> str:
        report = cluster.nodes["n1"].report()
        return next((str(v["problem"]) for v in report["vips"] if v["address"] == TAKEN), "") if report else ""

    cluster.wait_for("the other address is served", 60, lambda: cluster.owner(FREE) == "n1")
    cluster.wait_for("it is told", 60, lambda: told().startswith(f"in use by {mac}: that host is no member"))
    assert cluster.holders(TAKEN) == []
    ip("-n", stranger.namespace, "address", "delete", f"{TAKEN}/32", "dev", "eth0")
    cluster.wait_for("it is taken", 60, lambda: cluster.owner(TAKEN) == "n1")
    cluster.wait_for("and nothing is told any more", 30, lambda: told() == "None")
    assert all(change.held for change in cluster.changes(TAKEN, 0.0)), "it was never here before"
