"""The node that takes over does not hear the old owner's answers; another one does, and says so (failover F15)."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.faults.processes import cores, supervisors
from tests.faults.wires import why_no_rules
from tests.support.lab import why_no_lab
from tests.support.labcluster import NODES, LabCluster
from tests.support.labnode import let_in, nodes_json

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

VIPS = ("198.18.0.41", "fd77::41")
TEXT = """
Hostname = "{name}.example.org"
Gateway = "198.18.0.254:2525"
Mail_Workers = 1
ESMTP_Listener {{
  Listen "198.18.0.41:25" {{ Enable_Duravip = true  Duravip_Preference = "n1 n2 n3" }}
  Listen "[fd77::41]:25" {{ Enable_Duravip = true  Duravip_Preference = "n1 n2 n3" }}
}}
cluster {{
  view_mature_time = 1  view_balance_interval = 600  duravip_release_grace = 1
  Topology "198.18.0.0/24" {{ interface = "eth0" }}
  Topology "fd77::/64" {{ interface = "eth0" }}
}}
"""
DEAF = 'add table bridge t\nadd chain bridge t c {{ type filter hook forward priority 0; }}\n' \
       'add rule bridge t c iifname "port-{speaker}" oifname "port-{listener}" drop\n'  # fmt: skip


def files_of(name: str) -> Mapping[str, str]:
    return {"ecelerity.conf": TEXT.format(name=name), "nodes.json": nodes_json(NODES)}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LabCluster]:
    """Three nodes on one wire; n1 has both addresses."""
    if (why := why_no_lab() or why_no_rules()) is not None:
        pytest.skip(why)
    with LabCluster(let_in(tmp_path), "embedded") as made:
        made.write(files_of)
        made.start()
        made.wait_for("every node takes mail", 120, made.accepting)
        made.wait_for("n1 has both", 60, lambda: all(made.owner(vip) == "n1" for vip in VIPS))
        yield made


def test_no_two_have_an_address_although_the_new_owner_cannot_hear_the_old_one(cluster: LabCluster) -> None:
    """n1's core dies under a supervisor that stands still: its kernel answers until the leases end, 2 s at most."""
    script = DEAF.format(speaker="n1", listener="n2")
    bridge = ["ip", "netns", "exec", cluster.lab.bridge, "nft", "-f", "-"]
    subprocess.run(bridge, input=script, text=True, check=True)
    n1 = cluster.nodes["n1"]
    (core,), (supervisor,) = cores(n1), supervisors(n1)
    began = time.monotonic()
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(core, signal.SIGKILL)
    cluster.wait_for("n2 has both", 30, lambda: all("n2" in cluster.holders(vip) for vip in VIPS))
    took = time.monotonic() - began
    assert all(cluster.held_by_two(vip, began) < 0.5 for vip in VIPS), "for seconds, were nobody to tell n2"
    assert took > 0.5, "the leases had not ended before"
