"""`arp_all_hosts = false`: a moved address is told to hosts of interest one by one, and to nobody else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.faults.processes import cores
from tests.support import capture
from tests.support.lab import why_no_lab
from tests.support.labcluster import LabCluster
from tests.support.labnode import let_in, nodes_json

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

VIP = "198.18.0.41"
LISTED = {"n1": 1, "n2": 2}
TEXT = """
Hostname = "{name}.example.org"
Gateway = "198.18.0.254:2525"
Mail_Workers = 1
ESMTP_Listener {{ Listen "198.18.0.41:25" {{ Enable_Duravip = true  Duravip_Preference = "n1 n2" }} }}
cluster {{
  arp_all_hosts = false
  view_mature_time = 1  view_balance_interval = 600  duravip_release_grace = 1  duravip_failback_delay = 3600
  Topology "198.18.0.0/24" {{ interface = "eth0" }}
}}
"""
TALK = "import socket; socket.socket(2, 2).sendto(b'', ('198.18.0.2', 9))"
GREETING = f"import socket; s = socket.create_connection(('{VIP}', 25), 1); s.settimeout(1); print(s.recv(99).decode())"


def files_of(name: str) -> Mapping[str, str]:
    return {"ecelerity.conf": TEXT.format(name=name), "nodes.json": nodes_json(LISTED)}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LabCluster]:
    """Two nodes, of which n1 has the address, a client, and a host that nobody knows."""
    if (why := why_no_lab()) is not None:
        pytest.skip(why)
    with LabCluster(let_in(tmp_path), "embedded", listed=LISTED) as made:
        made.lab.add("stranger", 77)
        made.write(files_of)
        made.start()
        made.wait_for("every node takes mail", 120, made.accepting)
        made.wait_for("n1 has the address", 60, lambda: made.owner(VIP) == "n1")
        yield made


def greeted_by(cluster: LabCluster, name: str) -> bool:
    """The client reaches the address on that node."""
    try:
        return f"{name}.example.org" in cluster.client.run(sys.executable, "-c", GREETING)
    except (RuntimeError, subprocess.TimeoutExpired):
        return False


def test_the_client_is_told_and_a_stranger_hears_nothing(cluster: LabCluster, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    stranger = cluster.lab.hosts["stranger"]
    listening = stranger.start([sys.executable, "-m", "tests.support.capture", "--output", str(heard)])
    cluster.wait_for("the stranger listens", 20, heard.exists)
    cluster.client.run(sys.executable, "-c", TALK)  # so n2 knows the client
    assert greeted_by(cluster, "n1")
    for pid in cores(cluster.nodes["n1"]):
        os.kill(pid, signal.SIGKILL)
    cluster.wait_for("n2 has the address", 30, lambda: cluster.owner(VIP) == "n2")
    cluster.wait_for("the client reaches it there", 30, lambda: greeted_by(cluster, "n2"))
    time.sleep(1.2)  # broadcasts would go out at 0 and 1 s
    listening.terminate()
    listening.wait(10)
    assert [claim for claim in capture.read(heard) if claim.address == VIP] == []
