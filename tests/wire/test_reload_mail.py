"""A configuration that is replaced while mail flows: what sessions, queues and connections of a worker make of it."""

import asyncio
import itertools
import json
import smtplib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode
from tests.support.nexthop import NextHop, next_hop
from tests.support.talk import Talk

pytestmark = pytest.mark.timeout(240)
WATCHER = "127.0.0.9"


class Reloading:
    """A node with one worker, its next hop, and a way to replace its configuration."""

    def __init__(self, node: MailNode, hop: NextHop, gateway: str) -> None:
        self.node, self.hop, self.gateway = node, hop, gateway
        self._marks = itertools.count(1)

    async def use(self, *, more: str = "", listener: str = "", gateway: str | None = None) -> None:
        """Replace the file; returns when the worker runs on it. Nobody but the watcher is told another name."""
        mark = f"g{next(self._marks)}.test"
        listener += f' Peer "{WATCHER}/32" {{ Banner_Hostname = "{mark}" }}'
        self.node.configure(gateway or self.gateway, more=more, listener=listener)
        self.node.core.reload("digest")
        async with asyncio.timeout(20):
            while mark not in await self._greeting():
                await asyncio.sleep(0.02)

    async def _greeting(self) -> str:
        talk = await Talk.to(self.node.port, source=WATCHER)
        talk.close()
        return talk.greeting

    async def talk(self) -> Talk:
        """A client that has said EHLO."""
        talk = await Talk.to(self.node.port)
        assert (await talk.say("EHLO client.test")).startswith("250 ")
        return talk

    async def until_taken(self, subject: str) -> None:
        """One message by a client that comes back when it is told 421."""
        while True:
            try:
                await self.node.submit(subject)
            except smtplib.SMTPSenderRefused as refused:
                if refused.smtp_code != 421:
                    raise
            else:
                return

    def queued(self) -> list[str]:
        """The binding of each message that waits, as the spool has it."""
        return [json.loads(line)["binding"] for line in self.node.listed().splitlines()]


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[Reloading]:
    async with next_hop() as (hop, gateway):
        made = Reloading(MailNode(tmp_path, gateway), hop, gateway)
        await made.node.start()
        yield made
        await made.node.stop()


# -- inbound sessions


async def test_a_session_goes_on_when_nothing_of_its_own_changed(mail: Reloading) -> None:
    talk = await mail.talk()
    await mail.use(listener='Peer "192.0.2.0/24" { Max_Message_Size = 5 }')
    assert [answer[:3] for answer in await talk.begins()] == ["250", "250", "354"]
    assert (await talk.ends("as before")).startswith("250 ")
    assert (await talk.say("RSET")).startswith("250 ")
    talk.close()


async def test_a_session_whose_options_changed_ends_at_its_next_mail_from(mail: Reloading) -> None:
    talk = await mail.talk()
    assert [answer[:3] for answer in await talk.begins()] == ["250", "250", "354"]
    await mail.use(listener="Max_Message_Size = 5")
    assert (await talk.ends("the one in hand, under the old limit")).startswith("250 ")
    assert (await talk.say("NOOP")).startswith("250 ")
    assert await talk.say("MAIL FROM:<a@x.test>") == "421 4.3.2 Reconfiguration in progress"
    assert await talk.is_over()
    await mail.node.until(lambda: mail.hop.subjects() == {"the one in hand, under the old limit": 1})

    again = await mail.talk()
    assert (await again.say("MAIL FROM:<a@x.test> SIZE=6")).startswith("552 ")
    again.close()


async def test_or_at_its_next_rset_with_the_words_of_the_new_file(mail: Reloading) -> None:
    talk = await mail.talk()
    await mail.use(listener='Max_Message_Size = 5 Reconfig_Message = "4.3.2 please call again"')
    assert await talk.say("RSET") == "421 4.3.2 please call again"
    assert await talk.is_over()


async def test_what_is_pipelined_behind_a_message_is_judged_anew(mail: Reloading) -> None:
    talk = await mail.talk()
    await talk.begins()
    await mail.use(listener="Max_Message_Size = 5")
    assert (await talk.ends("in hand\r\n\r\nhello\r\n.\r\nMAIL FROM:<a@x.test>\r\nignored")).startswith("250 ")
    assert (await talk.hear()).startswith("421 4.3.2 ")
    assert await talk.is_over()


async def test_a_change_that_is_taken_back_before_the_client_speaks_ends_nothing(mail: Reloading) -> None:
    talk = await mail.talk()
    await mail.use(listener="Max_Message_Size = 5")
    await mail.use()
    assert (await talk.say("MAIL FROM:<a@x.test>")).startswith("250 ")
    talk.close()


async def test_another_hostname_ends_the_sessions_that_were_greeted_with_the_old_one(mail: Reloading) -> None:
    talk = await mail.talk()
    mail.node.replace((mail.node.folder / "ecelerity.conf").read_text().replace("mx.test", "mx2.test"))
    mail.node.core.reload("digest")

    async def greeting() -> str:
        one = await Talk.to(mail.node.port)
        one.close()
        return one.greeting

    async with asyncio.timeout(20):
        while not (await greeting()).startswith("220 mx2.test "):
            await asyncio.sleep(0.02)
    assert (await talk.say("RSET")).startswith("421 ")
    assert await talk.is_over()


async def test_a_session_on_a_listener_that_is_switched_off_ends(mail: Reloading) -> None:
    talk = await mail.talk()
    text = (mail.node.folder / "ecelerity.conf").read_text()
    socket = f'Listen "127.0.0.1:{mail.node.port}" {{'
    assert socket in text
    mail.node.replace(text.replace(socket, f"{socket} Enable = false"))
    mail.node.core.reload("digest")
    async with asyncio.timeout(20):
        while (answer := await talk.say("RSET")).startswith("250 "):
            await asyncio.sleep(0.02)
    assert answer.startswith("421 4.3.2 ")
    assert await talk.is_over()


# -- outbound


async def test_another_gateway_takes_the_next_message_of_a_busy_queue(mail: Reloading) -> None:
    async with next_hop() as (other, gateway):
        await mail.node.submit("old way")
        await mail.node.until(lambda: mail.hop.subjects() == {"old way": 1})
        await mail.use(gateway=gateway)
        await mail.node.submit("new way")
        await mail.node.until(lambda: other.subjects() == {"new way": 1})
        assert mail.hop.subjects() == {"old way": 1}


async def test_a_repaired_gateway_does_not_wait_for_the_rest_of_the_broken_one(mail: Reloading) -> None:
    await mail.use(gateway="127.0.0.2:1")
    await mail.node.submit("stranded")
    await asyncio.sleep(1)  # it was tried, and the queue rests for two minutes now
    await mail.use()
    await mail.node.until(lambda: mail.hop.subjects() == {"stranded": 1})


async def test_suspended_and_released(mail: Reloading) -> None:
    await mail.use(more="Suspend_Delivery = true")
    await mail.node.submit("patience")
    await asyncio.sleep(1)
    assert mail.hop.content == []
    await mail.use()
    await mail.node.until(lambda: mail.hop.subjects() == {"patience": 1})


async def test_a_failure_is_judged_by_the_options_of_now(mail: Reloading) -> None:
    mail.hop.answer = "450 4.2.0 not now"
    await mail.use(more="Never_Retry = true Generate_Bounces = false")
    await mail.node.submit("no second try")
    await mail.node.until(lambda: mail.node.core.report()["failed"] == 1)
    await mail.use()
    await mail.node.submit("with a second try")
    await mail.node.until(lambda: '"retries": 1' in mail.node.listed())


async def test_a_throttle_that_still_stands_goes_on_counting(mail: Reloading) -> None:
    throttle = 'Domain "y.test" {{ Outbound_Throttle_Messages = "3/600" Max_Outbound_Connections = {} }}'
    await mail.use(more=throttle.format(2))
    for number in range(3):
        await mail.node.submit(f"number {number}")
    await mail.node.until(lambda: len(mail.hop.content) == 3)
    await mail.use(more=throttle.format(3))
    await mail.node.submit("the fourth")
    await asyncio.sleep(2)
    assert len(mail.hop.content) == 3
    await mail.use()
    await mail.node.until(lambda: len(mail.hop.content) == 4)


async def test_connections_above_a_lowered_limit_end_after_the_message_in_hand(mail: Reloading) -> None:
    limit = 'Domain "y.test" {{ Max_Outbound_Connections = {} }}'
    await mail.use(more=limit.format(2))
    mail.hop.may_end.clear()
    for number in range(8):
        await mail.node.submit(f"number {number}")
    await mail.node.until(lambda: mail.hop.in_hand == 2)
    await mail.use(more=limit.format(1))
    mail.hop.most_in_hand, mail.hop.takes_s = 0, 0.05
    mail.hop.may_end.set()
    await mail.node.until(lambda: len(mail.hop.content) == 8)
    assert mail.hop.subjects() == {f"number {number}": 1 for number in range(8)}
    assert mail.hop.most_in_hand == 1


# -- bindings


async def test_a_new_binding_is_usable_at_once(mail: Reloading) -> None:
    await mail.use(more='Binding "new" { Bind_Address = "127.0.0.7" Match_Domain = ( "x.test" ) }')
    await mail.node.submit("from its own address")
    await mail.node.until(lambda: mail.hop.peers == ["127.0.0.7"])


async def test_another_address_of_a_binding_serves_new_connections(mail: Reloading) -> None:
    binding = 'Binding "moved" {{ Bind_Address = "{}" Match_Domain = ( "x.test" ) }} Idle_Timeout = 100'
    await mail.use(more=binding.format("127.0.0.7"))
    await mail.node.submit("one")
    await mail.node.until(lambda: mail.hop.peers == ["127.0.0.7"])
    await mail.use(more=binding.format("127.0.0.8"))
    await mail.node.submit("two")
    await mail.node.until(lambda: mail.hop.peers == ["127.0.0.7", "127.0.0.8"])


async def test_the_queue_of_a_removed_binding_goes_to_default(mail: Reloading) -> None:
    await mail.use(more='Binding "going" { Suspend_Delivery = true Match_Domain = ( "x.test" ) }')
    for number in range(20):
        await mail.node.submit(f"number {number}")
    await mail.node.submit("not its own", sender="c@z.test")
    await mail.node.until(lambda: mail.hop.subjects() == {"not its own": 1})
    assert mail.queued() == ["going"] * 20
    await mail.use()
    await mail.node.until(lambda: len(mail.hop.content) == 21)
    assert set(mail.hop.subjects()) == {"not its own", *(f"number {number}" for number in range(20))}
    await mail.node.until(lambda: mail.node.core.report()["queued"] == 0)


async def test_delayed_mail_of_a_removed_binding_keeps_its_time_and_its_tries(mail: Reloading) -> None:
    mail.hop.answer = "450 4.2.0 not now"
    await mail.use(more='Retry_Interval = 2 Binding "going" { Match_Domain = ( "x.test" ) }')
    await mail.node.submit("later")
    await mail.node.until(lambda: '"retries": 1' in mail.node.listed())
    await mail.use(more="Retry_Interval = 2")
    mail.hop.answer = "250 ok"
    await mail.node.until(lambda: mail.hop.subjects() == {"later": 1})
    await mail.node.until(lambda: mail.node.listed() == "")


# -- everything at once


async def test_nothing_acknowledged_is_lost_while_the_file_is_replaced_again_and_again(mail: Reloading) -> None:
    acknowledged: list[str] = []

    async def client(name: str) -> None:
        for number in range(60):
            await mail.until_taken(subject := f"{name}-{number}")
            acknowledged.append(subject)

    clients = [asyncio.create_task(client(name)) for name in "abc"]
    for turn in range(10):
        await mail.use(
            listener=f"Idle_Time = {100 + turn % 2}",
            more=f'Idle_Timeout = {turn + 1} Binding "b{turn}" {{ Match_Domain = ( "x.test" ) }}',
        )
        mail.node.replace("Relay_Hosts = (((")
        mail.node.core.reload("of a file that is wrong")
    await asyncio.gather(*clients)
    await mail.node.until(lambda: len(mail.hop.content) >= 180)
    assert mail.hop.subjects() == dict.fromkeys(acknowledged, 1)
    await mail.node.until(lambda: mail.node.core.report()["delivered"] == 180)
    report = mail.node.core.report()
    assert (report["received"], report["failed"], report["queued"]) == (180, 0, 0)  # counted on from the start


async def test_a_file_with_an_error_changes_nothing(mail: Reloading) -> None:
    await mail.use(listener="Max_Message_Size = 500")
    talk = await mail.talk()
    mail.node.replace("Retry_Intervall = 5\nESMTP_Listener { Max_Message_Size = 5")
    mail.node.core.reload("wrong")
    await asyncio.sleep(1)
    assert (await talk.say("MAIL FROM:<a@x.test> SIZE=501")).startswith("552 ")
    assert [answer[:3] for answer in await talk.begins()] == ["250", "250", "354"]
    assert (await talk.ends("unmoved")).startswith("250 ")
    talk.close()
    await mail.node.until(lambda: mail.hop.subjects() == {"unmoved": 1})
