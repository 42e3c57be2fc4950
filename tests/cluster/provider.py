"""What a Kubernetes cluster can do for a test, and which cluster the tests get.

    MOMENTUM_TEST_CLUSTER=hermetic     made here from namespaces (default); can make every fault
    MOMENTUM_TEST_CLUSTER=kind         the kind cluster that KUBECONFIG points at; no switch and no API server to stop
    MOMENTUM_TEST_CLUSTER=kubeconfig   any cluster of KUBECONFIG; kubectl only

A story names the faults that it needs; where the provider cannot make one, it is skipped and says so.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.cluster.processes import Process


class Fault(enum.Enum):
    """What a provider may be able to do to a cluster, or see of it from outside."""

    CUT_PORT = "pull a node's cable at the switch and plug it in again"
    KILL_PROCESS = "kill one process in a node's container from outside"
    STOP_API_SERVER = "stop and start the API server"
    ENTER_NODE = "run a command in a node's network namespace"
    CLIENT_HOST = "run a client on the nodes' own network"
    SEE_WRITES = "tell which pod of the operator wrote what"


@dataclass(frozen=True)
class Node:
    """A Kubernetes node and its InternalIP."""

    name: str
    address: str


@dataclass(frozen=True)
class Write:
    """Something that a pod of the operator wrote; `at` is seconds since the epoch, by the API server's clock."""

    at: float
    pod: str
    verb: str
    resource: str
    namespace: str
    name: str


class ClusterProvider(Protocol):
    """A cluster with the project's images. Methods of a fault that it does not have raise ClusterError."""

    name: str
    faults: frozenset[Fault]

    @property
    def kubeconfig(self) -> Path: ...

    @property
    def node_network(self) -> str:
        """The network of the nodes, as a CIDR; mail addresses are taken from it."""

    @property
    def client_address(self) -> str:
        """Where the client host is reached from the nodes: the sink's address."""

    def up(self) -> None:
        """Makes the cluster and waits until every node is Ready; quick when it is up already."""

    def release(self) -> None:
        """Ends the use that began with `up`: what `up` made is removed, what was there before stays."""

    def down(self) -> None:
        """Removes the cluster and leaves nothing of it behind; harmless when nothing is there."""

    def nodes(self) -> tuple[Node, ...]: ...

    def free_address(self, number: int) -> str:
        """An address of `node_network` that nobody has; the same number gives the same address (1 ≤ number ≤ 200)."""

    def image(self, target: str) -> str:
        """The reference of a target of the Dockerfile, present on every node."""

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, timeout_s: float = 60) -> str:
        """Standard output of kubectl. Raises ClusterError with what it said when it fails and `check` is set."""

    def helm(self, *arguments: str, timeout_s: float = 180) -> str:
        """Standard output of helm. Raises ClusterError with what it said when it fails."""

    def in_node(self, node: str, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in the node's network namespace (ENTER_NODE)."""

    def in_clients(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` on the client host (CLIENT_HOST)."""

    def pod_processes(self, node: str) -> list[Process]:
        """Processes in the node's containers (KILL_PROCESS)."""

    def kill(self, node: str, pid: int) -> None:
        """SIGKILL to one of `pod_processes` (KILL_PROCESS)."""

    def cut(self, node: str) -> None: ...

    def heal(self, node: str) -> None: ...

    def writes(self) -> list[Write]:
        """What pods of the operator have written, in the order in which it was done (SEE_WRITES)."""

    def stop_api_server(self) -> None: ...

    def start_api_server(self) -> None:
        """Starts it again and returns when it is ready."""
