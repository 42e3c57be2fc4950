"""Hosts on the wire that spoke to the address before it moves, with an entry for it in every state (arp(7)).

They say nothing while it moves. Afterwards the kernel of each must know the new owner from the announcement, or know
nobody, and so ask. A host that goes on sending to the dead owner fails the run.
"""

import json
from dataclasses import dataclass
from typing import Any

from tests.faults import wires
from tests.faults.fault import Scene
from tests.support.lab import Host, ip


@dataclass(frozen=True)
class Neighbour:
    """A host: the state of its entry when the cable is cut, and whether it learns from announcements alone."""

    name: str
    number: int
    state: str  # as ip-neighbour(8) has it; "none": it never spoke
    arp_accept: bool = False


NEIGHBOURS = (
    Neighbour("fresh", 241, "reachable"),
    Neighbour("stale", 242, "stale"),
    Neighbour("silent", 243, "none"),
    Neighbour("learning", 244, "none", arp_accept=True),
)


def cut_before_neighbours(scene: Scene) -> None:
    """The victim's cable, when every neighbour is as described."""
    mac = _mac(scene.victim.host)
    for neighbour in NEIGHBOURS:
        host = scene.cluster.lab.hosts.get(neighbour.name) or _added(scene, neighbour)
        ip("-n", host.namespace, "neighbour", "flush", "dev", "eth0")
        if neighbour.state != "none":
            entry = ("to", scene.shape.addresses[0], "lladdr", mac, "dev", "eth0", "nud", neighbour.state)
            ip("-n", host.namespace, "neighbour", "replace", *entry)
    wires.cut(scene)


def _added(scene: Scene, neighbour: Neighbour) -> Host:
    host = scene.cluster.lab.add(neighbour.name, neighbour.number)
    ip("-n", host.namespace, "address", "add", f"{host.address}/16", "dev", "eth0")
    host.run("sh", "-c", f"echo {int(neighbour.arp_accept)} > /proc/sys/net/ipv4/conf/eth0/arp_accept")
    return host


def neighbours_know(scene: Scene) -> str | None:
    """Whom every neighbour believes to have the address."""
    address = scene.shape.addresses[0]
    owners = {_mac(node.host): node.host.name for node in scene.others if address in node.host.addresses()}
    for neighbour in NEIGHBOURS:
        believed = _believed(scene.cluster.lab.hosts[neighbour.name], address)
        must_know = neighbour.state != "none" or neighbour.arp_accept
        if believed not in owners and (believed is not None or must_know):
            return f"the {neighbour.name} neighbour sends to {believed or 'nobody'}, and {owners} have the address"
    return None


def _believed(host: Host, address: str) -> str | None:
    entries: list[dict[str, Any]] = json.loads(
        ip("-n", host.namespace, "-j", "neighbour", "show", "to", address) or "[]"
    )
    return next((str(entry["lladdr"]) for entry in entries if "lladdr" in entry), None)


def _mac(host: Host) -> str:
    return str(json.loads(ip("-n", host.namespace, "-j", "link", "show", "dev", "eth0"))[0]["address"])
