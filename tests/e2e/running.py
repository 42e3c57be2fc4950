"""A running MomentumCluster, as the stories find it, and the sink where all its mail ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.processes import wait_until
from tests.cluster.provider import ClusterProvider, Fault
from tests.e2e import deployment
from tests.e2e.addresses import holders
from tests.e2e.mailload import Sink

REPLICAS = 2
"""Of the operator: the one that works may be on a node that a story cuts off."""


@dataclass(frozen=True)
class Mail:
    """The MomentumCluster `mail`, with `folder` for what instruments write; a sink where there is a client host."""

    cluster: ClusterProvider
    vips: dict[str, str]
    folder: Path
    sinks: tuple[Sink, ...]

    @property
    def sink(self) -> Sink:
        """Where all mail ends (CLIENT_HOST)."""
        return self.sinks[0]

    @property
    def address(self) -> str:
        return self.vips["out-1"]

    def holder(self) -> str:
        """The one node that has the address. Raises AssertionError when there is not exactly one within 10 s."""
        having: list[str] = []

        def is_one() -> bool:
            having[:] = holders(self.cluster, self.address)
            return len(having) == 1

        assert wait_until(is_one, 10, 0.1), f"{self.address} is on {having or 'no node'}"
        return having[0]

    def shown(self, address: str, field: str) -> str:
        """A field of the address's status as `kubectl get dvip` has it; empty when there is none."""
        path = f'{{.items[?(@.spec.address=="{address}")].status.{field}}}'
        return self.cluster.kubectl("get", "dvip", "-n", deployment.NAMESPACE, "-o", f"jsonpath={path}")

    def wait_whole(self) -> None:
        """Returns when the operator has looked again and says that all is as declared.

        What it said before may be old: its replica may have been on the node that was cut off.
        """
        about = ("momentumcluster", deployment.NAME, "-n", deployment.NAMESPACE)
        generation = int(self.cluster.kubectl("get", *about, "-o", "jsonpath={.metadata.generation}")) + 1
        # A field that changes nothing while nobody deletes: each value is a new generation to be looked at.
        change = json.dumps({"spec": {"deletionTimeoutSeconds": 300 + generation}})
        self.cluster.kubectl("patch", *about, "--type=merge", "-p", change)

        def is_seen() -> bool:
            seen = self.cluster.kubectl("get", *about, "-o", "jsonpath={.status.observedGeneration}", check=False)
            return int(seen or 0) >= generation

        assert wait_until(is_seen, 60, 0.2), "no replica of the operator looks at the resource"
        deployment.wait_ready(self.cluster)

    def leader(self) -> str:
        """The pod of the operator that holds the lease; empty when nobody does."""
        return str(self._lease().get("holderIdentity", ""))

    def changes_of_leader(self) -> int:
        """How often the lease has changed hands."""
        return int(self._lease().get("leaseTransitions", 0))

    def _lease(self) -> dict[str, str | int]:
        where = ("-n", deployment.RELEASE_NAMESPACE)
        found = self.cluster.kubectl("get", "lease", "momentum-operator", *where, "-o", "json", check=False)
        spec: dict[str, str | int] = json.loads(found)["spec"] if found else {}
        return spec

    def operators(self) -> dict[str, str]:
        """Pod of the operator → its node, for those that are not about to end."""
        label = "app.kubernetes.io/name=momentum-operator"
        listed = self.cluster.kubectl("get", "pods", "-n", deployment.RELEASE_NAMESPACE, "-l", label, "-o", "json")
        pods = (item for item in json.loads(listed)["items"] if "deletionTimestamp" not in item["metadata"])
        return {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in pods}


@contextmanager
def running(cluster: ClusterProvider, folder: Path) -> Iterator[Mail]:
    """Installs and applies what is not there yet, waits until it is Ready, and leaves it there."""
    vips = {f"out-{number}": cluster.free_address(40 + number) for number in (1, 2, 3)}
    sinks = (Sink(cluster, folder / "sink"),) if Fault.CLIENT_HOST in cluster.faults else ()
    try:
        deployment.install_chart(cluster, REPLICAS)
        deployment.apply(cluster, deployment.resource(cluster, vips))
        deployment.wait_ready(cluster)
        yield Mail(cluster, vips, folder, sinks)
    except Exception:
        print(deployment.describe(cluster))
        raise
    finally:
        for sink in sinks:
            sink.stop()
