"""Accept and deliver to a sink: CPU and rate of this project beside Postfix, both syncing before the 250.

    python benchmarks/relay.py [--messages 4000] [--sessions 20] [--delays 0 5]

As accept.py; smtp-sink, on the client's core, takes the mail. The clock stops when the queue is empty.
"""

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import mailservers
from benchmarks.accept import SERVERS

QUIET_S = 1.0


def settle(group: mailservers.Cgroup) -> float:
    """Wait until the server does next to nothing; the moment (monotonic) when that began."""
    last, since = group.cpu_s(), time.monotonic()
    while time.monotonic() - since < QUIET_S:
        time.sleep(0.1)
        now = group.cpu_s()
        if now - last > 0.02:  # more than a fifth of the core
            since = time.monotonic()
        last = now
    return since


def measure(name: str, messages: int, sessions: int, delay_ms: int) -> tuple[float, float]:
    """CPU microseconds a message, messages a second until the last one was delivered."""
    with mailservers.workspace() as folder, mailservers.sink() as sink:
        port = mailservers.free_port()
        with SERVERS[name](folder, port, delay_ms, sink) as group:
            mailservers.submit(port, 300, sessions)  # warm
            settle(group)
            before, began = group.cpu_s(), time.monotonic()
            mailservers.submit(port, messages, sessions)
            ended = settle(group)
            return (group.cpu_s() - before) / messages * 1e6, messages / (ended - began)


def main() -> None:
    """Print one line a run, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--delays", type=int, nargs="+", default=[0, 5])
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {mailservers.CLIENT_CORE})
    print(f"{'sync':>6} {'sessions':>8} {'server':>8} {'CPU us/msg':>10} {'msg/s':>7}")
    for delay in arguments.delays:
        found = {}
        for name in SERVERS:
            found[name] = measure(name, arguments.messages, arguments.sessions, delay)
            cpu, rate = found[name]
            print(f"{f'+{delay}ms':>6} {arguments.sessions:>8} {name:>8} {cpu:>10.0f} {rate:>7.0f}", flush=True)
        ratio = found["postfix"][0] / found["ours"][0]
        print(f"{'':>6} {'':>8} ours takes 1/{ratio:.1f} of the CPU of Postfix for each message", flush=True)


if __name__ == "__main__":
    main()
