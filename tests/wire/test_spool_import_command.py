"""`spool import` with real processes: a dead node's spool, a running node, a command that is killed."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from momentum_node.spool.disk import RealDisk
from momentum_node.spool.message import Envelope, Recipient, Transaction
from momentum_node.spool.shard import Shard
from tests.support.mailnode import MailNode
from tests.support.nexthop import NextHop, next_hop

pytestmark = pytest.mark.timeout(150)

CREATED = 1_795_000_000.0


def dead_spool(
    folder: Path, count: int, *, first: int = 0, large: Iterable[int] = (), created: float = CREATED
) -> None:
    """As a node that died left it: so many messages in two shards; these have a body in a file of its own."""
    for index in range(2):
        shard = Shard(
            RealDisk(),
            str(folder / f"shard-{index:02d}"),
            salt=lambda: secrets.token_bytes(8),
            on_unreadable=lambda _found: None,
            segment_bytes=1 << 18,
            sync=False,
        )
        shard.open()
        ids = shard.start(7, index, 29_000_000)
        for number in range(first + index, first + count, 2):
            content = f"Subject: {number}\r\nFrom: <a@x.test>\r\n\r\n".encode()
            recipient = Recipient(str(ids.next()), "b@y.test", "default", "y.test")
            envelope = Envelope(created, "a@x.test", len(content))
            if number in large:
                file = shard.create_body(f"{number}.body")
                file.pwritev([b"x" * 70 + b"\r\n"] * 30_000, 0)
                shard.write([(Transaction(envelope, (recipient,), content, (), f"{number}.body"), file)], [])
                file.close()
            else:
                shard.write([(Transaction(envelope, (recipient,), content, (b"hello\r\n",)), None)], [])
        shard.close()


def command(folder: Path, ours: Path, *more: str, words: Iterable[str] = (), action: str = "import") -> list[str]:
    start = [sys.executable, "-m", "momentum_node", "spool", action, str(folder), *words]
    return [*start, "--spool", str(ours), *more]


def run(folder: Path, ours: Path, *more: str, words: Iterable[str] = ()) -> "subprocess.CompletedProcess[str]":
    return _run(command(folder, ours, *more, words=words))


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def poll(folder: Path, ours: Path) -> tuple[int, dict[str, Any]]:
    done = _run(command(folder, ours, "--format", "json", action="import_poll"))
    return done.returncode, json.loads(done.stdout)


async def test_a_running_node_delivers_all_of_it_once_although_the_import_is_killed(tmp_path: Path) -> None:
    dead, log = tmp_path / "dead", tmp_path / "import.log"
    dead_spool(dead, 2400, large=(5, 2001))
    async with next_hop() as (hop, gateway):
        node = MailNode(tmp_path / "node", gateway, workers=2)
        await node.start()
        try:
            lines = await asyncio.to_thread(killed_in_the_middle, dead, node.spool, log)
            assert all(line.split("@")[2:6:2] == ["I", "1"] for line in lines)

            status, broken = poll(dead, node.spool)
            assert (status, broken["state"], broken["why"]) == (5, "broken off", "it was killed")

            done = await asyncio.to_thread(run, dead, node.spool, words=["4"])
            assert done.returncode == 0, done.stderr
            status, finished = poll(dead, node.spool)
            assert (status, finished["state"], finished["left"]) == (0, "finished", 0)
            assert finished["taken_before"] == broken["taken"]
            assert finished["segments_done"] == finished["segments"]
            await node.until(lambda: len(hop.content) >= 2400, 100)
            assert hop.subjects() == {str(number): 1 for number in range(2400)}
        finally:
            await node.stop()
    assert sorted(path.name for path in dead.glob("shard-*/bodies/*")) == []
    again = await asyncio.to_thread(run, dead, tmp_path / "node" / "spool")
    assert (again.returncode, again.stdout[:2]) == (0, "0 ")


def has(hop: NextHop, messages: int) -> bool:
    return len(hop.content) == messages


async def test_a_node_that_has_delivered_an_import_has_room_for_the_next(tmp_path: Path) -> None:
    async with next_hop() as (hop, gateway):
        node = MailNode(tmp_path / "node", gateway)
        await node.start()
        try:
            for number in (0, 1):
                dead = tmp_path / f"dead {number}"
                dead_spool(dead, 10, first=10 * number, created=CREATED + number)
                done = await asyncio.to_thread(run, dead, node.spool)
                assert done.returncode == 0, done.stderr
                await node.until(partial(has, hop, 10 * (number + 1)))
                await node.until(lambda: not list(node.spool.glob("shard-15/*.seg")))
            assert hop.subjects() == {str(number): 1 for number in range(20)}
            assert sorted(path.name for path in node.spool.glob("shard-*")) == ["shard-00", "shard-15"]
        finally:
            await node.stop()


def killed_in_the_middle(dead: Path, ours: Path, log: Path) -> list[str]:
    """The log is a pipe that holds less than half of it: the command cannot be through when we have read 600 lines."""
    os.mkfifo(log)
    words = ["2", "suppress_trace_headers"]
    killed = subprocess.Popen(command(dead, ours, "--log", str(log), words=words), stderr=subprocess.DEVNULL)
    with log.open() as pipe:
        lines = [pipe.readline() for _ in range(600)]
        status, running = poll(dead, ours)
        assert (status, running["state"]) == (4, "running")
        second = run(dead, ours)
        assert (second.returncode, second.stdout) == (1, "")
        assert f"an import of {dead} into {ours} runs" in second.stderr
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    return lines


def listed(folder: Path) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "momentum_node", "spool", "list", "--format", "json", "--spool", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_node_that_is_stopped_has_it_at_its_next_start(tmp_path: Path) -> None:
    dead, ours = tmp_path / "dead", tmp_path / "ours"
    dead_spool(dead, 20)
    dead_spool(ours, 6, first=100, created=CREATED - 5)  # others with the same ids: both nodes had the number 7

    done = run(dead, ours)

    assert done.returncode == 0
    assert "20 messages taken over, 0 were here already" in done.stdout
    assert listed(dead) == []
    assert len({str(one["id"]) for one in listed(ours)}) == 26


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("nothing", "there is no such spool folder to import"),
        ("no shards", "has no shard-NN in it"),
        ("a newer one", "which this version does not read"),
        ("our own", "is this node's own spool"),
        ("in use", "is its node still running?"),
    ],
)
def test_what_cannot_be_imported_is_told_and_left_alone(tmp_path: Path, made: str, told: str) -> None:
    ours = tmp_path / "ours"
    dead_spool(ours, 2)
    folder = tmp_path / "dead"
    match made:
        case "no shards":
            folder.mkdir()
        case "a newer one":
            dead_spool(folder, 2)
            (folder / "shard-01" / "shard.json").write_text('{"format": 99, "start": 1}')
        case "our own":
            folder = ours
        case "in use":
            dead_spool(folder, 2)
    lock = RealDisk().lock(str(folder / "shard-00" / "lock")) if made == "in use" else None
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.seg")}

    done = run(folder, ours)

    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.seg")} == before
    if lock is not None:
        lock.release()


def test_what_cannot_be_read_stays_and_is_named(tmp_path: Path) -> None:
    dead, ours = tmp_path / "dead", tmp_path / "ours"
    dead_spool(dead, 4, large=(1,))
    (dead / "shard-01" / "bodies" / "1.body").unlink()
    ours.mkdir()

    done = run(dead, ours)

    assert done.returncode == 3
    assert "3 messages taken over" in done.stdout
    assert "1 messages cannot be read and stay" in done.stderr
    assert len(listed(dead)) == 1
    assert len(listed(ours)) == 3


def test_copies_in_several_shards_that_are_read_at_once_are_taken_once(tmp_path: Path) -> None:
    dead, ours = tmp_path / "dead", tmp_path / "ours"
    dead_spool(dead, 1200)
    for number in (2, 4, 6):
        shutil.copytree(dead / "shard-00", dead / f"shard-{number:02d}")
    ours.mkdir()

    told = json.loads(run(dead, ours, "--format", "json", words=["5"]).stdout)

    assert (told["taken"], told["duplicates"], told["left"]) == (1200, 1800, 0)
    assert listed(dead) == []
    assert len({str(one["id"]) for one in listed(ours)}) == len(listed(ours)) == 1200


def test_what_became_of_an_import_is_known_when_its_folder_is_gone(tmp_path: Path) -> None:
    dead, ours = tmp_path / "dead", tmp_path / "ours"
    dead_spool(dead, 6)
    ours.mkdir()
    told = json.loads(run(dead, ours, "--format", "json", words=["2"]).stdout)
    shutil.rmtree(dead)

    assert poll(dead, ours) == (0, told)
    assert (told["state"], told["taken"], told["duplicates"]) == ("finished", 6, 0)
    shown = _run(command(dead, ours, action="import_poll"))
    assert shown.stdout.startswith(f"{dead}: finished\n")
    assert "6 messages taken over, 0 were here already" in shown.stdout

    unknown = _run(command(tmp_path / "other", ours, action="import_poll"))
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert f"no import of {tmp_path / 'other'} into {ours} was ever begun" in unknown.stderr
    assert f"{dead}: finished" in unknown.stderr


@pytest.mark.parametrize("word", ["0", "17", "supress_trace_headers"])
def test_what_stands_behind_the_folder_is_understood_or_named(tmp_path: Path, word: str) -> None:
    done = run(tmp_path, tmp_path, words=[word])
    assert (done.returncode, done.stdout) == (2, "")
    assert f"'{word}' is neither a number from 1 to 16" in done.stderr
    assert "suppress_trace_headers" in done.stderr
