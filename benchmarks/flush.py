"""How fast a supervisor takes every address off when its core is killed: kernel notices, from the kill to the last.

python benchmarks/flush.py [--runs 5]        as root; aim: 500 addresses within 50 ms, more within 0.3 s
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.host.supervised import AddressWatch, Supervised, wait_until  # noqa: E402
from tests.support.lab import Lab, why_no_lab  # noqa: E402

COUNTS = {500: 50, 3413: 300}  # addresses → aim in ms


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each number of addresses; 1 when they could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args(arguments).runs
    if (reason := why_no_lab()) is not None:
        print(f"cannot be measured here: {reason}", file=sys.stderr)
        return 1
    for count, aim in COUNTS.items():
        took = sorted(_flush_ms(count) for _ in range(runs))
        print(
            f"{count} addresses: {took[0]:.1f} / {statistics.median(took):.1f} / {took[-1]:.1f} ms"
            f" (minimum, median, maximum of {runs}; aim {aim} ms)"
        )
    return 0


def _flush_ms(count: int) -> float:
    first = ip_address("198.19.0.1")
    vips = [str(first + number) for number in range(count)]
    with tempfile.TemporaryDirectory() as folder, Lab() as lab:
        host = lab.add("n1", 1)
        with Supervised(host, Path(folder) / "run") as node, AddressWatch(host, Path(folder) / "watch") as watch:
            node.do("plumb_all", interface="eth0", addresses=vips, prefix_length=32)
            killed = time.time()
            os.kill(node.core_pid(), signal.SIGKILL)
            wait_until(lambda: len(watch.deletions()) == count, 10, "the watch saw all of it")
            return (max(watch.deletions().values()) - killed) * 1000


if __name__ == "__main__":
    sys.exit(main())
