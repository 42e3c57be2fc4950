"""A node in the laboratory: its files, its Corosync, its processes. Used by the demo and by tests on one machine.

<directory>/etc   ecelerity.conf nodes.json corosync.conf authkey      (what a ConfigMap and a Secret hold)
<directory>/run   the sockets of the node's processes
<directory>/spool, log, corosync
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from momentum_node.config import corosync
from momentum_node.nodelist import parse
from momentum_node.status import reader
from momentum_node.status.report import Report
from tests.support.lab import Host, why_no_lab

MAIL_ID = 10025
STOP_S = 115.0  # addresses are handed over for 30 s, their mail for 60 s


def nodes_json(listed: Mapping[str, int], cluster: str = "lab", network: str = "198.18.0") -> str:
    """The node list that the operator would mount, for names and bus node ids."""
    nodes = [{"name": name, "id": number, "address": f"{network}.{number}"} for name, number in listed.items()]
    return json.dumps({"cluster": cluster, "nodes": nodes, "arbiter": None})


def let_in(directory: Path) -> Path:
    """Open the way to a directory, and return it: mail workers run under a uid of their own."""
    for path in (directory, *directory.parents):
        if path.owner() == "root" and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)
    return directory


@dataclass
class LabNode:
    """One node. `engine` is "corosync", or the path of the embedded engine's socket, shared by all nodes.

    `profile` is the timing of Corosync.
    """

    host: Host
    directory: Path
    engine: str
    profile: str = "Fast"
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def write(self, files: Mapping[str, str], key: bytes) -> None:
        """Lay out what the operator would mount."""
        for name in ("etc", "run", "spool", "log", "corosync"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (self.etc / name).write_text(text)
        (self.etc / "authkey").write_bytes(key)
        (self.etc / "authkey").chmod(0o400)
        (self.etc / "corosync.conf").write_text(self.corosync_conf(files["nodes.json"]))
        for name in ("spool", "log"):
            with contextlib.suppress(PermissionError, OSError):  # one uid only, inside a user namespace
                os.chown(self.directory / name, 0, MAIL_ID)
            (self.directory / name).chmod(0o2770)

    def corosync_conf(self, nodes: str) -> str:
        """corosync.conf for a nodes.json."""
        listed = parse(nodes, "nodes.json")
        ring = [corosync.RingNode(node.name, node.node_id, node.address) for node in listed.nodes]
        keyfile, state = str(self.etc / "authkey"), str(self.directory / "corosync")
        return corosync.render(listed.cluster, ring, self.profile, keyfile=keyfile, state_dir=state)

    @property
    def etc(self) -> Path:
        """Where the configuration is."""
        return self.directory / "etc"

    @property
    def environment(self) -> dict[str, str]:
        """What the node's processes are told."""
        return {
            "EC_NODE_NAME": self.host.name,
            "EC_NODE_ADDR": self.host.address,
            "MOMENTUM_CONFIG": str(self.etc / "ecelerity.conf"),
            "MOMENTUM_NODES": str(self.etc / "nodes.json"),
            "MOMENTUM_RUN": str(self.directory / "run"),
            "MOMENTUM_TLS": str(self.etc),
            "MOMENTUM_BUS": "cpg:" if self.engine == "corosync" else f"embedded:{self.engine}",
            "MOMENTUM_SPOOL": str(self.directory / "spool"),
            "MOMENTUM_FLIGHT": str(self.directory / "flight"),
        }

    def start(self) -> None:
        """Start Corosync (where used) and the node's roles."""
        if self.engine == "corosync":
            self.start_bus()
        self._start("node", [sys.executable, "-m", "momentum_node", "run"])

    def start_bus(self) -> None:
        """Start Corosync, restarted as in its container when it ends."""
        conf = str(self.etc / "corosync.conf")
        # Corosync's lock file is /run/corosync.pid: on one machine each needs a /run of its own.
        own_run = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh"]
        self._start("bus", [*own_run, sys.executable, "-m", "momentum_node", "bus", "--conf", conf])

    def _start(self, name: str, argv: list[str]) -> None:
        with (self.directory / "log" / f"{name}.log").open("ab") as log:
            self.processes[name] = self.host.start(argv, self.environment, output=log)

    def stop(self) -> None:
        """Stop as a pod does: SIGTERM to the node, wait for the hand-over, then the bus."""
        for name in ("node", "bus"):
            if (process := self.processes.pop(name, None)) is not None:
                process.terminate()
                try:
                    process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def kill(self) -> None:
        """End everything of the node at once."""
        for pid in self.everything():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.processes.values():
            process.wait()
        self.processes.clear()

    def everything(self) -> list[int]:
        """All processes in the node's network but `ip monitor`, by which it is judged from outside."""
        found = []
        for pid in self.host.pids():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() != "ip\n":
                    found.append(pid)
        return found

    def pids(self, word: str) -> Iterator[int]:
        """Processes in this host's network whose arguments contain `word` as one argument (core, worker, …)."""
        for pid in self.host.pids():
            with contextlib.suppress(OSError):
                if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    yield pid

    def report(self) -> Report | None:
        """What the node says of itself now; None while its core does not answer."""
        return asyncio.run(_first(self.directory / "run" / "status.sock"))

    def spooled(self) -> set[str]:
        """The Message-IDs that wait in this node's spool."""
        argv = [sys.executable, "-m", "momentum_node", "spool", "list", "--format", "json"]
        listed = subprocess.run(
            argv, env={**os.environ, **self.environment}, capture_output=True, check=True, text=True
        )
        return {json.loads(line)["message_id"] for line in listed.stdout.splitlines()}

    def log_text(self) -> str:
        """All that its processes wrote, for a failure's message."""
        return "".join(path.read_text(errors="replace") for path in sorted((self.directory / "log").glob("*.log")))


async def _first(path: Path) -> Report | None:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            async for report in reader.reports(path):
                return report
    return None


def why_no_ring() -> str | None:
    """What a laboratory with real Corosync lacks here, or None."""
    return why_no_lab() or (None if corosync_is_here() else "install the package corosync")


def corosync_is_here() -> bool:
    """Whether real Corosync can be used."""
    return shutil.which("corosync", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None
