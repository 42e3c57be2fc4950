"""The core's end of the worker link, with real sockets: who gets what, and who counts as accepting."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

import pytest

from momentum_node import worker_link as wire
from momentum_node.findings import HostRests, LookupFails
from momentum_node.workers import SILENCE_S, Workers
from tests.support.mailnode import hand_over

VIP = ip_address("198.18.0.41")
BEAT = wire.Heartbeat(accepting=True, sessions=0, queued=0, received=0, delivered=0, failed=0)


class FakeWorker:
    """The other end: connects, says hello, reads frames."""

    sockets: ClassVar[list[socket.socket]] = []

    def __init__(self, path: Path, index: int = 0) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sockets.append(self.sock)
        self.sock.connect(str(path))
        self.sock.setblocking(False)
        self.say(wire.Hello(index, os.getpid()))

    def say(self, frame: wire.Frame) -> None:
        wire.send_frame(self.sock, frame)

    async def hear(self) -> wire.Frame | None:
        async with asyncio.timeout(2):
            while True:
                try:
                    received = wire.receive_frame(self.sock)
                except BlockingIOError:
                    await asyncio.sleep(0.001)
                    continue
                if received is not None and received[1] is not None:
                    os.close(received[1])
                return received[0] if received else None


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[Workers, Path]]:
    workers = Workers("n1", 7, frozenset({os.getuid()}), lambda: None)
    workers.listen(tmp_path / "core.sock")
    yield workers, tmp_path / "core.sock"
    workers.close()
    for sock in FakeWorker.sockets:
        sock.close()
    FakeWorker.sockets.clear()


async def test_a_worker_that_comes_later_gets_every_open_socket(door: tuple[Workers, Path]) -> None:
    workers, path = door
    listening = socket.create_server(("127.0.0.1", 0))
    await workers.start(VIP, [(25, listening)])
    worker = FakeWorker(path)
    assert [await worker.hear() for _ in range(3)] == [
        wire.Welcome("n1", 7),
        wire.AddressGained(str(VIP)),
        wire.Listen(str(VIP), 25, duravip=True),
    ]


async def test_stop_waits_until_every_worker_is_quiet_and_then_until_every_one_released_the_address(
    door: tuple[Workers, Path],
) -> None:
    workers, path = door
    first, second = FakeWorker(path, 0), FakeWorker(path, 1)
    await first.hear()
    await second.hear()
    stopping = asyncio.create_task(hand_over(workers, VIP, 5.0))
    assert await first.hear() == wire.AddressLeaves(str(VIP), 2.5)
    first.say(wire.Quiet(str(VIP)))
    with pytest.raises(TimeoutError):  # nobody is to turn clients away while the other one is not quiet
        await asyncio.wait_for(first.hear(), 0.1)
    second.say(wire.Quiet(str(VIP)))
    lost = await first.hear()
    assert isinstance(lost, wire.AddressLost)
    assert 4.0 < lost.grace_s < 5.0
    first.say(wire.Released(str(VIP)))
    await asyncio.sleep(0.05)
    assert not stopping.done()
    second.say(wire.Released(str(VIP)))
    await asyncio.wait_for(stopping, 1)


async def test_a_worker_that_dies_releases_what_it_owed(door: tuple[Workers, Path]) -> None:
    workers, path = door
    worker = FakeWorker(path)
    await worker.hear()
    stopping = asyncio.create_task(hand_over(workers, VIP, 5.0))
    await worker.hear()
    worker.sock.close()
    await asyncio.wait_for(stopping, 1)


async def test_a_silent_worker_does_not_count_as_accepting(door: tuple[Workers, Path]) -> None:
    workers, path = door
    worker = FakeWorker(path)
    worker.say(BEAT)
    await worker.hear()
    await asyncio.sleep(0.05)
    assert workers.are_accepting()
    await asyncio.sleep(SILENCE_S)
    assert not workers.are_accepting()


async def test_a_frame_that_workers_do_not_say_ends_the_connection(door: tuple[Workers, Path]) -> None:
    _, path = door
    worker = FakeWorker(path)
    await worker.hear()
    worker.say(wire.Reload("x"))
    assert await worker.hear() is None


async def test_a_stranger_is_turned_away_by_uid(tmp_path: Path) -> None:
    workers = Workers("n1", 7, frozenset({65_000}), lambda: None)
    workers.listen(tmp_path / "core.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.connect(str(tmp_path / "core.sock"))
        await asyncio.sleep(0.05)
        assert stranger.recv(10) == b""
    workers.close()


async def test_a_new_generation_takes_back_the_ports_it_has_no_listener_for(door: tuple[Workers, Path]) -> None:
    workers, _ = door
    for port in (25, 587):
        await workers.start(VIP, [(port, socket.create_server(("127.0.0.1", 0)))])
    workers.open(wire.Listen("", 2525, duravip=False), socket.create_server(("127.0.0.1", 0)))
    workers.close_ports({str(VIP): frozenset({25})})
    assert [workers.has(address, port) for address, port in ((str(VIP), 25), (str(VIP), 587), ("", 2525))] == [
        True,
        False,
        True,
    ]


async def test_what_one_worker_finds_of_a_next_hop_or_a_name_the_others_are_told(door: tuple[Workers, Path]) -> None:
    finder, other = FakeWorker(door[1]), FakeWorker(door[1], 1)
    for worker in (finder, other):
        assert isinstance(await worker.hear(), wire.Welcome)
    found = HostRests("192.0.2.1", 120.0, 451, "4.4.1", "[internal] Connection refused")
    finder.say(found)
    assert await other.hear() == found
    finder.say(LookupFails("y.test", 3, 1))
    assert await other.hear() == LookupFails("y.test", 3, 1)
    finder.say(wire.Hello(0, 1))
    assert isinstance(await finder.hear(), wire.Welcome)  # and nothing of its own came back before it


async def test_a_worker_that_reads_late_is_told_of_every_address(door: tuple[Workers, Path]) -> None:
    workers, path = door
    addresses = [ip_address(int(VIP) + number) for number in range(5000)]
    worker = FakeWorker(path)
    await worker.hear()
    for address in addresses:
        await workers.start(address, [])
    assert [await worker.hear() for _ in addresses] == [wire.AddressGained(str(one)) for one in addresses]


async def test_a_worker_that_comes_later_knows_what_the_others_have_found(door: tuple[Workers, Path]) -> None:
    finder, other = FakeWorker(door[1]), FakeWorker(door[1], 1)
    for worker in (finder, other):
        assert isinstance(await worker.hear(), wire.Welcome)
    back, lost = HostRests("192.0.2.2", 99.0), LookupFails("lost.test", 3, 1)
    for found in (HostRests("192.0.2.1", 120.0, failures=4), back, lost, LookupFails("y.test", 1, 1)):
        finder.say(found)
        assert await other.hear() == found
    for found in (HostRests("192.0.2.2", 0.0), LookupFails("y.test", 0, 0)):
        finder.say(found)
        assert await other.hear() == found
    late = FakeWorker(door[1], 2)
    assert isinstance(await late.hear(), wire.Welcome)
    rests = await late.hear()
    assert isinstance(rests, HostRests)
    assert (rests.address, rests.failures) == ("192.0.2.1", 4)
    assert 60 < rests.rest_s <= 120
    assert await late.hear() == lost
    door[0].refresh("lost.test")
    later = FakeWorker(door[1], 3)
    assert [type(await later.hear()) for _ in range(2)] == [wire.Welcome, HostRests]
    later.say(wire.Hello(3, 1))
    assert isinstance(await later.hear(), wire.Welcome)  # nothing more of a name that is asked for anew
