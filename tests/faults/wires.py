"""Faults of the wire: cut cables, partitions, one-way paths, loss. Made in the bridge, where no host sees it.

Rules need nftables; the bridge's namespace has a table of its own, which `mended` removes.
"""

import shutil
import subprocess
import time

from tests.faults.fault import Act, Scene
from tests.support.lab import ip
from tests.support.labnode import LabNode

BUS_PORT = 5405
TABLE = "bridge faults"


def cut(scene: Scene) -> None:
    """The victim's cable; its link stays up, as behind a dead switch."""
    scene.cluster.lab.cut(scene.victim.host.name)


def heal(scene: Scene) -> None:
    scene.cluster.lab.heal(scene.victim.host.name)


def port_down(scene: Scene) -> None:
    """The switch port goes down: the victim loses its carrier."""
    ip("-n", scene.cluster.lab.bridge, "link", "set", _port(scene.victim), "down")


def port_up(scene: Scene) -> None:
    ip("-n", scene.cluster.lab.bridge, "link", "set", _port(scene.victim), "up")


def flapping(times: int, period_s: float) -> Act:
    """The victim's cable, in and out."""

    def act(scene: Scene) -> None:
        for _ in range(times):
            cut(scene)
            time.sleep(period_s / 2)
            heal(scene)
            time.sleep(period_s / 2)

    return act


def bus_cut(scene: Scene) -> None:
    """Only the bus of the victim; whatever else stays (a second NIC for the bus that dies)."""
    port = _port(scene.victim)
    _rules(scene, f'iifname "{port}" udp dport {BUS_PORT} drop', f'oifname "{port}" udp dport {BUS_PORT} drop')


def split(*sizes: int) -> Act:
    """Parts that do not hear each other's bus, the victim in the last; clients still reach all."""

    def act(scene: Scene) -> None:
        nodes = [*scene.others, scene.victim]
        parts, at = [], 0
        for size in sizes:
            parts.append(nodes[at : at + size])
            at += size
        _rules(
            scene,
            *(
                f'iifname "{_port(one)}" oifname "{_port(two)}" udp dport {BUS_PORT} drop'
                for part in parts
                for one in part
                for two in nodes
                if two not in part
            ),
        )

    return act


def pair_blocked(*, one_way: bool) -> Act:
    """Nothing passes between the victim and one other node, or from the victim to it only."""

    def act(scene: Scene) -> None:
        here, there = _port(scene.victim), _port(scene.others[0])
        rules = [f'iifname "{here}" oifname "{there}" drop']
        if not one_way:
            rules.append(f'iifname "{there}" oifname "{here}" drop')
        _rules(scene, *rules)

    return act


def lossy(percent: int, seconds: float) -> Act:
    """Every frame that the bridge passes is lost with this chance."""

    def act(scene: Scene) -> None:
        _rules(scene, f"numgen random mod 100 < {percent} drop")
        time.sleep(seconds)
        mended(scene)

    return act


def mended(scene: Scene) -> None:
    """Every rule is gone."""
    _nft(scene, f"add table {TABLE}\ndelete table {TABLE}\n")


def why_no_rules() -> str | None:
    """Why the bridge cannot filter here, or None."""
    if shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        return "the command `nft` is missing: install the package nftables"
    return None


def _rules(scene: Scene, *rules: str) -> None:
    chain = f"{TABLE} forward"
    head = f"add table {TABLE}\nadd chain {chain} {{ type filter hook forward priority 0; }}\n"
    _nft(scene, head + "".join(f"add rule {chain} {rule}\n" for rule in rules))


def _nft(scene: Scene, script: str) -> None:
    argv = ["ip", "netns", "exec", scene.cluster.lab.bridge, "nft", "-f", "-"]
    done = subprocess.run(argv, input=script, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"nft: {done.stderr.strip()}")


def _port(node: LabNode) -> str:
    return f"port-{node.host.name}"
