"""The peer of our fail-over figures: keepalived (VRRP version 3) on three hosts of a laboratory, one address.

Each host greets on port 25, so that the same client asks both. Installed by hand: it is no part of the project.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.lab import Host, Lab
from tests.support.poller import Answer, read

VIP = "198.18.0.41"

_CONFIGURATION = """
global_defs {{
  router_id {name}
  vrrp_version 3
}}
vrrp_instance figures {{
  state BACKUP
  interface eth0
  virtual_router_id 41
  priority {priority}
  advert_int {advert}
  virtual_ipaddress {{
    {vip}/32 dev eth0
  }}
}}
"""

_GREETER = """
import socket, sys
with socket.create_server(("0.0.0.0", 25), backlog=1024) as door:
    while True:
        client, _ = door.accept()
        client.sendall(b"220 " + sys.argv[1].encode() + b" peer\\r\\n")
        client.close()
"""


def why_no_keepalived() -> str | None:
    """What to do first, or None."""
    if shutil.which("keepalived", path="/usr/sbin:/sbin:/usr/bin") is None:
        return "keepalived is not installed (as root: apt-get install --no-install-recommends keepalived)"
    return None


@dataclass
class Peer:
    """Three hosts with keepalived, and the client's host."""

    lab: Lab
    client: Host
    hosts: dict[str, Host]
    directory: Path
    advert: float

    def start(self, name: str) -> None:
        """Start keepalived on a host."""
        home = self.directory / name
        home.mkdir(exist_ok=True)
        priority = 200 - 10 * list(self.hosts).index(name)
        text = _CONFIGURATION.format(name=name, priority=priority, advert=self.advert, vip=VIP)
        (home / "keepalived.conf").write_text(text)
        pids = ["-p", str(home / "pid"), "-r", str(home / "vrrp.pid")]
        argv = ["keepalived", "-n", "-P", "-l", "-f", str(home / "keepalived.conf"), *pids]
        with (home / "log").open("ab") as log:
            self.hosts[name].start(argv, output=log)

    def processes(self, name: str) -> list[int]:
        """Keepalived's, not the greeter's."""
        found = []
        for pid in self.hosts[name].pids():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().startswith("keepalived"):
                    found.append(pid)
        return found

    def end(self, name: str, number: int) -> None:
        """Send a signal: SIGTERM to the parent only; SIGKILL to all, children first: they tidy up after a parent."""
        pids = sorted(self.processes(name))
        for pid in reversed(pids) if number == signal.SIGKILL else pids[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def holders(self) -> list[str]:
        """The hosts whose NIC has the address."""
        return [name for name, host in self.hosts.items() if VIP in host.addresses()]

    def put_away(self, name: str) -> None:
        """After a kill: what it left on the NIC."""
        with contextlib.suppress(RuntimeError):
            self.hosts[name].run("ip", "address", "delete", f"{VIP}/32", "dev", "eth0")

    def poll(self, seconds: float) -> tuple[subprocess.Popen[bytes], Path]:
        """Start asking every 5 ms."""
        output = self.directory / f"answers-{time.monotonic_ns()}"
        argv = [sys.executable, "-m", "tests.support.poller", VIP, "--seconds", str(seconds), "--output", str(output)]
        return self.client.start(argv, output=subprocess.DEVNULL), output

    @staticmethod
    def answers(polling: tuple[subprocess.Popen[bytes], Path]) -> list[Answer]:
        """All tries, once it has ended."""
        polling[0].wait()
        return read(polling[1])


@contextmanager
def keepalived(directory: Path, advert: float) -> Iterator[Peer]:
    """Everything runs, and is gone afterwards. `advert`: seconds between advertisements (default of VRRP: 1)."""
    with Lab() as lab:
        hosts = {name: lab.add(name, number) for number, name in enumerate(("n1", "n2", "n3"), 1)}
        peer = Peer(lab, lab.add("client", 254), hosts, directory, advert)
        greeters = [host.start([sys.executable, "-c", _GREETER, name]) for name, host in hosts.items()]
        try:
            for name in hosts:
                peer.start(name)
            yield peer
        finally:
            for greeter in greeters:
                greeter.kill()
                greeter.wait()
