"""Blackhole: recipients that are refused, mail that is taken and dropped."""

import smtplib
from asyncio import to_thread
from pathlib import Path

import pytest

from momentum_node.logs.events import Failed
from tests.support.nexthop import next_hop
from tests.support.talk import Talk
from tests.support.tellingnode import TellingNode

pytestmark = pytest.mark.timeout(60)
MORE = """
Domain "inline.test" { Blackhole = inline }
Domain "internal.test" { Blackhole = internal Generate_Bounces = false }
Domain "told.test" { Blackhole = internal }
Binding hole { Match_Domain = ( "hole.test" ) Blackhole = true Generate_Bounces = false }
"""


async def test_recipients_and_messages_that_fall_into_it(tmp_path: Path) -> None:
    async with next_hop() as (hop, gateway):
        node = TellingNode(tmp_path, gateway, more=MORE)
        await node.start()
        try:
            talk = await Talk.to(node.port)
            await talk.say("EHLO pc7")
            await talk.say("MAIL FROM:<a@x.test>")
            assert await talk.say("RCPT TO:<b@inline.test>") == "551 5.7.1 recipient blackholed"
            assert await talk.say("RCPT TO:<b@internal.test>") == "250 2.1.5 recipient ok"
            assert await talk.say("RCPT TO:<b@y.test>") == "250 2.1.5 recipient ok"
            talk.close()

            def send(sender: str, *recipients: str) -> None:
                with smtplib.SMTP("127.0.0.1", node.port, timeout=30) as client:
                    client.sendmail(sender, recipients, "Subject: x\r\n\r\nhello\r\n")

            await to_thread(send, "a@x.test", "b@internal.test", "b@told.test")
            await to_thread(send, "a@hole.test", "b@y.test")
            await node.until(lambda: sum(isinstance(one, Failed) for one in node.told) == 3)
            await node.until(lambda: hop.recipients)
            told = [one for one in node.told if isinstance(one, Failed)]
            assert {one.reply for one in told} == {"554 5.7.0 [internal] Blackholed"}
            assert {one.recipient for one in told} == {"b@internal.test", "b@told.test", "b@y.test"}
            assert (hop.senders, hop.recipients) == (["<>"], [["a@x.test"]])  # the bounce of the one that is told
        finally:
            await node.stop()
