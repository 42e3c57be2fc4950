"""Durable acceptance: CPU and rate of this project beside Postfix (its hold queue), both syncing before the 250.

    python benchmarks/accept.py [--messages 5000] [--sessions 20 100] [--delays 0 5]

Messages of 2 KiB by smtp-source; the server on one core, the client on the other. While they come, a session of ours
sends one message after the other and times the reply to the final dot. Every run twice: on this disk, and with every
sync 5 ms slower for both. The gate is CPU per message; rates depend on the disk.
"""

import argparse
import asyncio
import os
import statistics
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import mailservers

SERVERS = {"ours": mailservers.ours, "postfix": mailservers.postfix}


async def probe(port: int, stop: threading.Event, waits: list[float]) -> None:
    """One message after the other; how long each reply to the final dot took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def say(line: bytes) -> None:
        writer.write(line)
        while (await reader.readline())[3:4] == b"-":
            pass

    await say(b"")
    await say(b"EHLO probe.test\r\n")
    while not stop.is_set():
        await say(b"MAIL FROM:<a@x.test>\r\n")
        await say(b"RCPT TO:<b@y.test>\r\n")
        await say(b"DATA\r\n")
        writer.write(b"From: <a@x.test>\r\nSubject: probe\r\n\r\n" + b"x" * 64 + b"\r\n")
        began = time.monotonic()
        await say(b".\r\n")
        waits.append(time.monotonic() - began)
        await asyncio.sleep(0.01)
    writer.close()


def measure(name: str, messages: int, sessions: int, delay_ms: int) -> tuple[float, float, float]:
    """CPU microseconds a message, messages a second, 99th percentile of the reply in milliseconds."""
    with mailservers.workspace() as folder:
        port = mailservers.free_port()
        with SERVERS[name](folder, port, delay_ms, None) as group:
            mailservers.submit(port, 300, sessions)  # warm
            stop, waits = threading.Event(), list[float]()
            thread = threading.Thread(target=lambda: asyncio.run(probe(port, stop, waits)))
            before = group.cpu_s()
            thread.start()
            seconds = mailservers.submit(port, messages, sessions)
            stop.set()
            thread.join()
            count = messages + len(waits)
            cpu_us = (group.cpu_s() - before) / count * 1e6
    p99 = statistics.quantiles(waits, n=100)[98] if len(waits) > 1 else float("nan")
    return cpu_us, count / seconds, p99 * 1000


def main() -> None:
    """Print one line a run, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--sessions", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--delays", type=int, nargs="+", default=[0, 5])
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {mailservers.CLIENT_CORE})
    print(f"{'sync':>6} {'sessions':>8} {'server':>8} {'CPU us/msg':>10} {'msg/s':>7} {'p99 ms':>7}")
    for delay in arguments.delays:
        for sessions in arguments.sessions:
            found = {}
            for name in SERVERS:
                found[name] = measure(name, arguments.messages, sessions, delay)
                cpu, rate, p99 = found[name]
                print(f"{f'+{delay}ms':>6} {sessions:>8} {name:>8} {cpu:>10.0f} {rate:>7.0f} {p99:>7.1f}", flush=True)
            ratio = found["postfix"][0] / found["ours"][0]
            print(f"{'':>6} {'':>8} ours takes 1/{ratio:.1f} of the CPU of Postfix for each message", flush=True)


if __name__ == "__main__":
    main()
