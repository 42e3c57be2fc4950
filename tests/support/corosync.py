"""Real Corosync for tests and the demo: one daemon, in a network namespace or on this host.

    with Corosync("n1", directory, render(…)) as daemon:      # writes corosync.conf, starts, waits until it answers
        daemon.kill(); daemon.start()

Each daemon needs a network namespace of its own: libqb's sockets are abstract, and those belong to one. It also needs
a /var/run/corosync.pid of its own, which it locks: `alone` gives it one. /dev/shm may be shared.
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from momentum_node.config.corosync import AUTHKEY_MIN_BYTES, RingNode, render
from tests.support.lab import Host, Lab, why_no_lab

START_S = 10.0


@dataclass(frozen=True)
class Ring:
    """Daemons on one wire, by node id; all are one ring when this is handed out."""

    lab: Lab
    hosts: Mapping[int, Host]
    daemons: dict[int, "Corosync"]


@contextmanager
def corosync_ring(directory: Path, names: Mapping[int, str], profile: str = "Fast") -> Iterator[Ring]:
    """A ring of hosts in a lab of its own. Skips the test where there cannot be one."""
    if (reason := why_no_lab() or why_no_corosync()) is not None:
        pytest.skip(reason)
    key = authkey(directory / "authkey")
    with Lab() as lab, ExitStack() as stack:
        hosts = {number: lab.add(name, number) for number, name in names.items()}
        nodes = [RingNode(host.name, number, host.address) for number, host in hosts.items()]
        daemons = {}
        for number, host in hosts.items():
            home = directory / host.name
            conf = render("ring", nodes, profile, keyfile=str(key), state_dir=str(home / "state"))
            daemons[number] = stack.enter_context(Corosync(host.namespace, home, conf))
        for daemon in daemons.values():
            daemon.wait_for_ring(len(daemons))
        yield Ring(lab, hosts, daemons)


def program() -> str | None:
    """Where Corosync is; None when it is not installed."""
    return shutil.which("corosync", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def why_no_corosync() -> str | None:
    """Why real Corosync cannot be used here, or None."""
    if os.geteuid() != 0:
        return "Corosync needs root (or root in a user namespace)"
    if program() is None:
        return "Corosync is not installed (package corosync)"
    if Path("/etc/libqb/force-filesystem-sockets").exists():
        return "/etc/libqb/force-filesystem-sockets makes all daemons of this host share one set of sockets"
    return None


def authkey(path: Path) -> Path:
    """A fresh key of the ring, readable by root alone."""
    path.write_bytes(secrets.token_bytes(2 * AUTHKEY_MIN_BYTES))
    path.chmod(0o400)
    return path


def alone(pid_file: Path, shared_memory: str = "") -> list[str]:
    """What to put before a command that runs Corosync, so that others on this host do not stop it.

    The command gets a mount namespace in which `pid_file` is /var/run/corosync.pid; its pid stays the same.
    `shared_memory`: the size of a /dev/shm of its own (mount(8)).
    """
    script = 'touch "$0" /var/run/corosync.pid && mount --bind "$0" /var/run/corosync.pid && exec "$@"'
    if shared_memory:
        script = f"mount -t tmpfs -o size={shared_memory} shm /dev/shm && {script}"
    return ["unshare", "--mount", "sh", "-c", script, str(pid_file)]


class Corosync:
    """One daemon. `directory` gets corosync.conf and corosync.log; the state_dir that `conf` names is made."""

    def __init__(self, netns: str | None, directory: Path, conf: str, shared_memory: str = "") -> None:
        self._netns = netns
        self._shared_memory = shared_memory
        self._log = directory / "corosync.log"
        self._conf = directory / "corosync.conf"
        self._pid_file = directory / "corosync.pid"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self._conf.write_text(conf)
        for state in re.findall(r"^\s*state_dir:\s*(\S+)$", conf, re.MULTILINE):
            Path(state).mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Of the running daemon."""
        if self._process is None:
            raise RuntimeError("Corosync does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it; returns when clients can connect. Raises `RuntimeError` with its log when it ends instead."""
        before = self._log.stat().st_size if self._log.exists() else 0
        command = [*alone(self._pid_file, self._shared_memory), program() or "corosync", "-f", "-c", str(self._conf)]
        if self._netns is not None:
            command = ["nsenter", f"--net=/run/netns/{self._netns}", *command]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_it_serves(before)

    def _wait_until_it_serves(self, before: int) -> None:
        deadline = time.monotonic() + START_S
        while b"Completed service synchronization" not in self._log.read_bytes()[before:]:
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Corosync did not start:\n{self.log_text()}")
            time.sleep(0.02)

    def wait_for_ring(self, count: int) -> None:
        """Until `count` daemons are one ring; a daemon that starts serves alone first. Raises as `start`."""
        deadline = time.monotonic() + START_S
        while not re.search(rf"Members\[{count}\]:[^\[]*\[MAIN  \] Completed service sync", self.log_text()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"no ring of {count}:\n{self.log_text()}")
            time.sleep(0.02)

    def log_text(self) -> str:
        """All it said."""
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        """SIGTERM: it leaves the ring."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, also when it is frozen."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
