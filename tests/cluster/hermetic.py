"""A real Kubernetes made of namespaces on this machine: three kubelets, one control plane, one switch."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from tests.cluster import binaries, controlplane, network, node, processes
from tests.cluster.audit import read_writes
from tests.cluster.commands import tool
from tests.cluster.errors import ClusterError
from tests.cluster.images import Image, pause_image, project_images
from tests.cluster.packages import install_packages
from tests.cluster.paths import cache_dir, remove_tree, run_dir
from tests.cluster.processes import Process
from tests.cluster.progress import say
from tests.cluster.provider import Fault, Node, Write
from tests.cluster.store import image_store


class HermeticCluster:
    """Implements `ClusterProvider` with every fault. One such cluster runs on a machine at a time."""

    name = "hermetic"
    faults = frozenset(Fault)
    node_network = network.NETWORK
    client_address = network.CLIENTS.address

    def __init__(self) -> None:
        self._project_images: dict[str, Image] = {}
        self._in_use: IO[str] | None = None

    @property
    def kubeconfig(self) -> Path:
        return controlplane.kubeconfig()

    def prepare(self) -> None:
        """Packages, binaries, images: all that takes long the first time, without starting anything."""
        if os.geteuid() != 0:
            raise ClusterError("the hermetic cluster needs root: it makes network namespaces and mounts")
        install_packages()
        binaries.kubernetes()
        binaries.helm()
        image_store(self._images())

    def up(self) -> None:
        self.prepare()
        self._lock()
        if self._is_kept() and self._answers():
            say("a cluster is kept here: using it")
            self._give_images()
        else:
            self.down()
            self._make()

    def _make(self) -> None:
        began = time.monotonic()
        images = self._images()
        store, pause = image_store(images), pause_image().reference
        run_dir().mkdir(parents=True)
        network.make_network()
        say("starting the control plane")
        controlplane.start_control_plane()
        controlplane.wait_for_api()
        say("starting three nodes")
        for machine in network.NODES:
            node.start_node(machine, store, pause)
        self._wait_for_nodes()
        (run_dir() / "images").write_text("\n".join(image.reference for image in images))
        say(f"the cluster is ready after {time.monotonic() - began:.1f} s; kubeconfig: {self.kubeconfig}")

    def _wait_for_nodes(self, seconds: float = 240) -> None:
        if processes.wait_until(self._nodes_are_ready, seconds, 0.3):
            return
        said = self.kubectl("get", "nodes", "-o", "wide", check=False)
        raise ClusterError(
            f"not all nodes are Ready and untainted after {seconds:.0f} s:\n{said}\n{processes.log_tail('n1-kubelet')}"
        )

    def _nodes_are_ready(self) -> bool:
        """Ready, and no taint of the time before is left: DaemonSets pass tainted nodes by."""
        listed = self.kubectl("get", "nodes", "-o", "json", check=False)
        items = json.loads(listed)["items"] if listed else []
        ready = [item for item in items if _is_ready(item) and not item["spec"].get("taints")]
        return len(ready) == len(network.NODES)

    def _answers(self) -> bool:
        if not self.kubeconfig.exists() or len(network.namespaces()) != len(network.MACHINES) + 1:
            return False
        try:
            self.kubectl("get", "--raw", "/readyz", timeout_s=5)
        except ClusterError:
            return False
        return self._nodes_are_ready()

    def _give_images(self) -> None:
        """Gives the nodes of a running cluster the images of the sources of now."""
        given = run_dir() / "images"
        there = given.read_text().split() if given.exists() else []
        for image in self._built().values():
            if image.reference not in there:
                for machine in network.NODES:
                    node.import_image(machine, image.archive)
        given.write_text("\n".join([*there, *(image.reference for image in self._built().values())]))

    def keep(self) -> None:
        """From now on `up` uses this cluster and `release` leaves it, until `down`."""
        (run_dir() / "kept").touch()

    def _is_kept(self) -> bool:
        return (run_dir() / "kept").exists()

    def _lock(self) -> None:
        """One process at a time uses the cluster of a machine; the others wait."""
        if self._in_use is None:
            self._in_use = (cache_dir() / "cluster.lock").open("w")
            try:
                fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another process uses the test cluster of this machine: waiting for it")
                fcntl.flock(self._in_use, fcntl.LOCK_EX)

    def release(self) -> None:
        if not self._is_kept():
            self.down()
        if self._in_use is not None:
            self._in_use.close()
            self._in_use = None

    def down(self) -> None:
        self._lock()
        processes.end_everything()
        network.remove_network()
        node.remove_made_folders()
        remove_tree(run_dir())

    def nodes(self) -> tuple[Node, ...]:
        return tuple(Node(machine.name, machine.address) for machine in network.NODES)

    def free_address(self, number: int) -> str:
        if not 1 <= number <= 200:
            raise ValueError(f"address number {number} is not in 1 … 200")
        return f"198.18.1.{number}"

    def image(self, target: str) -> str:
        return self._built()[target].reference

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, timeout_s: float = 60) -> str:
        command = [str(binaries.kubernetes() / "kubectl"), *arguments]
        return tool(command, self.kubeconfig, stdin=stdin, check=check, timeout_s=timeout_s)

    def helm(self, *arguments: str, timeout_s: float = 180) -> str:
        return tool([str(binaries.helm()), *arguments], self.kubeconfig, timeout_s=timeout_s)

    def in_node(self, node_name: str, command: Sequence[str]) -> list[str]:
        return network.in_namespace(_machine(node_name), command)

    def in_clients(self, command: Sequence[str]) -> list[str]:
        return network.in_namespace(network.CLIENTS, command)

    def pod_processes(self, node_name: str) -> list[Process]:
        return processes.pod_processes(_machine(node_name).name)

    def kill(self, node_name: str, pid: int) -> None:
        if pid not in {process.pid for process in self.pod_processes(node_name)}:
            raise ClusterError(f"process {pid} is in no container of {node_name}")
        os.kill(pid, signal.SIGKILL)

    def cut(self, node_name: str) -> None:
        network.cut_port(_machine(node_name))

    def heal(self, node_name: str) -> None:
        network.heal_port(_machine(node_name))

    def writes(self) -> list[Write]:
        return list(read_writes(controlplane.audit_log()))

    def stop_api_server(self) -> None:
        controlplane.stop_api_server()

    def start_api_server(self) -> None:
        controlplane.start_api_server()
        controlplane.wait_for_api()

    def _images(self) -> list[Image]:
        return [pause_image(), *self._built().values()]

    def _built(self) -> dict[str, Image]:
        """The images of the sources as they were when first asked for: one cluster sees one state of them."""
        if not self._project_images:
            self._project_images = project_images()
        return self._project_images


def _is_ready(node_object: dict[str, Any]) -> bool:
    conditions = node_object.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _machine(name: str) -> network.Machine:
    for machine in network.NODES:
        if machine.name == name:
            return machine
    raise ClusterError(f"no node is called {name}; there are {', '.join(m.name for m in network.NODES)}")
