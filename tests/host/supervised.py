"""A supervisor with a stub core on one host of the laboratory, and a way to tell the core what to do."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import Host, ip

STUB = Path(__file__).parent / "stub_core.py"
PLANT = """
import socket, sys
from ipaddress import ip_address
from momentum_node.duravip import rtnetlink as rt
address = ip_address(sys.argv[1])
family = socket.AF_INET if address.version == 4 else socket.AF_INET6
body = rt.IFADDRMSG.pack(family, address.max_prefixlen, 0, 0, socket.if_nametoindex("eth0"))
body += rt.attribute(rt.IFA_LOCAL, address.packed) + rt.attribute(rt.IFA_ADDRESS, address.packed)
body += rt.attribute(rt.IFA_PROTO, bytes((rt.PROTOCOL_MARK,)))
assert rt.RouteSocket().execute([(rt.RTM_NEWADDR, rt.NLM_F_CREATE | rt.NLM_F_EXCL, body)]) == [0]
"""


class Refused(Exception):
    """The supervisor said no; `number` is its errno."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


class Supervised:
    """One running supervisor; use as a context manager."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.host = host
        self._directory = directory
        self._control = directory / "stub.sock"
        self._connection: socket.socket | None = None
        self._log = directory / "supervisor.log"

    def __enter__(self) -> "Supervised":
        self._directory.mkdir(exist_ok=True)
        with self._log.open("ab") as log:
            self.process = self.host.start(
                [sys.executable, "-m", "momentum_node.supervisor", sys.executable, str(STUB), str(self._control)],
                env={"MOMENTUM_RUN": str(self._directory)},
                output=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        print(self.log())

    def log(self) -> str:
        """What the supervisor said so far."""
        return self._log.read_text()

    def do(self, command: str, **arguments: Any) -> Any:
        """Let the core do something and return what came of it. Raises `Refused`."""
        if self._connection is not None:
            return self._answer(self._connection, command, arguments)
        try:
            return self._answer(self._connect(), command, arguments)
        except ConnectionError:  # it was in the queue of a core that was killed and not yet gone
            self.forget_core()
            return self._answer(self._connect(), command, arguments)

    def _answer(self, connection: socket.socket, command: str, arguments: dict[str, Any]) -> Any:
        connection.sendall(json.dumps({"do": command, **arguments}).encode() + b"\n")
        answer = json.loads(_line(connection))
        if "errno" in answer:
            raise Refused(answer["error"], answer["errno"])
        return answer["result"]

    def plumb(self, address: str) -> None:
        """Put `address` on eth0 with its full prefix length."""
        self.do("plumb", interface="eth0", address=address, prefix_length=128 if ":" in address else 32)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What the supervisor told the core of this kind."""
        return [event for event in self.do("events") if event["kind"] == kind]

    def forget_core(self) -> None:
        """The next command goes to a core that answers anew."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def core_pid(self) -> int:
        """The core process that runs now."""
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(text.split()[0])

    def has(self, address: str) -> bool:
        """The kernel has the address on eth0."""
        return address in self.host.addresses()

    def _connect(self) -> socket.socket:
        self._connection = connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(15)

        def connected() -> bool:
            with contextlib.suppress(OSError):
                connection.connect(str(self._control))
                return True
            return False

        wait_until(connected, 10, "the stub core answers")
        return connection


class AddressWatch:
    """Records what `ip monitor` says of addresses on a host, with the time of each line."""

    def __init__(self, host: Host, path: Path) -> None:
        self._path = path
        with path.open("wb") as output:
            self._process = host.start(["ip", "-ts", "-o", "monitor", "address"], output=output)
        time.sleep(0.2)

    def __enter__(self) -> "AddressWatch":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def deletions(self) -> dict[str, float]:
        """When each address was last deleted, seconds since the epoch."""
        return {address: at for at, deleted, address in self._lines() if deleted}

    def additions(self) -> dict[str, float]:
        """When each address was last added or renewed."""
        return {address: at for at, deleted, address in self._lines() if not deleted}

    def all_additions(self, address: str) -> list[float]:
        """Each time that it was added or renewed."""
        return [at for at, deleted, seen in self._lines() if seen == address and not deleted]

    def _lines(self) -> list[tuple[float, bool, str]]:
        found = []
        for line in whole_lines(self._path):
            words = line.replace("]Deleted", "] Deleted").split()
            at = datetime.fromisoformat(words[0].strip("[]")).timestamp()
            family = next((word for word in words if word in ("inet", "inet6")), None)
            if family is not None:
                address = words[words.index(family) + 1].partition("/")[0]
                found.append((at, "Deleted" in words, address))
        return found


def whole_lines(path: Path) -> list[str]:
    """The lines of a file that somebody is still writing, without a last one that is not finished."""
    return path.read_text().split("\n")[:-1]


def wait_until(condition: Callable[[], bool], limit_s: float, what: str) -> float:
    """Seconds until `condition` held; fails the test when it does not within `limit_s`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > limit_s:
            pytest.fail(f"not within {limit_s} s: {what}")
        time.sleep(0.005)
    return time.monotonic() - began


def address_line(host: Host, address: str) -> str:
    """How iproute2 describes `address` on eth0, empty if it is not there."""
    output = ip("-n", host.namespace, "-o", "address", "show", "dev", "eth0")
    return next((line for line in output.splitlines() if f" {address}/" in line), "")


def plant(host: Host, address: str) -> None:
    """Put `address` on eth0 with our mark, without anybody's knowing (older ip-address(8) have no `proto`)."""
    host.run(sys.executable, "-c", PLANT, address)


def _line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more:
            raise ConnectionError("the core ended")
        data += more
    return data


def run_in(host: Host, program: str, *arguments: str, output: Path) -> "subprocess.Popen[bytes]":
    """A Python program in this host's network that prints to `output`."""
    with output.open("wb") as file:
        return host.start([sys.executable, "-c", program, *arguments], output=file)
