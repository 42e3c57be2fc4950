"""Options of delivery, each by what a running node does because of it."""

import asyncio
import smtplib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import ClassVar

import pytest
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

from tests.support.mailnode import MailNode, mail_node
from tests.support.nexthop import NextHop, next_hop
from tests.support.storedmail import Stay, stored

pytestmark = pytest.mark.timeout(120)
Start = Callable[[str], Awaitable[MailNode]]


@pytest.fixture
async def hop() -> AsyncIterator[tuple[NextHop, str]]:
    async with next_hop() as started:
        yield started


@pytest.fixture
async def start(hop: tuple[NextHop, str], tmp_path: Path) -> AsyncIterator[Start]:
    """A node with these options; `{hop}` in them is the next hop."""
    async with AsyncExitStack() as stack:
        yield lambda more: stack.enter_async_context(mail_node(tmp_path, hop[1], more.replace("{hop}", hop[1])))


def closed(address: str) -> str:
    """Where nobody listens."""
    with socket.create_server((address, 0)) as free:
        return f"{address}:{free.getsockname()[1]}"


async def test_a_transaction_has_so_many_recipients(start: Start, hop: tuple[NextHop, str]) -> None:
    node = await start("Max_Recipients_Per_Batch = 2 Max_Outbound_Connections = 1")

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", node.port, timeout=30) as client:
            client.sendmail("a@x.test", [f"{name}@y.test" for name in "bcdef"], "Subject: five\r\n\r\nhi\r\n")

    await asyncio.to_thread(send)
    await node.until(lambda: len(hop[0].recipients) == 3)
    assert sorted(map(len, hop[0].recipients)) == [1, 2, 2]
    assert {one for batch in hop[0].recipients for one in batch} == {f"{name}@y.test" for name in "bcdef"}


async def test_who_was_one_too_many_goes_at_once_in_the_next_transaction(
    start: Start, hop: tuple[NextHop, str]
) -> None:
    """RFC 5321 §4.5.3.1.10: the same connection, no try counted, and no more recipients than the server has shown."""
    node = await start("Max_Outbound_Connections = 1")
    hop[0].first_answers = ["250 ok"] * 2 + ["452 4.5.3 too many recipients"] * 3

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", node.port, timeout=30) as client:
            client.sendmail("a@x.test", [f"{name}@y.test" for name in "bcdef"], "Subject: five\r\n\r\nhi\r\n")

    await asyncio.to_thread(send)
    await node.until(lambda: sum(map(len, hop[0].recipients)) == 5)
    assert hop[0].recipients == [["b@y.test", "c@y.test"], ["d@y.test", "e@y.test"], ["f@y.test"]]
    assert all(session is hop[0].sessions[0] for session in hop[0].sessions)
    await node.until(lambda: node.core.report()["delivered"] == 5)
    assert node.core.report()["queued"] == 0


@pytest.mark.parametrize(
    "option", ["MX_Failures_To_Delay = 2", "MX_Failures_To_Delay = 0 Connect_Timeout_To_Delay = 2"]
)
async def test_mail_for_a_domain_that_nobody_reaches_is_delayed(start: Start, option: str) -> None:
    gateway = closed("127.0.0.2")
    node = await start(f'Domain y.test {{ Routes = ( "{gateway}" ) Host_Failure_Retry = 1 {option} }}')
    await node.submit("nobody")
    await node.until(lambda: '"retries": 1' in node.listed())


async def test_a_reload_leads_waiting_mail_to_a_host_that_answers(start: Start, hop: tuple[NextHop, str]) -> None:
    node = await start(f'Domain y.test {{ Gateway = "{closed("127.0.0.2")}" }}')
    await node.submit("waits")
    assert '"retries": 0' in node.listed()
    node.configure(hop[1])
    node.core.reload("2")
    await node.until(lambda: len(hop[0].content) == 1)


async def test_routes_are_tried_in_their_order(start: Start, hop: tuple[NextHop, str]) -> None:
    routes = f'( "smtp://{closed("127.0.0.2")}?pref=10&type=a" "smtp://{{hop}}?pref=20" )'
    node = await start(f'Domain y.test {{ Gateway = "" Routes = {routes} }}')
    await node.submit("second choice")
    await node.until(lambda: len(hop[0].content) == 1)


async def test_prohibited_hosts_are_not_connected_to(start: Start, hop: tuple[NextHop, str]) -> None:
    node = await start('Prohibited_Hosts = ( "127.0.0.0/8" ) Generate_Bounces = false')
    await node.submit("inside")
    await node.until(lambda: node.core.report()["failed"] == 1)
    assert hop[0].content == []


async def test_an_mx_record_that_is_ourselves_is_a_loop(start: Start, hop: tuple[NextHop, str]) -> None:
    node = await start('Domain y.test { Gateway = "" } Generate_Bounces = false')

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", node.port, timeout=30) as client:
            client.sendmail("a@x.test", ["b@[127.0.0.1]"], "Subject: loop\r\n\r\nhi\r\n")

    node.configure("", more="Generate_Bounces = false")
    node.core.reload("2")
    await asyncio.to_thread(send)
    await node.until(lambda: node.core.report()["failed"] == 1)
    assert hop[0].content == []


async def test_mail_of_a_queue_that_stands_still_expires(start: Start, hop: tuple[NextHop, str]) -> None:
    node = await start("Suspend_Delivery = true Message_Expiration = 1 Generate_Bounces = false")
    await node.submit("too old")
    await node.until(lambda: node.core.report()["failed"] == 1)
    assert hop[0].content == []


async def test_an_old_message_expires_behind_a_young_one(tmp_path: Path) -> None:
    """Also one whose next try was put down when mail lived longer."""
    now = time.time()
    node = MailNode(
        tmp_path / "node",
        "127.0.0.1:1",
        more="Suspend_Delivery = true Message_Expiration = 3600 Generate_Bounces = false",
    )
    stored(
        node.spool / "shard-00",
        [Stay("young", now), Stay("old", now - 3595), Stay("tried", now - 3594, next_attempt=now + 7200)],
    )
    await node.start()
    try:
        await node.until(lambda: node.core.report()["failed"] == 2)
        assert node.core.report()["queued"] == 1
    finally:
        await node.stop()


async def test_mail_that_no_binding_claims_is_kept_where_default_is_suspended(
    start: Start, hop: tuple[NextHop, str]
) -> None:
    node = await start(
        'Default_Binding = suspended Binding other { Bind_Address = "127.0.0.1" Match_Domain = ( "other.test" ) }'
    )
    await node.submit("kept")
    await node.submit("goes", sender="a@other.test")
    await node.until(lambda: node.core.report()["delivered"] == 1)
    assert dict(hop[0].subjects()) == {"goes": 1}
    assert node.core.report()["queued"] == 1


async def test_the_name_that_we_say_may_be_the_senders_domain(start: Start, hop: tuple[NextHop, str]) -> None:
    node = await start('EHLO_Hostname = "__message__"')
    await node.submit("named", sender="a@brand.test")
    await node.until(lambda: hop[0].names == ["brand.test"])


async def test_mail_is_delivered_by_lmtp(tmp_path: Path) -> None:
    async with (
        next_hop(protocol=LMTP) as (hop, gateway),
        mail_node(tmp_path, gateway, "Delivery_Method = LMTP") as node,
    ):
        await node.submit("by LMTP")
        await node.until(lambda: len(hop.content) == 1)


class Trusting(SMTP):
    """Lets us say who the client is."""

    told: ClassVar[list[str]] = []

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd's name
        """See aiosmtpd."""
        assert self.session is not None
        self.session.host_name, self.session.extended_smtp = hostname, True
        await self.push("250-hop.test\r\n250 XCLIENT ADDR PORT")

    async def smtp_XCLIENT(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """See Postfix."""
        self.told.append(arg)
        await self.push("220 hop.test")


async def test_the_next_hop_is_told_who_brought_the_message(tmp_path: Path) -> None:
    async with (
        next_hop(protocol=Trusting) as (hop, gateway),
        mail_node(tmp_path, gateway, "XCLIENT = required") as node,
    ):
        await node.submit("known")
        await node.until(lambda: hop.content)
    (told,) = Trusting.told
    assert told.startswith("ADDR=127.0.0.1 PORT=")


async def test_where_the_next_hop_has_to_be_told_and_cannot_be_nothing_goes_out(
    start: Start, hop: tuple[NextHop, str]
) -> None:
    node = await start("XCLIENT = required Never_Retry = true Generate_Bounces = false")
    await node.submit("unknown")
    await node.until(lambda: node.core.report()["failed"] == 1)
    assert hop[0].content == []


class SevenBits(SMTP):
    """Offers nothing."""

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd's name
        """See aiosmtpd."""
        await self.push("502 HELO, please")


@pytest.mark.parametrize(
    ("option", "expected"), [("", b"Gr=C3=BC=C3=9Fe"), ("no", "Grüße".encode()), ("strip", b"GrC<C?e")]
)
async def test_8_bit_content_for_a_server_that_takes_seven(tmp_path: Path, option: str, expected: bytes) -> None:
    async with (
        next_hop(protocol=SevenBits) as (hop, gateway),
        mail_node(tmp_path, gateway, f"Transform_8BitMime_Content = {option}" if option else "") as node,
    ):
        mime = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
        content = f"Subject: x\r\nFrom: <a@x.test>\r\n{mime}\r\n\r\nGrüße\r\n".encode()

        def send() -> None:
            with smtplib.SMTP("127.0.0.1", node.port, timeout=30) as client:
                client.sendmail("a@x.test", ["b@y.test"], content, ["BODY=8BITMIME"])

        await asyncio.to_thread(send)
        await node.until(lambda: hop.content)
        assert hop.content[0].endswith(b"\r\n\r\n" + expected + b"\r\n")


async def test_a_message_fails_that_cannot_be_converted_and_has_to_be(tmp_path: Path) -> None:
    async with (
        next_hop(protocol=SevenBits) as (hop, gateway),
        mail_node(tmp_path, gateway, "Transform_8BitMime_Content = strict Generate_Bounces = false") as node,
    ):

        def send(content: bytes) -> None:
            with smtplib.SMTP("127.0.0.1", node.port, timeout=30) as client:
                client.sendmail("a@x.test", ["b@y.test"], content)

        await asyncio.to_thread(send, "Subject: x\r\n\r\nGrüße\r\n".encode())
        await asyncio.to_thread(send, b"Subject: ascii\r\n\r\nhello\r\n")
        await node.until(lambda: hop.content)
        await node.until(lambda: node.core.report()["failed"] == 1)
        assert [b"ascii" in one for one in hop.content] == [True]


class SlowGoodbye(SMTP):
    """Takes its time to say 221."""

    said = 0

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """See aiosmtpd."""
        SlowGoodbye.said += 1
        await asyncio.sleep(2.0)
        await super().smtp_QUIT(arg)


async def test_a_message_is_not_given_to_a_connection_that_says_goodbye(tmp_path: Path) -> None:
    async with (
        next_hop(protocol=SlowGoodbye) as (hop, gateway),
        mail_node(tmp_path, gateway, "Idle_Timeout = 1") as node,
    ):
        await node.submit("first")
        await node.until(lambda: SlowGoodbye.said)
        await node.submit("second")
        await node.until(lambda: len(hop.content) == 2)


@pytest.mark.parametrize(
    ("option", "connections"),
    [("", 1), ("Max_Deliveries_Per_Connection = 1", 3), ("Max_Recipients_Per_Connection = 2", 2)],
    ids=["no limit", "deliveries", "recipients"],
)
async def test_a_connection_carries_so_much_and_is_closed(tmp_path: Path, option: str, connections: int) -> None:
    more = f"Max_Outbound_Connections = 1 Idle_Timeout = 30 {option}"
    async with next_hop() as (hop, gateway), mail_node(tmp_path, gateway, more) as node:
        for number in range(3):
            await node.submit(f"message {number}")
            await node.until(lambda: len(hop.content) == number + 1)  # noqa: B023 - awaited here
        assert len({id(session) for session in hop.sessions}) == connections
