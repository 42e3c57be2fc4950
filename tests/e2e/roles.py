"""Which process in a node's pod is what, by its command line as the host sees it."""

from __future__ import annotations

from tests.cluster.processes import Process
from tests.cluster.provider import ClusterProvider


def core(cluster: ClusterProvider, node: str) -> int:
    """The pid of the node's core."""
    return _one(cluster, node, "core", _is_core)


def supervisor(cluster: ClusterProvider, node: str) -> int:
    """The pid of the node's supervisor, the first process of its container."""
    return _one(cluster, node, "supervisor", _is_supervisor)


def corosync(cluster: ClusterProvider, node: str) -> int:
    """The pid of the node's Corosync."""
    return _one(cluster, node, "corosync", lambda process: process.argv[0].rpartition("/")[2] == "corosync")


def of_nodes(cluster: ClusterProvider) -> list[Process]:
    """Every process of a mail node that runs anywhere."""
    everywhere = (process for node in cluster.nodes() for process in cluster.pod_processes(node.name))
    return [
        process
        for process in everywhere
        if any("momentum-node" in word or "momentum_node" in word for word in process.argv)
    ]


def _one(cluster: ClusterProvider, node: str, what: str, fits: object) -> int:
    assert callable(fits)
    found = [process for process in cluster.pod_processes(node) if process.argv and fits(process)]
    assert len(found) == 1, f"{len(found)} processes on {node} look like its {what}: {[p.argv for p in found]}"
    return found[0].pid


def _is_core(process: Process) -> bool:
    return process.argv[-2:] == ("momentum_node", "core")


def _is_supervisor(process: Process) -> bool:
    return process.argv[-3:] == ("run", "--role", "node")
