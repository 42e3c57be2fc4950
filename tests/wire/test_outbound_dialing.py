"""What a dialer tells the other workers of a host, and what it makes of what they tell."""

import asyncio
import socket
from typing import cast

import pytest

from momentum_node.limits.grants import Grant
from momentum_node.smtp.hosts import Silence
from momentum_node.smtp.resolver import Resolver
from momentum_node.spool.dialing import Dialer
from momentum_node.spool.leases import Leases
from momentum_node.spool.line import Line
from momentum_node.spool.schedule import Key, Queue
from momentum_node.spool.siblings import Siblings
from momentum_node.worker_link import Frame, HostRests
from tests.support.configuration import loaded
from tests.support.errand import Errand

pytestmark = pytest.mark.timeout(60)


class Freely:
    """Grants every connection."""

    def __init__(self) -> None:
        self.granted = self.given_back = 0

    async def connection(self, _line: Line, hosts: tuple[str, ...]) -> Grant:
        self.granted += 1
        return Grant(self.granted, hosts[0])

    def release(self, _grant: Grant) -> None:
        self.given_back += 1


class Worker:
    """A dialer, and what it said."""

    def __init__(self) -> None:
        self.said: list[Frame] = []
        self.leases = Freely()
        self.dialer = Dialer(Errand(), Resolver(), cast("Leases", self.leases), Siblings({}), self.said.append)

    async def dial(self, line: Line) -> object:
        return await self.dialer.dial(line, line.way)


def to_nobody() -> Line:
    """A queue whose only host listens no more."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        gateway = f"127.0.0.1:{free.getsockname()[1]}"
    return Line.of(Queue(Key("default", gateway, is_gateway=True)), loaded("Host_Failure_Retry = 77"))


async def test_a_host_that_fails_one_worker_is_left_alone_by_the_other() -> None:
    finder, other, line = Worker(), Worker(), to_nobody()
    silence = await finder.dial(line)
    assert isinstance(silence, Silence)
    assert silence.why.text == "451 4.4.1 [internal] 127.0.0.1: Connection refused"
    (told,) = finder.said
    assert told == HostRests("127.0.0.1", 77.0, 451, "4.4.1", "[internal] 127.0.0.1: Connection refused")
    assert (finder.leases.granted, finder.leases.given_back) == (1, 1)

    other.dialer.heed(told)
    same = await other.dial(line)
    assert isinstance(same, Silence)
    assert same.why == silence.why
    assert other.leases.granted == 0
    assert other.said == []

    other.dialer.heed(HostRests("127.0.0.1", 0.0))
    await other.dial(line)
    assert other.leases.granted == 1


async def test_a_host_that_is_tried_in_vain_by_many_is_told_once() -> None:
    worker, line = Worker(), to_nobody()
    await asyncio.gather(*(worker.dial(line) for _ in range(5)))
    assert len(worker.said) == 1
