"""A full /dev/shm (F34): who is a member stays one, who comes is told what to do, and comes when there is room."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from momentum_node.config.corosync import RingNode, render
from tests.support.corosync import Corosync, authkey, why_no_corosync
from tests.support.lab import Lab, why_no_lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
MEMBER = """
import asyncio, sys
from momentum_node.bus.contract import Delivered
from momentum_node.bus.corosync import CorosyncBus
from momentum_node.errors import BusError

async def main():
    heard, bus = asyncio.Event(), CorosyncBus(1)
    try:
        await bus.connect("group", lambda event: heard.set() if isinstance(event, Delivered) else None)
    except BusError as error:
        print("refused:", error, flush=True)
        return
    print("joined", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        heard.clear()
        bus.send(b"word")
        await asyncio.wait_for(heard.wait(), 20)
        print("heard", flush=True)
    bus.abort()

asyncio.run(main())
"""
FILL = """
with open("/dev/shm/filling", "wb", buffering=0) as file:
    try:
        while file.write(b"x" * 4096):
            pass
    except OSError:
        pass
"""


class Crowded:
    """A Corosync with a small /dev/shm of its own, and processes beside it."""

    def __init__(self, daemon: Corosync, namespace: str) -> None:
        self._enter = ["nsenter", f"--mount=/proc/{daemon.pid}/ns/mnt", f"--net=/run/netns/{namespace}"]
        self.members: list[subprocess.Popen[str]] = []

    def member(self) -> "subprocess.Popen[str]":
        argv = [*self._enter, sys.executable, "-c", MEMBER]
        pipe = subprocess.PIPE
        self.members.append(subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, text=True))
        return self.members[-1]

    def fill(self) -> None:
        subprocess.run([*self._enter, sys.executable, "-c", FILL], check=True, timeout=20)

    def empty(self) -> None:
        subprocess.run([*self._enter, "rm", "/dev/shm/filling"], check=True, timeout=20)

    def close(self) -> None:
        for member in self.members:
            member.kill()
            member.wait()
            for stream in (member.stdin, member.stdout):
                with suppress(OSError):
                    assert stream is not None
                    stream.close()


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Crowded]:
    if (reason := why_no_lab() or why_no_corosync()) is not None:
        pytest.skip(reason)
    with Lab() as lab:
        host = lab.add("n1", 1)
        key = str(authkey(tmp_path / "authkey"))
        conf = render("c", [RingNode("n1", 1, host.address)], keyfile=key, state_dir=str(tmp_path / "state"))
        with Corosync(host.namespace, tmp_path / "bus", conf, shared_memory="32m") as daemon:
            made = Crowded(daemon, host.namespace)
            yield made
            made.close()


def said(member: "subprocess.Popen[str]") -> str:
    assert member.stdout is not None
    return member.stdout.readline().strip()


def speaks(member: "subprocess.Popen[str]") -> bool:
    assert member.stdin is not None
    member.stdin.write("\n")
    member.stdin.flush()
    return said(member) == "heard"


def test_full_shared_memory_keeps_newcomers_out_and_says_so(crowded: Crowded) -> None:
    first = crowded.member()
    assert said(first) == "joined"
    assert speaks(first)
    crowded.fill()
    words = said(crowded.member())
    assert words.startswith("refused: ")
    assert "/dev/shm" in words
    assert speaks(first), "its part was taken when it came"
    crowded.empty()
    last = crowded.member()
    assert said(last) == "joined"
    assert speaks(last)
