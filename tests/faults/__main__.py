"""Runs the faults and prints one table; the exit code is 1 when a rule did not hold.

    python -m tests.faults [--runs 3] [--only F5,F6] [--ci] [--markdown]
    python -m tests.faults --soak 60 --seed 7          faults at random for an hour

A machine-readable copy goes to benchmarks/results/faults.json. Run it alone: outages are judged too.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tests.faults import table
from tests.faults.catalogue import FAULTS, in_order
from tests.faults.fault import THREE, Absent, Fault
from tests.faults.judge import Run, run
from tests.faults.shape import Shape
from tests.faults.wires import why_no_rules
from tests.support.labcluster import NotSoError
from tests.support.labnode import why_no_ring

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "faults.json"


def main() -> int:
    parsed = _arguments()
    why = why_no_ring() or why_no_rules()
    if why is not None:
        print(why)
        return 1
    print(f"{table.machine()}; times without an answer at a client that asks every 5 ms")
    print(table.HEAD, table.UNITS, sep="\n", flush=True)
    results: dict[Fault, list[Run]] = {}
    pairs = _soaking(parsed.soak, parsed.seed) if parsed.soak else _all_runs(_chosen(parsed), parsed.runs)
    for fault, shown in pairs:
        results.setdefault(fault, []).append(shown)
        if parsed.soak or len(results[fault]) == parsed.runs:
            print(table.row(fault, results[fault]), flush=True)
    for entry in in_order():
        if isinstance(entry, Absent):
            print(table.absent_row(entry))
    table.write_json(RESULTS, results)
    if parsed.markdown:
        print(table.markdown(results))
    return int(any(shown.judged(fault) for fault, runs in results.items() for shown in runs))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Run the fault suite.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", help="numbers, with commas between: F5,F6")
    parser.add_argument("--ci", action="store_true", help="only the selection of make test")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/failover.md too")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="faults at random, for so long")
    parser.add_argument("--seed", type=int, default=None)
    return parser.parse_args()


def _chosen(parsed: argparse.Namespace) -> list[Fault]:
    numbers = set(parsed.only.split(",")) if parsed.only else {fault.number for fault in FAULTS}
    if unknown := numbers - {fault.number for fault in FAULTS}:
        sys.exit(f"no fault has the number {' '.join(sorted(unknown))}")
    return [fault for fault in FAULTS if fault.number in numbers and (fault.in_ci or not parsed.ci)]


def _all_runs(faults: Sequence[Fault], runs: int) -> Iterator[tuple[Fault, Run]]:
    """Every run of every fault, one cluster for each shape."""
    sizes = sorted(faults, key=lambda fault: (fault.shape.nodes, fault.shape.vips))
    for shape, group in groupby(sizes, key=lambda fault: fault.shape):
        left = [fault for fault in group for _ in range(runs)]
        while left:
            yield from _until_broken(shape, left)


def _until_broken(shape: Shape, left: list[Fault]) -> Iterator[tuple[Fault, Run]]:
    """Take faults from `left`; ends early, with a run that says so, when the cluster did not become whole again."""
    with shape.cluster() as cluster:
        while left:
            fault = left.pop(0)
            try:
                shown = run(cluster, shape, fault)
            except NotSoError as error:
                print(error, file=sys.stderr)
                yield fault, Run(0.0, 0.0, 0, 0.0, (f"not whole before it: {str(error).partition(';')[0]}",))
                return
            yield fault, shown


def _soaking(minutes: float, seed: int | None) -> Iterator[tuple[Fault, Run]]:
    seed = random.SystemRandom().getrandbits(32) if seed is None else seed
    print(f"seed {seed}")
    chance = random.Random(seed)  # noqa: S311 - reproducible on purpose
    faults = [fault for fault in FAULTS if fault.shape == THREE and fault.seconds < 30]
    end = time.monotonic() + 60 * minutes
    with THREE.cluster() as cluster:
        while time.monotonic() < end:
            fault = chance.choice(faults)
            yield fault, run(cluster, THREE, fault)


if __name__ == "__main__":
    sys.exit(main())
