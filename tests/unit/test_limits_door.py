"""A worker's clients as its core hears of them: at once or collected, and after a core that went away."""

import asyncio
from ipaddress import ip_address

import pytest

from momentum_node import worker_link as wire
from momentum_node.limits.desk import Desk
from momentum_node.limits.door import CoreGone, Door
from momentum_node.limits.sessions import Limits, Session

ONE = Limits(block=1, prefix_length=32)


def client(address: str = "192.0.2.1") -> Session:
    return Session(ip_address(address), "any:25")


class Pair:
    """A door and the desk of its core, joined without a socket."""

    def __init__(self) -> None:
        self.frames: list[wire.Frame] = []
        self.door = Door(self.carry)
        self.desk: Desk | None = None
        self.core_returns()

    def carry(self, frame: wire.Frame) -> None:
        self.frames.append(frame)
        if self.desk is not None:
            assert isinstance(frame, wire.Knock | wire.Sessions)
            self.desk.hear(1, frame)

    def tell(self, _link: int, frame: wire.Answer) -> None:
        assert isinstance(frame, wire.Admitted | wire.Refused)
        asyncio.get_running_loop().call_soon(self.door.hear, frame)

    def core_returns(self) -> None:
        self.desk = Desk(self.tell)
        self.door.core_is_back()

    def core_dies(self) -> None:
        self.desk = None
        self.door.core_lost()


async def test_where_nothing_limits_the_core_is_told_once_for_many() -> None:
    pair = Pair()
    numbers = [pair.door.arrive(client()) for _ in range(1200)]
    pair.door.leave(numbers[0])
    assert pair.frames == []
    await asyncio.sleep(0)
    assert [len(frame.arrived) for frame in pair.frames if isinstance(frame, wire.Sessions)] == [500, 500, 199, 0]
    assert pair.desk is not None
    assert len(pair.desk.sessions) == 1199


async def test_who_leaves_makes_room_for_who_comes_in_the_same_breath() -> None:
    pair = Pair()
    number = await pair.door.knock(client(), ONE)
    assert number is not None
    assert await pair.door.knock(client(), ONE) is None
    pair.door.leave(number)
    assert await pair.door.knock(client(), ONE) is not None


async def test_a_client_that_does_not_wait_for_the_answer_does_not_count() -> None:
    pair = Pair()
    asking = asyncio.create_task(pair.door.knock(client(), ONE))
    await asyncio.sleep(0)  # asked, not answered
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert pair.desk is not None
    assert len(pair.desk.sessions) == 0


async def test_the_next_core_counts_those_who_came_before_it() -> None:
    pair = Pair()
    number = await pair.door.knock(client(), ONE)
    pair.core_dies()
    with pytest.raises(CoreGone):
        await pair.door.knock(client(), ONE)
    pair.core_returns()
    assert await pair.door.knock(client(), ONE) is None
    assert number is not None
    pair.door.leave(number)
    assert await pair.door.knock(client(), ONE) is not None


async def test_who_asks_a_core_that_dies_is_told() -> None:
    pair = Pair()
    pair.desk = None  # it hears nothing any more
    asking = asyncio.create_task(pair.door.knock(client(), ONE))
    await asyncio.sleep(0)
    pair.core_dies()
    with pytest.raises(CoreGone):
        await asking
