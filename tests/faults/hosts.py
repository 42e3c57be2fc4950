"""Faults of a host and of its neighbours: links, addresses that others remove or claim, keys, node lists."""

import ctypes
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping

from tests.faults.fault import Act, Scene
from tests.support.lab import Host, ip
from tests.support.labnode import LabNode, nodes_json

STRANGER_MAC = bytes.fromhex("02005e10ab01")
RELOADED_S = 3.0
"""Each node looks at its files twice a second, and tells the ring."""


def link_down_and_up(for_s: float) -> Act:
    """Somebody types `ip link set eth0 down`, and up again."""

    def act(scene: Scene) -> None:
        for word in ("down", "up"):
            ip("-n", scene.victim.host.namespace, "link", "set", "eth0", word)
            time.sleep(for_s if word == "down" else 0)

    return act


def address_removed(scene: Scene) -> None:
    """A network manager that does not know the addresses removes them."""
    namespace = scene.victim.host.namespace
    for line in ip("-n", namespace, "-o", "address", "show", "dev", "eth0").splitlines():
        prefix = line.split()[3]
        if prefix.partition("/")[0] in scene.shape.addresses:
            ip("-n", namespace, "address", "delete", prefix, "dev", "eth0")


def strange_claims(times: int, pause_s: float) -> Act:
    """A host that is no member says by gratuitous ARP that it has the victim's address, and answers nothing."""

    def act(scene: Scene) -> None:
        address = socket.inet_aton(scene.shape.addresses[0])
        body = b"\0\1\x08\0\6\4\0\1" + STRANGER_MAC + address + bytes(6) + address
        frame = b"\xff" * 6 + STRANGER_MAC + b"\x08\x06" + body
        _in_network(scene.cluster.lab.hosts["stranger"], lambda: _send(frame, times, pause_s))

    return act


def stranger_is_named(scene: Scene) -> str | None:
    """The owner says who else announces its address."""
    report = scene.victim.report()
    told = [vip["problem"] for vip in report["vips"] if vip["address"] == scene.shape.addresses[0]] if report else []
    is_named = any(problem and STRANGER_MAC.hex(":") in problem for problem in told)
    return None if is_named else f"{scene.victim.host.name} does not name the stranger: {told}"


def _send(frame: bytes, times: int, pause_s: float) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("eth0", 0))
        for _ in range(times):
            wire.send(frame)
            time.sleep(pause_s)


def _in_network(host: Host, work: Callable[[], None]) -> None:
    """Run `work` in a child inside the host's network namespace (setns(2) changes the caller's)."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with open(f"/run/netns/{host.namespace}", "rb") as namespace:  # noqa: PTH123 - a descriptor for setns
                _setns(namespace.fileno())
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0, "the stranger could not speak"


def _setns(descriptor: int) -> None:
    """os.setns of Python 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


def new_key(scene: Scene) -> None:
    """Every node gets another bus key at once, and Corosync is told by who watches its files."""
    key = secrets.token_bytes(256)
    for node in scene.cluster.nodes.values():
        _replace(node, "authkey", key)


def old_key_returns(scene: Scene) -> None:
    """The victim is away while the bus key of all others is replaced, and comes back with the one it had."""
    scene.victim.stop()
    key = secrets.token_bytes(256)
    for node in scene.others:
        _replace(node, "authkey", key)
    time.sleep(RELOADED_S)
    scene.victim.start()


def key_delivered(scene: Scene) -> None:
    """The victim gets the key of the others, and is started anew."""
    scene.victim.kill()
    _replace(scene.victim, "authkey", (scene.others[0].etc / "authkey").read_bytes())
    scene.victim.start()


def alone_and_says_so(scene: Scene) -> str | None:
    """The victim is not silently alone: it says that it sees itself only; the others that they miss one."""

    def is_member_of_something() -> bool:
        report = scene.victim.report()
        return report is not None and report["state"] == "RUN"

    scene.cluster.wait_for("the victim has a ring of its own", 60, is_member_of_something)
    size, seen = scene.shape.nodes, {}
    for name, node in scene.cluster.nodes.items():
        report = node.report()
        seen[name] = (report["quorum"], report["quorate"]) if report is not None else None
    others = {node.host.name: (f"{size - 1}/{size}", True) for node in scene.others}
    wanted = {**others, scene.victim.host.name: (f"1/{size}", False)}
    return None if seen == wanted else f"they say {seen}"


def node_removed(scene: Scene) -> None:
    """The victim is taken from the node list everywhere, and keeps running."""
    listed = {name: number for name, number in scene.shape.listed.items() if name != scene.victim.host.name}
    _list_nodes(scene, listed)


def half_listed(scene: Scene) -> None:
    """A fourth node is added, and who writes the lists is killed when one node has the new one."""
    listed = {**scene.shape.listed, "n99": 99}
    _list_nodes(scene, listed, [scene.victim])


def node_listed(scene: Scene) -> None:
    """Everybody is in the list again."""
    _list_nodes(scene, scene.shape.listed)


def _list_nodes(scene: Scene, listed: Mapping[str, int], told: Iterable[LabNode] | None = None) -> None:
    text = nodes_json(listed)
    for node in told or scene.cluster.nodes.values():
        _replace(node, "nodes.json", text.encode())
        _replace(node, "corosync.conf", node.corosync_conf(text).encode())


def _replace(node: LabNode, name: str, data: bytes) -> None:
    fresh = node.etc / f"{name}.new"
    fresh.write_bytes(data)
    fresh.chmod(0o400 if name == "authkey" else 0o644)
    fresh.replace(node.etc / name)
