"""A laboratory of hosts on one wire: network namespaces joined by a bridge, made and removed by whoever asks.

    bridge namespace    br0 ── port-n1 ── port-n2 ── port-client
                               │          │          │
    namespaces               eth0 n1    eth0 n2    eth0 client

Needs root, or root inside a user namespace with a /run of its own. Nothing leaves the namespaces: they have no route
to anywhere else. Names carry the process id, so that two laboratories never meet.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

PREFIX = "mclab"


def ip(*arguments: str) -> str:
    """Run iproute2's `ip`. Raises `RuntimeError` with what it said."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Host:
    """One namespace with `eth0` on the wire."""

    name: str
    namespace: str
    address: str

    def command(self, argv: Sequence[str]) -> list[str]:
        """`argv`, run in this host's network."""
        return ["ip", "netns", "exec", self.namespace, *argv]

    def run(self, *argv: str, timeout: float = 30.0) -> str:
        """What `argv` prints. Raises `RuntimeError` with its standard error when it fails."""
        done = subprocess.run(self.command(argv), capture_output=True, text=True, check=False, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def start(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, output: int | IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start `argv` in this host's network, in a process group of its own."""
        return subprocess.Popen(
            self.command(argv),
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            start_new_session=True,
        )

    def addresses(self) -> set[str]:
        """The addresses on `eth0`, without prefix length, link-local ones left out."""
        lines = ip("-n", self.namespace, "-o", "address", "show", "dev", "eth0", "scope", "global").splitlines()
        return {line.split()[3].partition("/")[0] for line in lines}

    def pids(self) -> list[int]:
        """Every process that runs in this host's network now."""
        return [int(pid) for pid in ip("netns", "pids", self.namespace).split()]


class Lab:
    """The bridge and its hosts; use as a context manager."""

    def __init__(self, network: str = "198.18.0", prefix_length: int = 24) -> None:
        self._tag = f"{PREFIX}{os.getpid()}"
        self._network = network
        self._prefix_length = prefix_length
        self.bridge = f"{self._tag}-wire"
        self.hosts: dict[str, Host] = {}

    def __enter__(self) -> Self:
        ip("netns", "add", self.bridge)
        ip("-n", self.bridge, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        ip("-n", self.bridge, "link", "set", "br0", "up")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for host in self.hosts.values():
            _end([pid for pid in host.pids() if pid != os.getpid()])
        for host in self.hosts.values():
            with contextlib.suppress(RuntimeError):
                ip("netns", "delete", host.namespace)
        with contextlib.suppress(RuntimeError):
            ip("netns", "delete", self.bridge)
        _remove_shared_memory_of_the_dead()

    def add(self, name: str, number: int) -> Host:
        """A host called `name` with address `<network>.<number>` on its `eth0`."""
        host = Host(name, f"{self._tag}-{name}", f"{self._network}.{number}")
        ip("netns", "add", host.namespace)
        self.hosts[name] = host
        ip("-n", host.namespace, "link", "set", "lo", "up")
        end = ("type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        ip("-n", self.bridge, "link", "add", self._port(name), *end)
        ip("-n", self.bridge, "link", "set", self._port(name), "master", "br0", "up")
        ip("-n", host.namespace, "address", "add", f"{host.address}/{self._prefix_length}", "dev", "eth0")
        ip("-n", host.namespace, "link", "set", "eth0", "up")
        return host

    def cut(self, name: str) -> None:
        """Take the host off the wire silently: its link stays up, nothing arrives any more."""
        ip("-n", self.bridge, "link", "set", self._port(name), "nomaster")

    def heal(self, name: str) -> None:
        """Put it back."""
        ip("-n", self.bridge, "link", "set", self._port(name), "master", "br0")

    @staticmethod
    def _port(name: str) -> str:
        return f"port-{name}"


def _end(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _remove_shared_memory_of_the_dead() -> None:
    """A Corosync that was killed leaves 8 MiB in /dev/shm (libqb: qb-NAME-PID-…, qb-SERVER-CLIENT-…)."""
    for path in Path("/dev/shm").glob("qb-*"):
        pid = next((word for word in path.name.split("-") if word.isdigit()), None)
        if pid is not None and not Path("/proc", pid).exists():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def why_no_lab() -> str | None:
    """Why no laboratory can be made here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root (or root in a user namespace)"
    if shutil.which("ip") is None:
        return "the command `ip` is missing: install the package iproute2"
    return None
