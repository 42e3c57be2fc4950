"""Idle connections that serve another domain."""

import asyncio
import smtplib
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode, mail_node
from tests.support.nexthop import next_hop

pytestmark = pytest.mark.timeout(100)


async def send(node: MailNode, *recipients: str, sender: str = "a@x.test") -> None:
    def run() -> None:
        with smtplib.SMTP("127.0.0.1", node.port, timeout=30) as client:
            client.sendmail(sender, recipients, "Subject: x\r\n\r\nhello\r\n")

    await asyncio.to_thread(run)


OTHER = 'Binding other { Bind_Address = "127.0.0.1" Match_Domain = ( "other.test" ) }'


@pytest.mark.parametrize(
    ("more", "sender", "is_shared"),
    [
        ("", "a@x.test", True),
        ("Migrate_Connections_Between_Sibling_Domains = false", "a@x.test", False),
        (OTHER, "a@other.test", False),
        ('Domain z.test { EHLO_Hostname = "else.test" }', "a@x.test", False),
        ("Domain z.test { TLS = ifavailable }", "a@x.test", False),
    ],
)
async def test_an_idle_connection_serves_a_domain_with_the_same_host(
    tmp_path: Path, more: str, sender: str, is_shared: bool
) -> None:
    async with next_hop() as (hop, gateway), mail_node(tmp_path, gateway, f"Idle_Timeout = 30 {more}") as node:
        await send(node, "b@y.test")
        await node.until(lambda: len(hop.content) == 1)
        await send(node, "b@z.test", sender=sender)
        await node.until(lambda: len(hop.content) == 2)
        assert (hop.sessions[0] is hop.sessions[1]) == is_shared
        if is_shared:  # and it counts for the domain that it serves
            counted = {
                one: node.core.desk.explain("default", one, None).plain()["open"] for one in ("y.test", "z.test")
            }
            assert counted == {"y.test": 0, "z.test": 1}
        await send(node, "c@y.test")
        await node.until(lambda: len(hop.content) == 3)
        await node.until(lambda: node.core.report()["delivered"] == 3)
