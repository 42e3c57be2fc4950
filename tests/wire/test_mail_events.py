"""Every kind of event is told by a real worker: real sockets, a real spool, a next hop that says yes, later and no."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from momentum_node.logs.events import NO_ID, Delayed, Delivered, Failed, Received, Rejected
from momentum_node.logs.sink import Hub, Sink
from tests.support.nexthop import NextHop, next_hop
from tests.support.talk import Talk
from tests.support.tellingnode import TellingNode

pytestmark = pytest.mark.timeout(100)

MORE = """
Connect_Timeout_To_Delay = 0
Pathway_Group "partners" { Pathway "shop" { RFC2822_Date_Header = none } }
Binding_Group "bulk" { Binding "bulk-1" { Match_Domain = ( "shop.example" ) } }
"""
LISTENER = 'Pathway = "shop" Max_Inbound_Connections = 3'


class World:
    """A node and what is behind it."""

    def __init__(self, node: TellingNode, hop: NextHop) -> None:
        self.node, self.hop = node, hop
        self.told, self.heard = node.told, node.heard

    async def submit(self, *recipients: str) -> None:
        def run() -> None:
            with smtplib.SMTP("127.0.0.1", self.node.port, timeout=30) as client:
                client.sendmail("news@shop.example", list(recipients or ["ann@y.test"]), "Subject: x\r\n\r\nhello\r\n")

        await asyncio.to_thread(run)


@asynccontextmanager
async def telling(folder: Path, hop: NextHop, gateway: str) -> AsyncIterator[World]:
    node = TellingNode(folder, gateway, more=MORE, listener=LISTENER)
    await node.start()
    try:
        yield World(node, hop)
    finally:
        await node.stop()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with next_hop() as (hop, gateway), telling(tmp_path, hop, gateway) as made:
        yield made


async def test_a_reception_and_a_delivery(world: World) -> None:
    await world.submit()
    received: Received = await world.heard(Received)
    delivered: Delivered = await world.heard(Delivered)

    assert (received.sender, received.recipient, received.domain) == ("news@shop.example", "ann@y.test", "y.test")
    assert (received.group, received.binding, received.protocol) == ("bulk", "bulk-1", "esmtp")
    assert (received.peer, received.pathway, received.pathway_group) == ("127.0.0.1", "shop", "partners")
    assert received.size == len(world.hop.content[0])
    assert (delivered.id, delivered.batch, delivered.group) == (received.id, received.id, "bulk")
    assert (delivered.remote, delivered.retries, delivered.reply) == ("127.0.0.1", 0, "250 taken")
    assert 0 <= delivered.queued_s < 60
    assert NO_ID not in {received.connection, delivered.connection}
    assert received.connection != delivered.connection


async def test_all_recipients_of_a_transaction_are_one_batch(world: World) -> None:
    await world.submit("ann@y.test", "bob@y.test")
    await world.node.until(lambda: sum(isinstance(one, Delivered) for one in world.told) == 2)
    events = [one for one in world.told if isinstance(one, Received | Delivered)]
    assert {one.batch for one in events} == {events[0].id}
    assert len({one.id for one in events}) == 2
    assert len({one.connection for one in events if isinstance(one, Received)}) == 1


async def test_a_transient_failure(world: World) -> None:
    world.hop.first_answers = ["452 4.2.2 mailbox full"]
    await world.submit()
    delayed: Delayed = await world.heard(Delayed)
    assert (delayed.stage, delayed.sent, delayed.classification) == (5, 0, 22)
    assert (delayed.remote, delayed.reply, delayed.retries) == ("127.0.0.1", "452 4.2.2 mailbox full", 0)


async def test_a_failure_for_good_and_the_bounce_that_it_makes(world: World) -> None:
    world.hop.first_answers = ["550 5.1.1 no such user"]
    await world.submit()
    failed: Failed = await world.heard(Failed)
    assert (failed.stage, failed.classification, failed.reply) == (5, 10, "550 5.1.1 no such user")
    await world.heard(Delivered)
    bounce = next(one for one in world.told if isinstance(one, Received) and one.protocol == "internal")
    assert (bounce.sender, bounce.recipient, bounce.peer) == ("", "news@shop.example", "")


async def test_a_next_hop_that_is_not_there(tmp_path: Path) -> None:
    async with telling(tmp_path, NextHop(), "127.0.0.1:9") as world:
        await world.submit()
        delayed: Delayed = await world.heard(Delayed)
    assert (delayed.stage, delayed.connection, delayed.remote) == (0, NO_ID, "")
    assert "[internal]" in delayed.reply


async def test_a_refused_recipient_with_what_the_session_has_come_to(world: World) -> None:
    talk = await Talk.to(world.node.port)
    for line in ("EHLO pc7", "MAIL FROM:<news@shop.example>", "RCPT TO:<no address>"):
        await talk.say(line)
    talk.close()
    rejected: Rejected = await world.heard(Rejected)
    assert (rejected.phase, rejected.code, rejected.module) == ("awaiting rcptto", 553, "core")
    assert rejected.text == "553 5.1.3 malformed address"
    assert rejected.peer.startswith("127.0.0.1:")
    assert rejected.local == f"127.0.0.1:{world.node.port}"
    assert (rejected.pathway, rejected.pathway_group) == ("shop", "partners")
    assert rejected.connection_context["ehlo_string"] == "EHLO pc7"
    assert rejected.connection_context["can_relay"] == "true"
    assert rejected.message_context["mailfrom_domain"] == "shop.example"
    assert rejected.message_context["rcptto_string"] == "RCPT TO:<no address>"


async def test_a_client_that_is_turned_away_at_the_door(world: World) -> None:
    talks = [await Talk.to(world.node.port) for _ in range(4)]
    rejected: Rejected = await world.heard(Rejected)
    assert (rejected.phase, rejected.code) == ("concurrency limit", 421)
    for talk in talks:
        talk.close()


def test_nothing_is_made_of_what_nobody_listens_to() -> None:
    hub, sink = Hub(), Sink(most=2)
    assert not hub.wants(Rejected)
    hub.listen(sink.put, [Rejected])
    assert (hub.wants(Rejected), hub.wants(Delivered)) == (True, False)
    one = Rejected(0.0, "", "", NO_ID, "connect", 421, "421 no")
    for _ in range(3):
        hub.emit(one)
    assert (sink.lost, sink.take(1), sink.take(), len(sink)) == (1, [one], [one], 0)
    hub.unlisten(sink.put)
    assert not hub.wants(Rejected)
