"""What the kernel saw: every 250 for a message was sent after a sync that began when the message had been written."""

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode
from tests.support.nexthop import NextHop, next_hop
from tests.support.talk import Talk

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(shutil.which("strace") is None, reason="package strace is missing"),
    pytest.mark.skipif(os.geteuid() != 0, reason="strace of a worker needs root here"),
]
EVENT = re.compile(
    r"pwritev2?\(.*MREC"
    r"|(?P<sync><\.\.\. fdatasync resumed>|fdatasync\(\d+\)\s+= 0)"
    r"|(?P<ok>(?:send|write|sendto|sendmsg)\(.*250 2\.0\.0 OK )"
)


def story_of(trace: str) -> list[str]:
    """`written`, `synced` and `250`, in the order in which the kernel was asked or had done it."""
    story = []
    for line in trace.splitlines():
        found = EVENT.search(line)
        if found is not None:
            story.append("synced" if found["sync"] else "250" if found["ok"] else "written")
    return story


async def traced(node: MailNode, hop: NextHop, trace: Path, messages: int) -> list[str]:
    """What the kernel saw of so many messages, sent one after another and delivered."""
    calls = "trace=pwritev,pwritev2,fdatasync,write,sendto,sendmsg"
    (pid,) = node.worker_pids()
    tracer = subprocess.Popen(["strace", "-f", "-s", "400", "-e", calls, "-o", str(trace), "-p", str(pid)])
    try:
        await node.until(lambda: trace.exists() and f"TracerPid:\t{tracer.pid}" in status(pid))
        for number in range(messages):
            await node.submit(str(number))
        await node.until(lambda: len(hop.content) == messages)
    finally:
        tracer.terminate()
        await asyncio.to_thread(tracer.wait, 10)
    return story_of(trace.read_text(errors="replace"))


async def test_each_250_follows_the_sync_of_its_message(tmp_path: Path) -> None:
    async with next_hop() as (hop, gateway):
        node = MailNode(tmp_path, gateway)
        await node.start()
        story = await traced(node, hop, tmp_path / "trace", 5)
        await node.stop()
    assert story.count("250") == 5
    for position, event in enumerate(story):
        if event == "250":  # one client, one message at a time: its write is the last but one thing that happened
            assert "synced" in story[:position], story
            last_write = max(at for at in range(position) if story[at] == "written" or story[at] == "250")
            assert "synced" in story[last_write:position], story


async def test_force_fsync_is_switched_off_by_a_reload(tmp_path: Path) -> None:
    async with next_hop() as (hop, gateway):
        node = MailNode(tmp_path, gateway)
        await node.start()
        node.configure(gateway, more='Force_Fsync = false Hostname = "hasty.test"')
        node.core.reload("digest")
        async with asyncio.timeout(30):
            while "hasty.test" not in (talk := await Talk.to(node.port)).greeting:
                talk.close()
        talk.close()
        story = await traced(node, hop, tmp_path / "trace", 3)
        await node.stop()
    assert story.count("250") == 3
    assert "synced" not in story


def status(pid: int) -> str:
    """The kernel's words about a process."""
    return Path(f"/proc/{pid}/status").read_text()


async def test_swaks_talks_to_us(tmp_path: Path) -> None:
    if shutil.which("swaks") is None:
        pytest.skip("package swaks is missing")
    async with next_hop() as (hop, gateway):
        node = MailNode(tmp_path, gateway)
        await node.start()
        command = ["swaks", "--server", "127.0.0.1", "--port", str(node.port), "--pipeline", "--h-Subject", "swaks"]
        done = await asyncio.to_thread(
            subprocess.run,
            [*command, "--from", "a@x.test", "--to", "b@y.test"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        await node.until(lambda: hop.subjects()["swaks"] == 1)
        await node.stop()
