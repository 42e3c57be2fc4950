"""What can happen to the node that has the address, in the laboratory: how it is done, and how it is undone."""

import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.labcluster import NODES, LabCluster
from tests.support.labnode import LabNode

VIP = "198.18.0.41"

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
