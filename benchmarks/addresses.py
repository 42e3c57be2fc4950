"""Many addresses: how soon all of a lost node's answer again, and what they cost while nothing happens.

    python benchmarks/addresses.py [--addresses 10240] [--sample 64] [--idle 60]

Three nodes, real Corosync, profile Fast, in network namespaces. A node is lost: its cable is cut and its processes are
killed. 64 of its addresses are asked every 0.1 s by a client (every 5 ms would take more processor than the nodes), all
others are dated by the kernels of the nodes that take them over and by the first announcement that the client's host
hears. Detection is token and consensus. The aims: 2 s after detection; 5 % of a processor and 400 MB for supervisor and
core of a node. Machine-readable: benchmarks/results/addresses.json. Run it alone.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.memory import resident_mb  # noqa: E402 - the tree must be found first
from momentum_node.config.corosync import profile_timing  # noqa: E402
from tests.faults import processes  # noqa: E402
from tests.faults.shape import Shape, why_not_whole  # noqa: E402
from tests.support import poller  # noqa: E402
from tests.support.labcluster import LabCluster  # noqa: E402
from tests.support.labnode import LabNode, why_no_ring  # noqa: E402

WHOLE_S = 300.0
WATCHED_S = 15.0
ASKED_EVERY_S = 0.1
ANNOUNCED_RATE = 500
MATURE_S = 40
"""All nodes take mail by then: the addresses are dealt out once, evenly."""
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
Moments = dict[str, float]
"""Seconds after the cut, by address."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; 1 when they cannot be measured here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=10240)
    parser.add_argument("--sample", type=int, default=64)
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS")
    parsed = parser.parse_args(arguments)
    if (why := why_no_ring()) is not None:
        print(f"cannot be measured here: {why}", file=sys.stderr)
        return 1
    shape = Shape(vips=parsed.addresses - 1, mature_s=MATURE_S)  # and one of IPv6
    began = time.monotonic()
    with shape.cluster() as cluster:
        cluster.wait_for("the cluster is whole", WHOLE_S, lambda: why_not_whole(cluster, shape) is None)
        cluster.wait_for("each node has its share", WHOLE_S, lambda: is_even(cluster, shape))
        print(f"{parsed.addresses} addresses on three nodes, {time.monotonic() - began:.0f} s after their start")
        time.sleep(10 + 4 * parsed.addresses / shape.nodes / ANNOUNCED_RATE)  # until all announcements are out
        results = {**idle(cluster, parsed.idle), **node_lost(cluster, shape, parsed.sample)}
    output = ROOT / "benchmarks" / "results" / "addresses.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n")
    return 0


def is_even(cluster: LabCluster, shape: Shape) -> bool:
    """All addresses are there, on each node as many as on the others."""
    counts = [len(node.host.addresses() & set(shape.addresses)) for node in cluster.nodes.values()]
    return sum(counts) == len(shape.addresses) and max(counts) - min(counts) <= 1


# -- nothing happens -----------------------------------------------------------------------------


def idle(cluster: LabCluster, seconds: float) -> dict[str, float]:
    """Processor time and memory of each node's supervisor and core; the dearest node is printed."""
    pids = {name: [*processes.supervisors(node), *processes.cores(node)] for name, node in cluster.nodes.items()}
    before = {name: cpu_s(found) for name, found in pids.items()}
    time.sleep(seconds)
    percent = max(100 * (cpu_s(found) - before[name]) / seconds for name, found in pids.items())
    megabytes = max(resident_mb(found) for found in pids.values())
    print(f"supervisor and core, idle: {percent:.1f} % of a processor (aim 5), {megabytes:.0f} MB (aim 400)")
    return {"idle_cpu_percent": percent, "resident_mb": megabytes}


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time (proc_pid_stat(5))."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum((int(found[11]) + int(found[12])) * TICK_S for found in fields)


# -- a node is lost ------------------------------------------------------------------------------


def node_lost(cluster: LabCluster, shape: Shape, sample: int) -> dict[str, float]:
    """Cut a cable, and see everything come back."""
    victim = owner_of(cluster, shape.addresses[0])
    lost = victim.host.addresses() & set(shape.addresses)
    sampled = sorted(lost)[:: max(1, len(lost) // sample)][:sample]
    polling = cluster.poll(sampled, WATCHED_S + 2, every_s=ASKED_EVERY_S)
    capturing = cluster.capture()
    cluster.wait_for("the client asks and listens", 30, lambda: polling.has_begun and capturing.has_begun)
    time.sleep(1)
    cut = time.monotonic()
    cluster.lab.cut(victim.host.name)
    for pid in victim.everything():  # a lost node does not work: here it would take the processors of the others
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(WATCHED_S)
    answers = polling.answers()
    gaps = [answered_again(answers, address, cut) for address in sampled]
    kernels = {address: came_back(cluster, address, victim, cut) for address in sorted(lost)}
    heard: Moments = {}
    for claim in capturing.claims():
        if claim.at > cut and claim.address in lost:
            heard.setdefault(claim.address, claim.at - cut)
    detection = profile_timing(shape.profile, shape.nodes).detection_ms / 1000
    print(f"{len(lost)} addresses lost with a node; detection takes up to {detection:.2f} s, the aim is 2 s more")
    figures = {
        "answered (sample)": gaps,
        "plumbed": list(kernels.values()),
        "announced": [heard.get(address, float("inf")) for address in sorted(lost)],
    }
    for what, seconds in figures.items():
        ordered = sorted(seconds)
        middle, last = ordered[len(ordered) // 2], ordered[-1]
        print(f"  {what:<19} median {middle:.2f} s, last {last:.2f} s ({last - detection:.2f} s after detection)")
    return {f"{what}, last, s": max(seconds) for what, seconds in figures.items()}


def owner_of(cluster: LabCluster, address: str) -> LabNode:
    owner = cluster.owner(address)
    if owner is None:
        raise RuntimeError(f"{address} is not on one node")
    return cluster.nodes[owner]


def answered_again(answers: Iterable[poller.Answer], address: str, cut: float) -> float:
    """Seconds from the cut to the first answer of a try that began after it."""
    later = [a.answered_at - cut for a in answers if a.address == address and a.took is not None and a.at > cut]
    return min(later, default=float("inf"))


def came_back(cluster: LabCluster, address: str, victim: LabNode, cut: float) -> float:
    """Seconds until another kernel had it."""
    times = [c.at - cut for c in cluster.changes(address, cut) if c.held and c.node != victim.host.name]
    return min(times, default=float("inf"))


if __name__ == "__main__":
    sys.exit(main())
