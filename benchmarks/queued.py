"""A worker that starts on a spool full of queued messages.

    python benchmarks/queued.py [--messages 1000000] [--domains 1000]

The spool is made by the store itself, with everything synced. Then a worker starts on it, with a next hop that takes
everything, and a client sends it a message now and then. Printed: from the start of its process to the first delivery,
the most memory while the spool is read in the background, how long that takes, how long the loop kept things waiting
(99 of 100 looks, and at the most), and how long the client waited for a 250. The aims: less than 5 s, 1.5 GB, 50 ms.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import accumulate
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import mailservers
from momentum_node.looplag import BOUNDS_S
from momentum_node.spool.disk import RealDisk
from momentum_node.spool.message import Envelope, Recipient, Stored, Transaction
from momentum_node.spool.store import Store
from tests.support.mailnode import MailNode

AT_ONCE = 2000
HEAD = b"Received: from c.test by mx.test; Mon, 23 Nov 2026 09:00:00 +0000\r\n"
BODY = b"From: <a@x.test>\r\nSubject: queued\r\n\r\n" + (b"x" * 76 + b"\r\n") * 24
LOOK_S = 0.05


async def fill(spool: Path, messages: int, domains: int) -> None:
    """A shard with so many messages."""
    (spool / "shard-00").mkdir(parents=True)
    store = Store(RealDisk(), str(spool / "shard-00"), 0, on_unreadable=print)
    await store.open(1)
    envelope = Envelope(time.time(), "a@x.test", len(HEAD) + len(BODY), received_from="192.0.2.1:4711")
    for first in range(0, messages, AT_ONCE):
        kept = [
            keep(store, envelope, f"d{number % domains}.test")
            for number in range(first, min(messages, first + AT_ONCE))
        ]
        await asyncio.gather(*kept)
    await store.close()


def keep(store: Store, envelope: Envelope, domain: str) -> "asyncio.Future[Stored | None]":
    """One message, and when it is durable."""
    told: asyncio.Future[Stored | None] = asyncio.get_running_loop().create_future()
    recipient = Recipient(store.new_id(), f"user@{domain}", "default", domain)
    store.keep(Transaction(envelope, (recipient,), HEAD, (BODY,)), None, told.set_result)
    return told


class Watch:
    """What is seen of the worker from outside."""

    def __init__(self, node: MailNode) -> None:
        self._node = node
        self.began = time.monotonic()
        self.first_s = self.read_s = float("nan")
        self.most_mb = self.lag_s = 0.0
        self.delays: list[int] = []
        self.waits: list[float] = []

    async def until_read(self, messages: int) -> None:
        """Return when every message is in the queues, or gone from them."""
        while True:
            report, sums = self._node.core.report(), self._node.core.figures()
            if report["delivered"] and self.first_s != self.first_s:
                self.first_s = time.monotonic() - self.began
            self.lag_s, self.delays = max(self.lag_s, sums["loop_lag_seconds"]), sums["loop_delays"]
            self._look_at_memory()
            if report["queued"] + report["delivered"] >= messages:
                self.read_s = time.monotonic() - self.began
                return
            await asyncio.sleep(LOOK_S)

    @property
    def lag_p99_s(self) -> float:
        """No more than this, of 99 in 100 looks at the loop."""
        counts = list(accumulate(self.delays))
        return next(bound for bound, count in zip(BOUNDS_S, counts, strict=True) if count >= 0.99 * counts[-1])

    def _look_at_memory(self) -> None:
        for pid in self._node.worker_pids():
            peak = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]
            self.most_mb = max(self.most_mb, int(peak) * 1024 / 1e6)

    async def ask(self) -> None:
        """A client with one message after the other."""
        while True:
            began = time.monotonic()
            await self._node.submit("now and then")
            self.waits.append(time.monotonic() - began)
            await asyncio.sleep(0.1)


@asynccontextmanager
async def started(folder: Path, gateway: int) -> AsyncIterator[Watch]:
    """One worker on the spool in `folder`."""
    node = MailNode(folder, f"127.0.0.1:{gateway}")
    watch = Watch(node)
    await node.start()
    asking = asyncio.create_task(watch.ask())
    try:
        yield watch
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await node.stop()


async def measure(folder: Path, messages: int, gateway: int) -> Watch:
    """Start, and wait until the spool is read."""
    async with started(folder, gateway) as watch:
        await watch.until_read(messages)
        return watch


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--domains", type=int, default=1000)
    arguments = parser.parse_args()
    with mailservers.workspace() as folder, mailservers.sink() as gateway:
        began = time.monotonic()
        asyncio.run(fill(folder / "spool", arguments.messages, arguments.domains))
        print(f"{arguments.messages} messages stored in {time.monotonic() - began:.0f} s", flush=True)
        os.sync()
        seen = asyncio.run(measure(folder, arguments.messages, gateway))
    print(f"start to first delivery   {seen.first_s:8.1f} s   aim 5")
    print(f"everything read after     {seen.read_s:8.1f} s")
    print(f"most memory               {seen.most_mb:8.0f} MB  aim 1500")
    print(f"loop lag, 99 of 100 below {seen.lag_p99_s * 1000:8.0f} ms  aim 50")
    print(f"loop stood still at most  {seen.lag_s * 1000:8.0f} ms")
    if len(seen.waits) > 1:
        p99 = statistics.quantiles(seen.waits, n=100)[98] * 1000
        print(f"a message of a client     {p99:8.0f} ms  the slowest of 100, connection and all")


if __name__ == "__main__":
    main()
