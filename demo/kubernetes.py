"""`make demo-kubernetes`: the same story on a real Kubernetes, told by kubectl and by a client outside of it.

Uses `kind` when there is a container engine, else the hermetic cluster that the tests use (root, Debian; the first time
on a machine its binaries are built from source, about 12 minutes); MOMENTUM_TEST_CLUSTER chooses otherwise. A cluster
that was up before is used and left running; one made here is removed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from demo.timeline import Timeline
from momentum_node.errors import MomentumError
from tests.cluster.choice import chosen_provider
from tests.cluster.errors import ClusterError
from tests.cluster.provider import ClusterProvider, Fault
from tests.e2e import deployment
from tests.e2e.addresses import ClusterWatch, holders
from tests.e2e.mailload import Load, Sink, lost
from tests.e2e.poller import Poller

LOAD_S = 8.0
NEEDED = {Fault.CUT_PORT, Fault.ENTER_NODE, Fault.CLIENT_HOST}


class StoryError(MomentumError):
    """Something that must happen did not."""


def main() -> int:
    """Exit code 0 when the story ended as it should."""
    timeline = Timeline()
    os.environ.setdefault("MOMENTUM_TEST_CLUSTER", "kind" if _has_container_engine() else "hermetic")
    cluster = chosen_provider()
    timeline.say("Making a Kubernetes cluster of three nodes (or using the one that is up) ...")
    try:
        cluster.up()
        try:
            with tempfile.TemporaryDirectory(prefix="momentum-demo-") as folder:
                _tell(cluster, timeline, Path(folder))
        finally:
            cluster.release()
    except (ClusterError, StoryError) as error:
        timeline.say(f"\nThe demo failed: {error}")
        return 1
    return 0


def _has_container_engine() -> bool:
    """`kind` is installed, and the engine it would use answers."""
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _tell(cluster: ClusterProvider, timeline: Timeline, folder: Path) -> None:
    vips = {f"out-{number}": cluster.free_address(40 + number) for number in (1, 2)}
    timeline.heading("helm install, then kubectl apply of a MomentumCluster.")
    begin = time.monotonic()
    deployment.install_chart(cluster)
    timeline.say(f"  {time.monotonic() - begin:6.1f} s  the operator runs")
    deployment.apply(cluster, deployment.resource(cluster, vips))
    deployment.wait_ready(cluster)
    timeline.say(f"  {time.monotonic() - begin:6.1f} s  the MomentumCluster is Ready")
    _show(cluster, timeline)
    if cluster.faults >= NEEDED:
        _lose_the_owner(cluster, timeline, vips["out-1"], folder)
    else:
        timeline.say(f"\nA {cluster.name} cluster has no cable to cut from here; `make demo` shows that part.")
    timeline.heading("kubectl delete momentumcluster mail")
    begin = time.monotonic()
    deployment.delete(cluster)
    cluster.helm("uninstall", deployment.RELEASE, "--namespace", deployment.RELEASE_NAMESPACE, "--wait")
    left = [address for address in vips.values() if Fault.ENTER_NODE in cluster.faults and holders(cluster, address)]
    timeline.say(f"  {time.monotonic() - begin:6.1f} s  gone; addresses left on NICs: {', '.join(left) or 'none'}")


def _lose_the_owner(cluster: ClusterProvider, timeline: Timeline, address: str, folder: Path) -> None:
    owner = _owner(cluster, address)
    timeline.heading(f"The cable of {owner}, which has {address}, is pulled, under load.")
    sink, watch = Sink(cluster, folder / "sink"), ClusterWatch(cluster)
    polling = Poller(cluster, address, folder / "answers", LOAD_S + 2)
    load = Load(cluster, address, "demo", folder / "acknowledged", LOAD_S)
    try:
        time.sleep(2.0)
        cut = time.monotonic()
        cluster.cut(owner)
        acknowledged = load.finish()
        polling.stop()
        for change in watch.changes(address):
            verb = "is on the NIC of" if change.held else "is gone from the NIC of"
            timeline.note(f"{address} {verb} {change.node}", change.at)
        timeline.show(cut, cut + 5.0)
        timeline.say(f"  The client was without an answer for {1000 * polling.gap(cut):.0f} ms.")
        _show(cluster, timeline)
        cluster.heal(owner)
        missing = lost(cluster, sink, acknowledged, 30)
        timeline.say(f"  {len(acknowledged)} messages acknowledged during all this, {len(missing)} lost.")
    finally:
        load.stop()
        polling.stop()
        watch.close()
        cluster.heal(owner)
        sink.stop()
    deployment.wait_ready(cluster)


def _owner(cluster: ClusterProvider, address: str) -> str:
    having = holders(cluster, address)
    if len(having) != 1:
        raise StoryError(f"{address} is on {', '.join(having) or 'no node'}")
    return having[0]


def _show(cluster: ClusterProvider, timeline: Timeline) -> None:
    timeline.say("\n$ kubectl get mc,dvip")
    timeline.say(cluster.kubectl("get", "mc,dvip", "-n", deployment.NAMESPACE).rstrip())


if __name__ == "__main__":
    sys.exit(main())
