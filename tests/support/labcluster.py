"""A whole cluster in the laboratory: nodes, a client, a next hop, and everybody who watches.

    n1 198.18.0.1   n2 198.18.0.2   n3 198.18.0.3   client 198.18.0.254 (sends, polls, and is the next hop on port 2525)

What is true is read from the client's side of the wire and from each host's kernel; reports of the nodes are for
waiting and for stories only.
"""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from momentum_node.errors import MomentumError
from tests.support import capture, poller, sender
from tests.support.addresswatch import AddressWatch, Change, held_by_two
from tests.support.lab import Host, Lab
from tests.support.labnode import LabNode
from tests.support.sink import Arrival, arrivals

NODES: Mapping[str, int] = {"n1": 1, "n2": 2, "n3": 3}
CLIENT = 254
SINK_PORT = 2525


class NotSoError(MomentumError):
    """Something that must happen did not happen in time; carries the ends of the nodes' logs."""


class LabCluster:
    """Use as a context manager: everything it started is gone afterwards, also after a failure."""

    def __init__(
        self,
        directory: Path,
        engine: str,
        on_change: Callable[[Change], None] = lambda change: None,
        listed: Mapping[str, int] = NODES,
        profile: str = "Fast",
    ) -> None:
        self.directory = directory
        self.engine = engine
        self._listed = listed
        self._profile = profile
        self.nodes: dict[str, LabNode] = {}
        self._on_change = on_change
        self._stack = ExitStack()
        self._sendings = 0

    def __enter__(self) -> Self:
        self.lab = self._stack.enter_context(Lab())
        for name, number in self._listed.items():
            host = self.lab.add(name, number)
            engine = "corosync" if self.engine == "corosync" else str(self.directory / "bus.sock")
            self.nodes[name] = LabNode(host, self.directory / name, engine, self._profile)
            self._stack.callback(self.nodes[name].kill)
        self.client = self.lab.add("client", CLIENT)
        self._watches = [AddressWatch(name, node.host.command, self._on_change) for name, node in self.nodes.items()]
        for watch in self._watches:
            self._stack.callback(watch.close)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    # -- nodes -----------------------------------------------------------------------------------

    def write(self, files_of: Callable[[str], Mapping[str, str]]) -> None:
        """Give each node its files: `files_of(name)` holds ecelerity.conf and nodes.json."""
        key = secrets.token_bytes(256)
        for name, node in self.nodes.items():
            node.write(files_of(name), key)

    def start(self) -> None:
        """Start every node."""
        for node in self.nodes.values():
            node.start()

    def holders(self, address: str) -> list[str]:
        """The nodes whose NIC has the address now, by their kernels' word."""
        return [name for name, node in self.nodes.items() if address in node.host.addresses()]

    def owner(self, address: str) -> str | None:
        """The one node that has the address; None when none or several do."""
        holders = self.holders(address)
        return holders[0] if len(holders) == 1 else None

    def held_by_two(self, address: str, since: float) -> float:
        """The longest time in seconds after `since` in which more than one kernel had the address."""
        changes = (change for watch in self._watches for change in watch.changes if change.address == address)
        return held_by_two(changes, since, time.monotonic())

    def changes(self, address: str, since: float) -> list[Change]:
        """Each coming and going of the address on a NIC after `since`, in order."""
        found = [c for watch in self._watches for c in watch.changes if c.address == address and c.at > since]
        return sorted(found, key=lambda change: change.at)

    def accepting(self) -> bool:
        """Every node says that it is a member and takes mail."""
        reports = [node.report() for node in self.nodes.values()]
        return all(report and report["state"] == "RUN" and report["mail"]["accepting"] for report in reports)

    def wait_for(self, what: str, limit_s: float, is_so: Callable[[], object]) -> None:
        """Wait until `is_so()`; raises `NotSoError`."""
        deadline = time.monotonic() + limit_s
        while not is_so():
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {name}\n{node.log_text()[-4000:]}" for name, node in self.nodes.items())
                raise NotSoError(f"{what}: not within {limit_s:.0f} s\n{logs}")
            time.sleep(0.01)

    # -- the client ------------------------------------------------------------------------------

    def start_sink(self, slow_while: Path | None = None) -> None:
        """Run the next hop on the client's host until the end. While the file is there it acknowledges nothing."""
        argv = ["tests.support.sink", "--host", self.client.address, "--port", str(SINK_PORT)]
        argv += ["--slow-while", str(slow_while)] if slow_while else []
        process = self._module(self.client, [*argv, "--output", str(self._taken)])
        self._stack.callback(_end, process)
        self.wait_for("the next hop listens", 10, self._taken.exists)

    def send(self, address: str, count: int, pause_s: float = 0.0) -> subprocess.Popen[bytes]:
        """Start sending `count` messages; the exit code is 0 when all were acknowledged."""
        self._sendings += 1
        argv = ["tests.support.sender", "--to", address, "--count", str(count), "--insist"]
        argv += ["--name", str(self._sendings), "--rate", str(1 / pause_s if pause_s else 0)]
        return self._module(self.client, [*argv, "--output", str(self.directory / "acknowledged")])

    def poll(self, addresses: Sequence[str], seconds: float, every_s: float = 0.005) -> "Polling":
        """Start asking the addresses, each every 5 ms if nothing else is said."""
        output = self.directory / f"answers-{time.monotonic_ns()}"
        argv = ["tests.support.poller", *addresses, "--every", str(every_s), "--seconds", str(seconds)]
        return Polling(self._module(self.client, [*argv, "--output", str(output)]), output)

    def capture(self) -> "Capturing":
        """Start writing down who claims which address on the client's wire."""
        output = self.directory / f"claims-{time.monotonic_ns()}"
        return Capturing(self._module(self.client, ["tests.support.capture", "--output", str(output)]), output)

    def acknowledged(self) -> set[str]:
        """Message-IDs the client got a 250 for."""
        path = self.directory / "acknowledged"
        return sender.acknowledged(path) if path.exists() else set()

    def taken(self) -> list[Arrival]:
        """Each message the next hop took."""
        return list(arrivals(self._taken))

    def undelivered(self) -> set[str]:
        """What was acknowledged and did not reach the next hop yet."""
        return self.acknowledged() - {arrival.id for arrival in self.taken()}

    @property
    def _taken(self) -> Path:
        return self.directory / "taken"

    def _module(self, host: Host, argv: list[str]) -> subprocess.Popen[bytes]:
        return host.start([sys.executable, "-m", *argv], output=subprocess.DEVNULL)


class Polling:
    """A poller that runs; `answers()` waits for its end."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def has_begun(self) -> bool:
        """It asks: on a busy machine it takes its time to start."""
        return self._output.exists() and self._output.stat().st_size > 0

    def answers(self) -> list[poller.Answer]:
        """All tries, once it has ended."""
        self._process.wait()
        return poller.read(self._output)


class Capturing:
    """A capture that runs; `claims()` ends it."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def has_begun(self) -> bool:
        """It listens."""
        return self._output.exists()

    def claims(self) -> list[capture.Claim]:
        """All that was claimed until now."""
        _end(self._process)
        return capture.read(self._output)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
