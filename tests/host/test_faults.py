"""Faults on real kernels and real Corosync, judged by a client that asks every 5 ms and by each host's netlink.

Every story: under load something is done to the owner of the address; another node has it; never do two hosts answer
for more than 50 ms; nothing acknowledged is lost; the fault is undone and the cluster is whole again. The time without
an answer is printed, not judged: a test machine is no place for figures (see benchmarks/).
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support import poller
from tests.support.lab import why_no_lab
from tests.support.labcluster import NODES, LabCluster
from tests.support.labnode import LabNode, corosync_is_here

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]

VIP = "198.18.0.41"
DOUBLE_LIMIT_S = 0.05

CONFIGURATION = """
Hostname = "{name}.example.org"
Relay_Hosts = ( "198.18.0.0/24" )
Gateway = "198.18.0.254:2525"
Retry_Interval = 2
Mail_Workers = 1
ESMTP_Listener {{ Listen "{vip}:25" {{ Enable_Duravip = true }} }}
Binding "example" {{ Enable_Duravip = true  Bind_Address = "{vip}"  Match_Domain = ( "client.example.org" ) }}
cluster {{
  partition_policy = quorum
  cluster_size = 3
  view_mature_time = 1
  duravip_failback_delay = 0
  Topology "198.18.0.0/24" {{ interface = "eth0" }}
}}
"""


def files_of(name: str) -> Mapping[str, str]:
    nodes = [{"name": n, "id": i, "address": f"198.18.0.{i}"} for n, i in NODES.items()]
    listed = {"cluster": "lab", "nodes": nodes, "arbiter": None}
    return {"ecelerity.conf": CONFIGURATION.format(name=name, vip=VIP), "nodes.json": json.dumps(listed)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    if (why := why_no_lab()) is not None:
        pytest.skip(why)
    if not corosync_is_here():
        pytest.skip("real Corosync is not installed (package corosync)")
    directory = tmp_path_factory.mktemp("lab")
    for path in (directory, *directory.parents):  # mail workers run under a uid of their own
        if path.owner() == "root" and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)
    with LabCluster(directory, "corosync") as lab:
        lab.write(files_of)
        lab.start_sink()
        lab.start()
        yield lab


def whole(cluster: LabCluster) -> bool:
    """Every node is a member that takes mail, all sees all, and one has the address."""
    reports = [node.report() for node in cluster.nodes.values()]
    return cluster.owner(VIP) is not None and all(
        report
        and report["state"] == "RUN"
        and report["mail"]["accepting"]
        and len(report["members"]) == len(NODES)
        and all(member["mature"] for member in report["members"])
        for report in reports
    )


def kill_processes(word: str) -> Callable[[LabCluster, LabNode], None]:
    def kill(_cluster: LabCluster, node: LabNode) -> None:
        pids = list(node.pids(word))
        assert pids, f"no process {word} on {node.host.name}"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    return kill


def kill_node_role(_cluster: LabCluster, node: LabNode) -> None:
    """Supervisor and core at once: nobody is left to remove the address but the kernel."""
    supervisors = [
        pid for pid in node.pids("--role") if b"\0--role\0node\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert supervisors
    for pid in [*supervisors, *node.pids("core")]:
        os.kill(pid, signal.SIGKILL)


def stop_core(_cluster: LabCluster, node: LabNode) -> None:
    for pid in node.pids("core"):
        os.kill(pid, signal.SIGSTOP)


def cut(cluster: LabCluster, node: LabNode) -> None:
    cluster.lab.cut(node.host.name)


def heal(cluster: LabCluster, node: LabNode) -> None:
    cluster.lab.heal(node.host.name)


def nothing(_cluster: LabCluster, _node: LabNode) -> None:
    """What was killed is started again by whoever watches it."""


def stop_node(_cluster: LabCluster, node: LabNode) -> None:
    node.stop()


def start_node(_cluster: LabCluster, node: LabNode) -> None:
    node.start()


Fault = Callable[[LabCluster, LabNode], None]

FAULTS: Mapping[str, tuple[Fault, Fault]] = {
    "cable cut": (cut, heal),
    "core killed": (kill_processes("core"), nothing),
    "core frozen": (stop_core, nothing),
    "corosync killed": (kill_processes("-f"), nothing),
    "supervisor and core killed": (kill_node_role, nothing),
    "stopped as a pod is deleted": (stop_node, start_node),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_address_moves_and_no_mail_is_lost(
    cluster: LabCluster, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    do, undo = FAULTS[name]
    cluster.wait_for("the cluster is whole", 40, lambda: whole(cluster))
    owner = cluster.owner(VIP)
    assert owner is not None
    polling = cluster.poll([VIP], 7.0)
    sending = cluster.send(VIP, 400, pause_s=0.01)
    time.sleep(1.0)
    begin = time.monotonic()
    do(cluster, cluster.nodes[owner])
    assert sending.wait() == 0, "the client could not hand in its mail"
    answers = polling.answers()
    gap_s, _ = poller.longest_gap(a for a in answers if a.at > begin - 0.5)
    with capsys.disabled():
        print(f"\n{name}: {1000 * gap_s:.0f} ms without an answer, ", end="")
        print(f"{1000 * poller.double_answer(answers):.0f} ms answered by two")
    after = [answer for answer in answers if answer.took is not None and answer.at > begin + 5.0]
    undo(cluster, cluster.nodes[owner])

    assert after, "nobody answers 5 s after the fault"
    assert poller.double_answer(answers) <= DOUBLE_LIMIT_S
    assert len(cluster.holders(VIP)) == 1
    cluster.wait_for("every acknowledged message is delivered", 60, lambda: delivered_or_spooled(cluster))


def delivered_or_spooled(cluster: LabCluster) -> bool:
    """Nothing acknowledged is lost: it reached the next hop, or waits in a node's spool for its address to be back."""
    left = cluster.undelivered()
    return not left or left <= {entry for node in cluster.nodes.values() for entry in node.spooled()}


def test_no_message_left_from_any_other_address(cluster: LabCluster) -> None:
    assert {arrival.peer for arrival in cluster.taken()} == {VIP}
