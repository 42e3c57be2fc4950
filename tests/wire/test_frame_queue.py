"""Frames that a link does not take at once: none is lost, none comes before another, descriptors travel along."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from momentum_node import framequeue
from momentum_node import worker_link as wire
from momentum_node.framequeue import FrameQueue

pytestmark = pytest.mark.timeout(60)
MANY = 10_000


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


async def heard(sock: socket.socket) -> tuple[wire.Frame, int | None] | None:
    """The next frame, as soon as it is there."""
    while True:
        try:
            return wire.receive_frame(sock)
        except BlockingIOError:
            await asyncio.sleep(0)


async def test_who_reads_late_gets_everything_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    queue = FrameQueue(pair[0])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for number in range(MANY):
            queue.send(wire.AddressGained(str(number)))
        queue.send(wire.Listen("", 25, duravip=False), listening.fileno())
        name = listening.getsockname()
    for number in range(MANY):
        assert await heard(pair[1]) == (wire.AddressGained(str(number)), None)
    last = await heard(pair[1])
    assert last is not None
    assert last[1] is not None
    with socket.socket(fileno=last[1]) as copy:
        assert copy.getsockname() == name  # although the one that was sent is closed
    queue.send(wire.Reload("x"))
    assert await heard(pair[1]) == (wire.Reload("x"), None)


async def test_a_link_that_ends_keeps_no_descriptors(pair: tuple[socket.socket, socket.socket]) -> None:
    queue = FrameQueue(pair[0])
    reading, writing = os.pipe()
    for number in range(MANY):
        queue.send(wire.AddressGained(str(number)))
    queue.send(wire.Listen("", 25, duravip=False), writing)
    os.close(writing)
    queue.close()
    assert os.read(reading, 1) == b""  # nobody has the other end any more
    os.close(reading)


def fill(queue: FrameQueue) -> None:
    for _ in range(MANY):
        queue.send(wire.Reload("x" * 1000))


async def test_who_never_reads_is_given_up(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framequeue, "MOST", 100)
    queue = FrameQueue(pair[0])
    with pytest.raises(BlockingIOError):
        fill(queue)
    queue.give_up()
    queue.close()
    while (received := await heard(pair[1])) is not None:
        assert received[0] == wire.Reload("x" * 1000)
