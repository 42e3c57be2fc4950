"""Two mail workers against one, on two cores: accept, and accept and deliver to a sink.

    python benchmarks/workers.py [--messages 6000] [--sessions 40] [--rounds 3]

The server may use both cores; client and sink have to run on the same two and take their part of them, so the rate of
two workers is less than it would be with clients elsewhere. What the client takes is printed, without the sink. Two
figures say what two workers gain without that: the CPU of a message, which should not grow, and the share of the
busiest worker, which should be a half. From them follows what the server could do with the cores to itself: `alone`.
The aim is 1.6 times as much. One run of each in turns; the medians count.
"""

import argparse
import os
import statistics
import sys
import time
from contextlib import nullcontext
from dataclasses import astuple, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import mailservers
from benchmarks.mailservers import BOTH
from benchmarks.relay import settle


@dataclass(frozen=True)
class Seen:
    """Of one run. `busiest`: the part of the CPU of all workers that the busiest one took."""

    rate: float  # messages a second
    server_us: float  # CPU of a message
    client_us: float
    busiest: float

    @property
    def alone(self) -> float:
        """Messages a second when nothing else uses the cores: the busiest worker fills one."""
        return 1e6 / (self.server_us * self.busiest)


def worker_cpu_s(group: mailservers.Cgroup) -> list[float]:
    """User and system time of each worker so far."""
    found = []
    for pid in (group.path / "cgroup.procs").read_text().split():
        if "worker" in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            found.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return found


def clients_cpu_s() -> float:
    """Of our children that ended."""
    times = os.times()
    return times.children_user + times.children_system


def measure(workers: int, messages: int, sessions: int, *, delivers: bool) -> Seen:
    """One run."""
    with mailservers.workspace() as folder, mailservers.sink(BOTH) if delivers else nullcontext() as sink:
        port = mailservers.free_port()
        with mailservers.ours(folder, port, 0, sink, workers, cores=BOTH) as group:
            mailservers.submit(port, 300, sessions, BOTH)  # warm
            settle(group)
            server, each, clients, began = group.cpu_s(), worker_cpu_s(group), clients_cpu_s(), time.monotonic()
            mailservers.submit(port, messages, sessions, BOTH)
            ended, clients = settle(group), clients_cpu_s() - clients
            server = group.cpu_s() - server
            took = [after - before for before, after in zip(each, worker_cpu_s(group), strict=True)]
    return Seen(messages / (ended - began), server / messages * 1e6, clients / messages * 1e6, max(took) / sum(took))


def compare(messages: int, sessions: int, rounds: int, *, delivers: bool) -> None:
    """One worker and two, in turns; one line for each, and how much two gain."""
    runs: dict[int, list[Seen]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, seen in runs.items():
            seen.append(measure(workers, messages, sessions, delivers=delivers))
    medians = {
        workers: Seen(*(statistics.median(column) for column in zip(*map(astuple, seen), strict=True)))
        for workers, seen in runs.items()
    }
    what = "accept and deliver" if delivers else "accept"
    for workers, one in medians.items():
        figures = (
            f"{one.rate:>7.0f} {one.server_us:>10.0f} {one.client_us:>10.0f} {one.busiest:>8.2f} {one.alone:>7.0f}"
        )
        print(f"{what:>18} {workers:>7} {figures}", flush=True)
    one, two = medians[1], medians[2]
    print(f"{'':>18} two do {two.rate / one.rate:.2f} times as much; alone {two.alone / one.alone:.2f}", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'':>18} {'workers':>7} {'msg/s':>7} {'server us':>10} {'client us':>10} {'busiest':>8} {'alone':>7}")
    for delivers in (False, True):
        compare(arguments.messages, arguments.sessions, arguments.rounds, delivers=delivers)


if __name__ == "__main__":
    main()
