"""The cluster's wires: one bridge in a namespace of its own, and a namespace for each machine on it.

    mct-switch   bridge br0 ── ports: n1 n2 n3 control clients
    mct-n1 …     eth0 198.18.0.1 …       pods 198.19.1.0/24 …   services 198.19.240.0/20
    mct-control  eth0 198.18.0.100       etcd, API server, controllers, scheduler
    mct-clients  eth0 198.18.0.254       mail clients, the sink, whoever judges from outside

All addresses are of 198.18.0.0/15, which RFC 2544 keeps for tests of network devices. Nothing leads out: the host
reaches the API server through a forwarder on 127.0.0.1 only.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError

PREFIX = "mct-"
SWITCH = f"{PREFIX}switch"
BRIDGE = "br0"
NETWORK = "198.18.0.0/16"
SERVICES = "198.19.240.0/20"
FIRST_SERVICE = "198.19.240.1"
NETNS_DIR = Path("/run/netns")


@dataclass(frozen=True)
class Machine:
    """One namespace on the bridge. `pods` is None for machines that run no pods."""

    name: str
    address: str
    pods: str | None = None

    @property
    def namespace(self) -> str:
        return f"{PREFIX}{self.name}"

    @property
    def netns(self) -> Path:
        return NETNS_DIR / self.namespace


NODES = tuple(Machine(f"n{i}", f"198.18.0.{i}", f"198.19.{i}.0/24") for i in (1, 2, 3))
CONTROL = Machine("control", "198.18.0.100")
CLIENTS = Machine("clients", "198.18.0.254")
MACHINES = (*NODES, CONTROL, CLIENTS)


def in_namespace(machine: Machine, command: Sequence[str]) -> list[str]:
    """The command, run in the machine's network namespace.

    `nsenter` and not `ip netns exec`: that remounts /sys and hides the cgroup mounts.
    """
    return ["nsenter", f"--net={machine.netns}", "--", *command]


def make_network() -> None:
    """Namespaces, bridge, links, addresses and routes. Raises ClusterError with what `ip` said."""
    _ip("netns", "add", SWITCH)
    _ip("-n", SWITCH, "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "stp_state", "0")
    _ip("-n", SWITCH, "link", "set", BRIDGE, "up")
    for machine in MACHINES:
        _make_machine(machine)
    for machine in MACHINES:
        _add_routes(machine)


def _make_machine(machine: Machine) -> None:
    space = machine.namespace
    _ip("netns", "add", space)
    peer = ("peer", "name", "eth0", "netns", space)
    _ip("link", "add", machine.name, "netns", SWITCH, "type", "veth", *peer)
    _ip("-n", SWITCH, "link", "set", machine.name, "master", BRIDGE, "up")
    _ip("-n", space, "link", "set", "lo", "up")
    _ip("-n", space, "address", "add", f"{machine.address}/16", "dev", "eth0")
    _ip("-n", space, "link", "set", "eth0", "up")
    # Not sysctl(8): a bare machine does not have it.
    settings = "echo 1 > /proc/sys/net/ipv4/ip_forward && echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6"
    run(in_namespace(machine, ["sh", "-c", settings]))


def _add_routes(machine: Machine) -> None:
    # A default route must exist: kubelet and the API server take its interface's address for their own.
    gateway = CLIENTS if machine != CLIENTS else CONTROL
    _ip("-n", machine.namespace, "route", "add", "default", "via", gateway.address)
    for node in NODES:
        if node.pods and node != machine:
            _ip("-n", machine.namespace, "route", "add", node.pods, "via", node.address)


def cut_port(machine: Machine) -> None:
    """The machine's cable is pulled at the switch: its own link stays up, nothing passes."""
    _ip("-n", SWITCH, "link", "set", machine.name, "nomaster")


def heal_port(machine: Machine) -> None:
    """Undoes `cut_port`; harmless on a whole port."""
    _ip("-n", SWITCH, "link", "set", machine.name, "master", BRIDGE)


def remove_network() -> None:
    """Removes every namespace of ours that exists; the links go with them."""
    for path in namespaces():
        _ip("netns", "delete", path.name)


def namespaces() -> list[Path]:
    """Our namespaces that exist now, those of a crashed run included."""
    return sorted(NETNS_DIR.glob(f"{PREFIX}*"))


def _ip(*arguments: str) -> None:
    run(["ip", *arguments])


def run(command: Sequence[str]) -> str:
    """Runs a short command; returns its output, or raises ClusterError with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
