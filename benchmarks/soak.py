"""How often an address moves without reason while the machine has far too much to do.

    python benchmarks/soak.py [--minutes 30] [--loops 4] [--loss 0] [--profile Fast|Aggressive|Balanced|Safe]

Three nodes, real Corosync, in network namespaces; busy loops on every processor, at the priority of our processes, and
if wanted a share of all frames lost. Nothing fails, so nothing may move: the kernels' own notices are counted, by
address. A client asks two addresses every 50 ms. The aims: no move without loss, at most one with 5 % of it.
Machine-readable: benchmarks/results/soak.json.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.faults import judge, processes, wires  # noqa: E402 - the tree must be found first
from tests.faults.fault import Scene  # noqa: E402
from tests.faults.shape import Shape  # noqa: E402
from tests.support import poller  # noqa: E402
from tests.support.labcluster import LabCluster  # noqa: E402
from tests.support.labnode import why_no_ring  # noqa: E402

ASKED_EVERY_S = 0.05
TOLD_EVERY_S = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was seen; 1 when it cannot be measured here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--loops", type=int, default=4, help="busy loops on each processor")
    parser.add_argument("--loss", type=int, default=0, metavar="PERCENT", help="of all frames")
    parser.add_argument("--profile", choices=("Aggressive", "Fast", "Balanced", "Safe"), default="Fast")
    parsed = parser.parse_args(arguments)
    if (why := why_no_ring()) is not None:
        print(f"cannot be measured here: {why}", file=sys.stderr)
        return 1
    shape = Shape(profile=parsed.profile)
    with shape.cluster() as cluster:
        judge.await_whole(cluster, shape)
        seen = soak(cluster, shape, parsed.minutes * 60, parsed.loops, parsed.loss)
    print(
        f"{parsed.profile}, {parsed.minutes:g} minutes, {parsed.loops} busy loops on each processor,"
        f" {parsed.loss} % loss: {seen['moves']:.0f} moves, {seen['outage_ms']:.0f} ms without an answer at the most"
    )
    output = ROOT / "benchmarks" / "results" / "soak.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(vars(parsed) | seen, indent=2) + "\n")
    return 0


def soak(cluster: LabCluster, shape: Shape, seconds: float, loops: int, loss: int) -> dict[str, float]:
    """`moves` of all addresses together, `outage_ms` of those that are asked."""
    began = time.monotonic()
    owner = cluster.nodes[cluster.owner(shape.addresses[0]) or "n1"]
    scene = Scene(cluster, shape, owner)
    polling = cluster.poll(shape.polled, seconds, every_s=ASKED_EVERY_S)
    acts = [processes.busy(loops, seconds), *([wires.lossy(loss, seconds)] if loss else [])]
    threads = [threading.Thread(target=act, args=(scene,), daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    while (left := began + seconds - time.monotonic()) > 0:
        time.sleep(min(TOLD_EVERY_S, left))
        print(f"{(time.monotonic() - began) / 60:5.1f} min: {moves(cluster, shape, began)} moves", flush=True)
    for thread in threads:
        thread.join()
    answers = polling.answers()
    gaps = [poller.longest_gap(a for a in answers if a.address == address)[0] for address in shape.polled]
    return {"moves": moves(cluster, shape, began), "outage_ms": 1000 * max(gaps)}


def moves(cluster: LabCluster, shape: Shape, since: float) -> int:
    """How often an address came to a node."""
    return sum(change.held for address in shape.addresses for change in cluster.changes(address, since))


if __name__ == "__main__":
    sys.exit(main())
