"""Clusters that somebody else made: any kubeconfig, or kind, whose nodes are containers that can be entered."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.commands import tool
from tests.cluster.errors import ClusterError
from tests.cluster.images import TARGETS, source_digest
from tests.cluster.paths import SOURCE, cache_dir
from tests.cluster.processes import Process
from tests.cluster.progress import say
from tests.cluster.provider import Fault, Node, Write

_KIND_NAME = "momentum-test"


class KubeconfigCluster:
    """Implements `ClusterProvider` by kubectl and helm alone; the images must be where its nodes can pull them.

    MOMENTUM_TEST_IMAGES is the prefix of the images (`registry.example.com/momentum/`), MOMENTUM_TEST_NETWORK the
    network on the nodes' link to take addresses from: its last 255 must be free.
    """

    name = "kubeconfig"
    faults: frozenset[Fault] = frozenset()

    @property
    def client_address(self) -> str:
        raise self._cannot(Fault.CLIENT_HOST)

    @property
    def kubeconfig(self) -> Path:
        return Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")

    @property
    def node_network(self) -> str:
        try:
            return os.environ["MOMENTUM_TEST_NETWORK"]
        except KeyError:
            raise ClusterError(
                "set MOMENTUM_TEST_NETWORK to the network (CIDR) of free addresses on the nodes' link"
            ) from None

    def up(self) -> None:
        if not self.kubeconfig.exists():
            raise ClusterError(f"no kubeconfig at {self.kubeconfig}; set KUBECONFIG")
        for program in ("kubectl", "helm"):
            if shutil.which(program) is None:
                raise ClusterError(f"{program} is not installed; it is needed for MOMENTUM_TEST_CLUSTER={self.name}")
        self.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s", timeout_s=130)

    def release(self) -> None:
        """Nothing: the cluster is not ours."""

    def down(self) -> None:
        """Nothing: the cluster is not ours."""

    def nodes(self) -> tuple[Node, ...]:
        items = json.loads(self.kubectl("get", "nodes", "-l", "!node-role.kubernetes.io/control-plane", "-o", "json"))[
            "items"
        ]
        return tuple(Node(item["metadata"]["name"], _internal_ip(item)) for item in items)

    def free_address(self, number: int) -> str:
        if not 1 <= number <= 200:
            raise ValueError(f"address number {number} is not in 1 … 200")
        return str(ipaddress.ip_network(self.node_network)[-256 + number])

    def image(self, target: str) -> str:
        return f"{os.environ.get('MOMENTUM_TEST_IMAGES', '')}{target}:{os.environ.get('MOMENTUM_TEST_TAG', 'latest')}"

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, timeout_s: float = 60) -> str:
        return tool(["kubectl", *arguments], self.kubeconfig, stdin=stdin, check=check, timeout_s=timeout_s)

    def helm(self, *arguments: str, timeout_s: float = 180) -> str:
        return tool(["helm", *arguments], self.kubeconfig, timeout_s=timeout_s)

    def in_node(self, node_name: str, command: Sequence[str]) -> list[str]:
        raise self._cannot(Fault.ENTER_NODE)

    def in_clients(self, command: Sequence[str]) -> list[str]:
        raise self._cannot(Fault.CLIENT_HOST)

    def pod_processes(self, node_name: str) -> list[Process]:
        raise self._cannot(Fault.KILL_PROCESS)

    def kill(self, node_name: str, pid: int) -> None:
        raise self._cannot(Fault.KILL_PROCESS)

    def cut(self, node_name: str) -> None:
        raise self._cannot(Fault.CUT_PORT)

    def heal(self, node_name: str) -> None:
        raise self._cannot(Fault.CUT_PORT)

    def writes(self) -> list[Write]:
        raise self._cannot(Fault.SEE_WRITES)

    def stop_api_server(self) -> None:
        raise self._cannot(Fault.STOP_API_SERVER)

    def start_api_server(self) -> None:
        raise self._cannot(Fault.STOP_API_SERVER)

    def _cannot(self, fault: Fault) -> ClusterError:
        return ClusterError(f"a {self.name} cluster cannot {fault.value}; use MOMENTUM_TEST_CLUSTER=hermetic")


class KindCluster(KubeconfigCluster):
    """kind on this machine: nodes are containers, and the host itself is a client on their network.

    The cluster is called momentum-test and made when it is not there; `release` leaves it, `down` deletes it.
    """

    name = "kind"
    faults = frozenset({Fault.KILL_PROCESS, Fault.ENTER_NODE, Fault.CLIENT_HOST})

    @property
    def kubeconfig(self) -> Path:
        return cache_dir() / "kind.kubeconfig"

    def up(self) -> None:
        for program in ("kind", "docker"):
            if shutil.which(program) is None:
                raise ClusterError(f"{program} is not installed; it is needed for MOMENTUM_TEST_CLUSTER=kind")
        if _KIND_NAME not in _run("kind", "get", "clusters").split():
            self._create()
        _run("kind", "export", "kubeconfig", "--name", _KIND_NAME, "--kubeconfig", str(self.kubeconfig))
        super().up()
        for target in TARGETS:
            say(f"building {target} and loading it into kind")
            reference = self.image(target)
            # Without attestations, which `kind load` cannot take: https://github.com/kubernetes-sigs/kind/issues/3795
            plain = ["env", "BUILDX_NO_DEFAULT_ATTESTATIONS=1"]
            _run(*plain, "docker", "build", "-q", "--target", target, "-t", reference, str(SOURCE))
            _run("kind", "load", "docker-image", reference, "--name", _KIND_NAME)

    def _create(self) -> None:
        say("making a kind cluster of three workers")
        roles = "".join(f"- role: {role}\n" for role in ("control-plane", "worker", "worker", "worker"))
        recipe = cache_dir() / "kind.yaml"
        recipe.write_text(f"kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n{roles}")
        made = ["--config", str(recipe), "--kubeconfig", str(self.kubeconfig), "--wait", "120s"]
        _run("kind", "create", "cluster", "--name", _KIND_NAME, *made)

    def down(self) -> None:
        _run("kind", "delete", "cluster", "--name", _KIND_NAME, "--kubeconfig", str(self.kubeconfig))

    def image(self, target: str) -> str:
        return f"localhost/{target}:{source_digest()}"

    @property
    def node_network(self) -> str:
        configured = json.loads(_run("docker", "network", "inspect", "kind"))[0]["IPAM"]["Config"]
        return str(next(entry["Subnet"] for entry in configured if ":" not in entry["Subnet"]))

    @property
    def client_address(self) -> str:
        return str(ipaddress.ip_network(self.node_network)[1])

    def in_node(self, node_name: str, command: Sequence[str]) -> list[str]:
        return ["docker", "exec", node_name, *command]

    def in_clients(self, command: Sequence[str]) -> list[str]:
        return list(command)

    def pod_processes(self, node_name: str) -> list[Process]:
        """Pids are those inside the node's container."""
        # ps cuts a control group after 27 characters unless told otherwise, before the part that tells a pod's.
        listed = _run("docker", "exec", node_name, "ps", "-ww", "-eo", "pid=,ppid=,uid=,cgroup:400=,args=")
        rows = (line.split(None, 4) for line in listed.splitlines())
        return [
            Process(int(row[0]), int(row[1]), int(row[2]), tuple(row[4].split()), row[3])
            for row in rows
            if len(row) == 5 and "kubepods" in row[3]
        ]

    def kill(self, node_name: str, pid: int) -> None:
        _run("docker", "exec", node_name, "kill", "-9", str(pid))


def _internal_ip(item: dict[str, dict[str, list[dict[str, str]]]]) -> str:
    return next(entry["address"] for entry in item["status"]["addresses"] if entry["type"] == "InternalIP")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout
