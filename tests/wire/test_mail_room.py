"""A spool without room: clients and other nodes hear 4yz, what is there is delivered, and nothing is lost."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from momentum_node.mmove.metadata import Block, Passenger
from momentum_node.mmove.receiver import FULL, TAKEN
from momentum_node.mmove.sender import Answered, Letter, Sender
from momentum_node.mmove.taking import Taking
from momentum_node.spool.disk import RealDisk
from momentum_node.spool.message import Envelope, Message
from momentum_node.spool.room import RESERVE_BYTES, Room
from momentum_node.spool.store import Store
from tests.support.nexthop import next_hop
from tests.support.talk import Talk
from tests.support.tellingnode import TellingNode

pytestmark = pytest.mark.timeout(60)
GIB = 1 << 30


def disk(size: int, free: int) -> Room:
    """A room on a disk of so many bytes."""
    return Room(Path(), lambda _: cast("os.statvfs_result", SimpleNamespace(f_blocks=size, f_bavail=free, f_frsize=1)))


@pytest.mark.parametrize(
    ("size", "free", "is_full"),
    [(100 * GIB, RESERVE_BYTES, False), (100 * GIB, RESERVE_BYTES - 1, True), (GIB, GIB // 20, False),
     (GIB, GIB // 20 - 1, True)],
)  # fmt: skip
def test_a_disk_is_full_while_there_is_room_for_ends_of_messages(size: int, free: int, is_full: bool) -> None:
    assert disk(size, free).is_full == is_full


ROOMS = {
    "disk": disk(GIB, 0),
    "memory": Room(Path(), is_short=lambda: True),
}


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
async def test_clients_hear_it_at_the_door_or_after_their_message(tmp_path: Path, room: Room) -> None:
    async with next_hop() as (hop, gateway):
        node = TellingNode(tmp_path, gateway)
        await node.start()
        try:
            inside = await Talk.to(node.port)
            await inside.say("EHLO pc7")
            node.worker.room = room
            outside = await Talk.to(node.port)
            assert outside.greeting == "421 4.3.4 allocated resources exceeded"
            outside.close()
            await inside.begins()
            assert await inside.ends("full") == "451 4.3.0 transaction failed"
            node.worker.room = Room(tmp_path)
            await inside.begins()
            assert (await inside.ends("room again")).startswith("250 ")
            await node.until(lambda: hop.content)
            assert b"room again" in hop.content[0]
            inside.close()
        finally:
            await node.stop()


class Wire:
    """What a session writes to."""

    def __init__(self) -> None:
        self.said = b""

    def write(self, data: bytes) -> None:
        self.said += data

    def close(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(RealDisk(), str(tmp_path / "shard-00"), 0, on_unreadable=lambda _: None)
    await made.open(1)
    await made.recover(lambda _: None)
    yield made
    await made.close()


@pytest.mark.parametrize("size", [100, 300_000])
async def test_another_node_hears_452_and_comes_again(tmp_path: Path, store: Store, size: int) -> None:
    """mta §13: the receiver is full, the sender backs off; large messages, which get a file, too."""
    taken: list[Message] = []
    is_full = True
    wire, sender = Wire(), Sender("n1")
    session = Taking(store, "n2", ThreadPoolExecutor(1), taken.extend, lambda _: None, lambda: is_full)
    session.connection_made(wire)  # type: ignore[arg-type]

    async def talk() -> list[object]:
        """Until the sender has heard something."""
        heard: list[object] = []
        while not heard:
            if up := sender.output():
                session.data_received(up)
            down, wire.said = wire.said, b""
            heard += sender.receive(down)
            await asyncio.sleep(0.01)
        return heard

    await talk()
    envelope = Envelope(1000.0, "a@x.test", size)
    letter = Letter(Block(envelope, (Passenger("1", 1, 0, 0.0, "b", "y.test"),)), ("b@y.test",), b"x" * size)
    for is_full, answer in ((True, FULL), (False, TAKEN)):  # noqa: B007 - the session asks for it
        sender.offer(letter)
        assert await talk() == [Answered(letter, answer)]
    assert [one.id for one in taken] == ["1"]
    assert len(list((tmp_path / "shard-00" / "bodies").iterdir())) == (size > 131_072)
