"""Mail from the client host and what became of it: sent by real clients, judged at a real sink."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from tests.cluster.processes import wait_until
from tests.cluster.provider import ClusterProvider
from tests.e2e import deployment
from tests.e2e.clienthost import start_python
from tests.support.ending import end
from tests.support.sender import acknowledged
from tests.support.sink import Arrival, arrivals


class Sink:
    """The next hop of every message, on the client host, until `stop`."""

    def __init__(self, cluster: ClusterProvider, output: Path) -> None:
        self._output = output
        where = ["--host", cluster.client_address, "--port", str(deployment.SINK_PORT), "--output", str(output)]
        self._process = start_python(cluster, "tests.support.sink", *where)
        if not wait_until(output.exists, 10):
            raise AssertionError("the sink does not start")

    def arrivals(self) -> list[Arrival]:
        return list(arrivals(self._output))

    def ids(self) -> set[str]:
        return {arrival.id for arrival in self.arrivals()}

    def stop(self) -> None:
        end(self._process)


class Load:
    """A sender that goes on for `seconds`, in a process of its own on the client host."""

    def __init__(self, cluster: ClusterProvider, address: str, name: str, output: Path, seconds: float) -> None:
        self._output = output
        rate = ["--threads", "4", "--rate", "60", "--seconds", str(seconds)]
        options = ["--to", address, "--name", name, *rate, "--output", str(output)]
        self._process = start_python(cluster, "tests.support.sender", *options)
        self._limit_s = seconds + 30

    def finish(self) -> set[str]:
        """Waits for its end; the Message-IDs that were acknowledged."""
        self._process.wait(self._limit_s)
        return acknowledged(self._output)

    def stop(self) -> None:
        end(self._process)


def smtp_source(cluster: ClusterProvider, address: str, count: int) -> None:
    """`count` messages by Postfix's smtp-source over 20 sessions at a time. Raises AssertionError when it fails."""
    envelope = ["-f", "sender@client.example.org", "-t", "someone@example.com", "-M", "client.example.org"]
    command = ["smtp-source", "-s", "20", "-m", str(count), "-l", "2000", *envelope, f"{address}:25"]
    done = subprocess.run(cluster.in_clients(command), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"smtp-source: {done.stderr}"


def listed_in_spools(cluster: ClusterProvider) -> set[str]:
    """The Message-IDs that the nodes' spools still list, by the command that people use."""
    listing = ["momentum-node", "spool", "list", "--format", "json"]
    found: set[str] = set()
    for pod in deployment.node_pods(cluster).values():
        text = cluster.kubectl("exec", "-n", deployment.NAMESPACE, pod, "-c", "mail", "--", *listing)
        found.update(json.loads(line)["message_id"] for line in text.splitlines())
    return found


def lost(cluster: ClusterProvider, sink: Sink, wanted: set[str], seconds: float) -> set[str]:
    """What of `wanted` is neither at the sink within `seconds` nor still listed in a spool then."""
    limit = time.monotonic() + seconds
    while (missing := wanted - sink.ids()) and time.monotonic() < limit:
        time.sleep(0.2)
    if not missing:
        return set()
    return missing - listed_in_spools(cluster) - sink.ids()
