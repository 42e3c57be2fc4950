"""The core's end of the link to its supervisor: what is sent when, and what is not sent any more."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest

from momentum_node.duravip.link import ANSWERS_PER_TURN, SupervisorError, SupervisorLink
from momentum_node.duravip.records import Kind, Record, receive_records, send_records

VIPS = [ip_address("192.0.2.0") + number for number in range(1, 201)]


class Stage:
    """A link, and the end of it that a supervisor has."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.theirs.setblocking(False)
        self.link = SupervisorLink(ours)

    def asked(self) -> list[Record]:
        """What has arrived there since the last call."""
        found = []
        try:
            while (received := receive_records(self.theirs)) is not None:
                found += received[0]
        except BlockingIOError:
            pass
        return found

    async def turns(self, count: int) -> None:
        """Let the loop turn."""
        for _ in range(count):
            await asyncio.sleep(0)

    def close(self) -> None:
        self.link.close()
        self.theirs.close()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    made.close()


async def test_what_is_asked_for_in_one_turn_goes_together_in_its_order(stage: Stage) -> None:
    asked = [stage.link.plumb("eth0", VIPS[0], 32), stage.link.announce(VIPS[0]), stage.link.unplumb(VIPS[1])]
    assert not stage.asked()
    await stage.turns(2)
    assert [record.kind for record in stage.asked()] == [Kind.ADD, Kind.ANNOUNCE, Kind.REMOVE]
    assert not any(future.done() for future in asked)


async def test_a_heartbeat_goes_first_and_at_once(stage: Stage) -> None:
    stage.link.look()
    stage.link.heartbeat()
    assert [record.kind for record in stage.asked()] == [Kind.HEARTBEAT, Kind.LOOK]


async def test_what_nobody_waits_for_any_more_is_not_carried_out(stage: Stage) -> None:
    lost = stage.link.plumb("eth0", VIPS[0], 32)
    kept = stage.link.plumb("eth0", VIPS[1], 32)
    lost.cancel()
    await stage.turns(2)
    (record,) = stage.asked()
    assert record.address == VIPS[1].packed
    send_records(stage.theirs, [Record(Kind.REPLY, id=record.id)])
    await asyncio.wait_for(kept, 1)


async def test_a_thousand_answers_do_not_keep_the_loop_from_turning(stage: Stage) -> None:
    asked = [stage.link.announce(vip) for vip in VIPS]
    await stage.turns(2)
    for record in stage.asked():
        send_records(stage.theirs, [Record(Kind.REPLY, id=record.id)])
    done = [0]
    while done[-1] < len(VIPS):
        await stage.turns(1)
        done.append(sum(future.done() for future in asked))
    assert max(after - before for before, after in itertools.pairwise(done)) <= ANSWERS_PER_TURN


async def test_a_link_that_ended_refuses(stage: Stage) -> None:
    waiting = stage.link.probe("eth0", VIPS[0])
    stage.link.close()
    for refused in (waiting, stage.link.probe("eth0", VIPS[1])):
        with pytest.raises(SupervisorError, match=r"192\.0\.2\.\d cannot be asked for on eth0: the supervisor is gone"):
            await refused
