"""How long a client is without an answer, for each fault: minimum, median and maximum of several runs.

    python benchmarks/failover.py [--runs 5] [--fault "cable cut"]

Three nodes, real Corosync, profile Fast, in network namespaces of this machine; the client opens a connection every
5 ms. A machine that does other work at the same time gives other figures: run it alone. A machine-readable copy goes
to benchmarks/results/failover.json.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import poller  # noqa: E402 - the tree must be found first
from tests.support.faults import FAULTS, VIP, files_of, whole  # noqa: E402
from tests.support.lab import why_no_lab  # noqa: E402
from tests.support.labcluster import LabCluster  # noqa: E402

AIMS_MS = {
    "cable cut": 750,
    "core killed": 100,
    "core frozen": 1200,
    "corosync killed": 900,
    "supervisor and core killed": 2600,
    "stopped as a pod is deleted": 50,
}


def measure(cluster: LabCluster, name: str) -> tuple[float, float]:
    """(milliseconds without an answer, milliseconds answered by two) of one run."""
    do, undo = FAULTS[name]
    cluster.wait_for("the cluster is whole", 60, lambda: whole(cluster))
    owner = cluster.owner(VIP)
    assert owner is not None
    polling = cluster.poll([VIP], 6.0)
    time.sleep(1.0)
    begin = time.monotonic()
    do(cluster, cluster.nodes[owner])
    answers = polling.answers()
    undo(cluster, cluster.nodes[owner])
    gap_s, _ = poller.longest_gap(answer for answer in answers if answer.at > begin - 0.5)
    return 1000 * gap_s, 1000 * poller.double_answer(answers)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how long a client is without an answer.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fault", choices=FAULTS, action="append", help="only this one (may be given again)")
    parsed = parser.parse_args()
    if (why := why_no_lab()) is not None:
        print(why)
        return 1
    results: dict[str, list[float]] = {}
    print(f"{'fault':<30} {'min':>7} {'median':>7} {'max':>7} {'aim':>7}  answered by two")
    with tempfile.TemporaryDirectory(prefix="momentum-bench-") as folder:
        Path(folder).chmod(0o755)
        with LabCluster(Path(folder), "corosync") as cluster:
            cluster.write(files_of)
            cluster.start_sink()
            cluster.start()
            for name in parsed.fault or FAULTS:
                runs = [measure(cluster, name) for _ in range(parsed.runs)]
                gaps = results[name] = [gap for gap, _ in runs]
                low, middle, high = min(gaps), statistics.median(gaps), max(gaps)
                both = max(double for _, double in runs)
                print(
                    f"{name:<30} {low:>7.0f} {middle:>7.0f} {high:>7.0f} {AIMS_MS[name]:>7} {both:>6.0f} ms", flush=True
                )
    output = ROOT / "benchmarks" / "results" / "failover.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
