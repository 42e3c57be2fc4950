"""A mail node that goes through everything that may happen to one, under load, and what was promised meanwhile."""

import asyncio
import contextlib
import os
import random
import re
import signal
import smtplib
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.mailnode import MailNode
from tests.support.nexthop import NextHop

OPTIONS = """
Retry_Interval = 1
Max_Retry_Interval = 2
Host_Failure_Retry = 1
Body_Timeout = 2
Connect_Timeout_To_Delay = 5
"""
_SUBJECT = re.compile(rb"Subject: (\S+)")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, of so many bytes; needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Hardship:
    """Clients that send as fast as they may, and one mishap after the other. All choices are those of the seed."""

    def __init__(self, node: MailNode, hop: NextHop, disk: Path, seed: int) -> None:
        self.node, self.hop, self.disk = node, hop, disk
        self.acknowledged: set[str] = set()
        self.kills: Counter[str] = Counter()
        self.refused = 0
        self._random = random.Random(seed)  # noqa: S311
        self._is_over = False

    # -- load

    async def client(self, name: int) -> None:
        """Sends messages, each with a subject of its own, until it is over."""
        number = 0
        while not self._is_over:
            number += 1
            subject = f"{name}-{number}"
            try:
                await self.node.submit(subject)
            except (OSError, smtplib.SMTPException):
                self.refused += 1
            else:
                self.acknowledged.add(subject)
            await asyncio.sleep(0.02)

    # -- mishaps

    async def goes_on(self, kills: int) -> None:
        """Until so many processes were killed: workers, the core, the whole node; the sink and the disk misbehave."""
        deeds = [self._worker_dies] * 6 + [self._core_dies] * 2 + [self._node_dies, self._disk_changes]
        while self.kills.total() < kills:
            self._sink_changes()
            await self._random.choice(deeds)()
            await self._some_mail_comes(len(self.acknowledged) + self._random.randrange(5))
        self._heal()

    async def _some_mail_comes(self, messages: int) -> None:
        """Between two mishaps; not for ever, for the last one may be in the way."""
        with contextlib.suppress(TimeoutError):
            await self.node.until(lambda: len(self.acknowledged) >= messages, 2.0)

    async def _worker_dies(self) -> None:
        pids = self.node.worker_pids()
        if pids:
            self._kill(self._random.choice(pids))
            self.kills["worker"] += 1

    async def _core_dies(self) -> None:
        self.node.core_dies()
        await asyncio.sleep(self._random.random() / 5)
        self.node.core_returns()
        self.kills["core"] += 1

    async def _node_dies(self) -> None:
        manager = self.node.manager
        assert manager is not None
        for pid in [manager.pid, *self.node.worker_pids()]:
            self._kill(pid)
        await asyncio.to_thread(manager.wait)
        self.node.manager = None
        self.node.core_dies()
        await self.node.start()
        self.kills["node"] += 1

    @staticmethod
    def _kill(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    async def _disk_changes(self) -> None:
        """Full for a second."""
        ballast = self.disk / "ballast"
        await asyncio.to_thread(_fill, ballast)
        await asyncio.sleep(1)
        ballast.unlink()

    def _sink_changes(self) -> None:
        """It takes mail, slowly, not now, says nonsense, or nothing at all."""
        self.hop.may_end.set()
        self.hop.takes_s = 0.0
        self.hop.answer = "250 ok"
        match self._random.randrange(8):
            case 0:
                self.hop.takes_s = 0.3
            case 1:
                self.hop.answer = "450 4.2.0 not now"
            case 2:
                self.hop.answer = "banana"
            case 3:
                self.hop.may_end.clear()

    def _heal(self) -> None:
        self.hop.may_end.set()
        self.hop.takes_s = 0.0
        self.hop.answer = "250 ok"

    # -- what came of it

    def arrivals(self) -> Counter[str]:
        """How often each message arrived."""
        return Counter(found[1].decode() for one in self.hop.content if (found := _SUBJECT.search(one)))

    async def ends(self, within_s: float) -> None:
        """No client any more; every message that was acknowledged arrives."""
        self._is_over = True
        await self.node.until(lambda: self.acknowledged <= set(self.arrivals()), within_s)


def _fill(path: Path) -> None:
    """With one file, until there is no byte left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
