"""What a dialer tells the other workers of a host or a name, and what it makes of what they tell."""

import asyncio
import socket
from contextlib import ExitStack
from typing import cast

import pytest

from momentum_node.findings import HostRests, LookupFails
from momentum_node.limits.grants import Grant
from momentum_node.smtp.hosts import Silence
from momentum_node.smtp.outbound import CONNECT_TIMED_OUT, Connection
from momentum_node.smtp.reply import reply
from momentum_node.smtp.resolver import Resolver
from momentum_node.smtp.routes import LOOKUP_FAILED, NO_HOST, NoRoute, Target
from momentum_node.smtp.terms import Terms
from momentum_node.spool.dialing import Dialer
from momentum_node.spool.leases import Leases
from momentum_node.spool.line import Line
from momentum_node.spool.schedule import Key, Queue
from momentum_node.spool.siblings import Siblings
from momentum_node.worker_link import MAX_FRAME_BYTES, Frame, encode
from tests.support.configuration import loaded
from tests.support.errand import Errand
from tests.support.nameserver import name_server

pytestmark = pytest.mark.timeout(60)


class Freely:
    """Grants every connection."""

    def __init__(self) -> None:
        self.granted = self.given_back = 0
        self.headed: list[str] = []

    async def connection(self, _line: Line, hosts: tuple[str, ...]) -> Grant:
        self.granted += 1
        return Grant(self.granted, hosts[0])

    def heads(self, _grant: Grant, address: str) -> None:
        self.headed.append(address)

    def release(self, _grant: Grant) -> None:
        self.given_back += 1


class Worker:
    """A dialer, and what it said."""

    def __init__(self, resolver: Resolver | None = None) -> None:
        self.said: list[Frame] = []
        self.leases = Freely()
        self.dialer = Dialer(
            Errand(), resolver or Resolver(), cast("Leases", self.leases), Siblings({}), self.said.append
        )

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


async def test_failures_in_a_row_are_those_of_all_workers() -> None:
    worker, line = Worker(), to_nobody()
    worker.dialer.heed(HostRests("127.0.0.1", 77.0, 451, "4.4.1", "[internal] Connection refused", 6))
    silence = await worker.dial(line)
    assert isinstance(silence, Silence)
    assert (silence.failures, worker.leases.granted) == (6, 0)


async def test_names_that_are_asked_for_in_vain_are_counted_by_all_workers() -> None:
    async with name_server({}, {("lost.test.", "MX")}) as (_, port):
        finder, other = Worker(Resolver(["127.0.0.1"], port)), Worker(Resolver(["127.0.0.1"], port))
        line = Line.of(Queue(Key("default", "lost.test")), loaded("MX_Failures_Fallback_To_A = 1"))
        assert await finder.dial(line) == NoRoute(LOOKUP_FAILED, 1)
        (told,) = finder.said
        assert told == LookupFails("lost.test", 1, 1)
        other.dialer.heed(told)
        assert await other.dial(line) == NoRoute(NO_HOST)  # it had one question left, and asks for the address
        assert other.said == [LookupFails("lost.test", 2, 0)]


async def test_a_host_that_says_nothing_is_given_up_after_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, ExitStack() as stack:
        for _ in range(4):  # nobody accepts them, and there is no room for another one
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        gateway = f"127.0.0.1:{deaf.getsockname()[1]}"
        line = Line.of(Queue(Key("default", gateway, is_gateway=True)), loaded("Connect_Timeout = 1"))
        silence = await Worker().dial(line)
    assert isinstance(silence, Silence)
    assert silence.why == CONNECT_TIMED_OUT


@pytest.mark.parametrize(("text", "tried"), [("", {"127.0.0.1"}), ("Use_IPv6 = true", {"127.0.0.1", "::1"})])
async def test_addresses_of_ipv6_are_tried_where_they_are_wanted(text: str, tried: set[str]) -> None:
    zone = {("both.test.", "A"): ["127.0.0.1"], ("both.test.", "AAAA"): ["::1"]}
    async with name_server(zone) as (_, port):
        worker = Worker(Resolver(["127.0.0.1"], port))
        lookup = loaded(f"{text} Remote_SMTP_Port = 1")
        worker.dialer.configure(lookup, "mx.test", frozenset())
        await worker.dial(Line.of(Queue(Key("default", "both.test")), lookup))
    assert {one.address for one in worker.said if isinstance(one, HostRests)} == tried
    assert set(worker.leases.headed) == tried


@pytest.mark.parametrize(("text", "questions"), [("", 2), ("Max_DNS_TTL = 0", 4), ("Min_DNS_TTL = 60", 2)])
async def test_answers_are_kept_as_the_configuration_says(text: str, questions: int) -> None:
    zone = {("kept.test.", "MX"): ["10 kept.test."], ("kept.test.", "A"): ["127.0.0.1"]}
    async with name_server(zone) as (server, port):
        server.ttl = 0 if "Min" in text else 300
        worker = Worker(Resolver(["127.0.0.1"], port))
        lookup = loaded(f"{text} Remote_SMTP_Port = 1")
        worker.dialer.configure(lookup, "mx.test", frozenset())
        for _ in range(2):
            await worker.dial(Line.of(Queue(Key("default", "kept.test")), lookup))
        assert server.questions == questions


async def test_a_host_cannot_say_so_much_that_it_fits_into_no_frame() -> None:
    worker, line = Worker(), to_nobody()
    connection = Connection(Errand(), Target("192.0.2.1", 25, "mx", 0), line.options, Terms("me.test"), None)
    worker.dialer.failed(connection, line.way, reply(554, "", "\N{REPLACEMENT CHARACTER}" * 65_000))
    (told,) = worker.said
    assert isinstance(told, HostRests)
    assert told.text.startswith("\N{REPLACEMENT CHARACTER}")
    assert len(encode(told)) < MAX_FRAME_BYTES
