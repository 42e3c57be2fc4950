"""The cluster's processes: started with a log each, found again by namespace and container, ended by pid.

A process belongs to the cluster when its network namespace is one of ours, or it is in a container of ours. Nothing
else is ever signalled, and a crashed run's processes are found the same way.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.network import namespaces
from tests.cluster.paths import run_dir

_CONTAINER = re.compile(r":/k8s\.io/([0-9a-f]{64})")
"""Where containerd puts the containers of pods when the kubelet names no control group."""
_CGROUP_MOUNT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Process:
    """A process as the host sees it. `argv` is empty for a zombie."""

    pid: int
    parent: int
    uid: int
    argv: tuple[str, ...]
    container: str
    """The id of the container it is in; empty outside of containers."""


def start(name: str, command: Sequence[str], pass_fds: Sequence[int] = ()) -> int:
    """Starts a daemon; its output goes to logs/<name>.log of the run folder. Returns its pid, kept in pids/<name>."""
    logs, pids = run_dir() / "logs", run_dir() / "pids"
    logs.mkdir(parents=True, exist_ok=True)
    pids.mkdir(parents=True, exist_ok=True)
    with (logs / f"{name}.log").open("ab") as log:
        daemon = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            pass_fds=pass_fds,
        )
    (pids / name).write_text(str(daemon.pid))
    _DAEMONS.append(daemon)
    return daemon.pid


# Popen objects are kept so that their finalizers do not warn while the daemons go on without us.
_DAEMONS: list[subprocess.Popen[bytes]] = []


def pid_of(name: str) -> int:
    """The pid that `start` noted. Raises ClusterError when no such daemon was started."""
    try:
        return int((run_dir() / "pids" / name).read_text())
    except (FileNotFoundError, ValueError):
        raise ClusterError(f"{name} was not started; is the cluster up?") from None


def is_running(pid: int) -> bool:
    """False for a zombie too: it does nothing any more."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def log_tail(name: str, lines: int = 12) -> str:
    """The end of a daemon's log, for error messages."""
    log = run_dir() / "logs" / f"{name}.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"


def read_process(pid: int) -> Process | None:
    """None when the process is gone."""
    folder = Path(f"/proc/{pid}")
    try:
        argv = tuple(part.decode(errors="replace") for part in (folder / "cmdline").read_bytes().split(b"\0") if part)
        found = _CONTAINER.search((folder / "cgroup").read_text())
        status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Process(pid, int(status["PPid"]), int(status["Uid"].split()[0]), argv, found[1] if found else "")


def containers() -> dict[str, str]:
    """Container id → node, for every container that a node's containerd has a task of."""
    tasks = (run_dir() / "nodes").glob("*/own/run-containerd/io.containerd.runtime.v2.task/k8s.io/*")
    return {path.name: path.relative_to(run_dir() / "nodes").parts[0] for path in tasks}


def processes(known: Collection[str] = ()) -> list[Process]:
    """Every process of the cluster, pods included; `known` are ids of containers besides those of `containers`."""
    ours = {path.stat().st_ino for path in namespaces() if path.exists()}
    ids = {*containers(), *known}
    return [process for process in _all_processes() if process.container in ids or _namespace_of(process.pid) in ours]


def pod_processes(node: str) -> list[Process]:
    """Processes in containers of one node."""
    there = {container for container, name in containers().items() if name == node}
    return [process for process in _all_processes() if process.container in there]


def _all_processes() -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (process := read_process(int(entry.name))):
            yield process


def _namespace_of(pid: int) -> int:
    """The inode of the process's network namespace; 0 when it is gone."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return 0


def end(pids: Sequence[int], patience_s: float = 3.0) -> None:
    """SIGTERM, then SIGKILL for who is left after `patience_s`."""
    _signal_all(pids, signal.SIGTERM)
    if not _wait_for_end(pids, patience_s):
        _signal_all(pids, signal.SIGKILL)
        _wait_for_end(pids, 5)
    for daemon in _DAEMONS:
        daemon.poll()


def end_everything() -> None:
    """Ends all processes of the cluster and removes their control groups. Raises ClusterError when some do not die."""
    known: set[str] = set()
    for _ in range(20):
        known.update(containers())
        left = [process.pid for process in processes(known) if process.pid != os.getpid() and is_running(process.pid)]
        if not left:
            _remove_control_groups(known)
            return
        _signal_all(left, signal.SIGKILL)
        _wait_for_end(left, 1)
        for daemon in _DAEMONS:
            daemon.poll()
    raise ClusterError(f"these processes of the cluster do not end: {left}")


def _wait_for_end(pids: Sequence[int], seconds: float) -> bool:
    return wait_until(lambda: not any(map(is_running, pids)), seconds)


def _signal_all(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _remove_control_groups(ids: Collection[str]) -> None:
    """Removes the containers' control groups from every hierarchy, and their common parent when nobody else uses it."""
    for parent in (path / "k8s.io" for path in (_CGROUP_MOUNT, *_CGROUP_MOUNT.iterdir())):
        for group in (parent / name for name in ids):
            folders = sorted((path for path in group.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
            for folder in (*folders, group):
                wait_until(partial(_removed, folder), 2)
        _removed(parent)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def wait_until(done: Callable[[], bool], seconds: float, pause_s: float = 0.05) -> bool:
    """Whether `done()` became true in time."""
    limit = time.monotonic() + seconds
    while not done():
        if time.monotonic() > limit:
            return False
        time.sleep(pause_s)
    return True
