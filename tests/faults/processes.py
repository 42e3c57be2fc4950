"""Faults of processes: killed, frozen, stopped, starved."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.faults.fault import Act, Scene
from tests.support.labnode import LabNode

COROSYNC = "-f"
"""The argument that only Corosync has."""


def supervisors(node: LabNode) -> list[int]:
    """The supervisor's process: the role `node`."""
    return [pid for pid in node.pids("--role") if b"\0--role\0node\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def cores(node: LabNode) -> list[int]:
    """The core."""
    return list(node.pids("core"))


def workers(node: LabNode) -> list[int]:
    """Every mail worker."""
    return list(node.pids("worker"))


def corosyncs(node: LabNode) -> list[int]:
    """The bus daemon itself, not who watches it."""
    return list(node.pids(COROSYNC))


def everything(node: LabNode) -> list[int]:
    """All of its processes."""
    return node.everything()


def signalled(number: int, *which: Callable[[LabNode], Iterable[int]]) -> Act:
    """Send a signal to processes of the victim."""

    def act(scene: Scene) -> None:
        pids = [pid for find in which for pid in find(scene.victim)]
        assert pids, f"no process to signal on {scene.victim.host.name}"
        for pid in pids:
            os.kill(pid, number)

    return act


def killed(*which: Callable[[LabNode], Iterable[int]]) -> Act:
    """SIGKILL."""
    return signalled(signal.SIGKILL, *which)


def frozen(*which: Callable[[LabNode], Iterable[int]], for_s: float) -> Act:
    """SIGSTOP, and SIGCONT for the same processes after a time."""

    def act(scene: Scene) -> None:
        pids = [pid for find in which for pid in find(scene.victim)]
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(for_s)
        for pid in pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGCONT)

    return act


def stop_node(scene: Scene) -> None:
    """As a pod is deleted."""
    scene.victim.stop()


def start_node(scene: Scene) -> None:
    scene.victim.start()


def restart_at_once(scene: Scene) -> None:
    """The machine's reset button, with a very fast boot."""
    scene.victim.kill()
    scene.victim.start()


def restart_all(scene: Scene) -> None:
    """Power fails in the room, and comes back."""
    for node in scene.cluster.nodes.values():
        node.kill()
    for node in scene.cluster.nodes.values():
        node.start()


def restart_all_staggered(scene: Scene) -> None:
    """The same, and the machines boot one after the other."""
    for node in scene.cluster.nodes.values():
        node.kill()
    for node in scene.cluster.nodes.values():
        node.start()
        time.sleep(0.7)


def busy(loops_per_core: int, seconds: float) -> Act:
    """Busy loops that take every processor."""

    def act(_scene: Scene) -> None:
        code = "import time\nend = time.monotonic() + {}\nwhile time.monotonic() < end: pass"
        count = loops_per_core * (os.cpu_count() or 1)
        argv = [sys.executable, "-c", code.format(seconds)]
        hogs = [subprocess.Popen(argv) for _ in range(count)]
        for hog in hogs:
            hog.wait()

    return act
