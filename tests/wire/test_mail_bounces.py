"""What a DSN returns of the original, and in whose name (RFC 3464, RFC 6522)."""

from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode, mail_node
from tests.support.nexthop import next_hop

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    ("option", "last"), [("none", "message/delivery-status"), ("headers", "text/rfc822-headers"), ("all", "text/plain")]
)
async def test_what_comes_back(tmp_path: Path, option: str, last: str) -> None:
    more = f'Bounces_Inline_Original = {option}\nMailerDaemon = "postmaster@mx.test"'
    async with next_hop() as (hop, gateway):
        node = MailNode(tmp_path, gateway, more=more)
        await node.start()
        try:
            hop.first_answers = ["550 5.1.1 nobody"]
            await node.submit("lost", body="the body")
            await node.until(lambda: hop.content)
        finally:
            await node.stop()
    bounce = message_from_bytes(hop.content[0])
    assert bounce.get_content_type() == "multipart/report"
    assert "<postmaster@mx.test>" in str(bounce["From"])
    assert hop.senders == ["<>"]
    status = next(part for part in bounce.walk() if part.get_content_type() == "message/delivery-status")
    per_recipient = status.get_payload()[1]  # type: ignore[index]
    assert (per_recipient["Action"], per_recipient["Status"]) == ("failed", "5.1.1")  # type: ignore[index]
    kinds = [part.get_content_type() for part in bounce.walk() if not part.is_multipart()]
    assert (b"the body" in hop.content[0]) == (option == "all")
    assert kinds[-1] == ("text/plain" if option == "none" else last)


async def test_mail_that_is_given_up_after_a_restart_says_what_the_server_said_before_it(tmp_path: Path) -> None:
    """Greylisted, then the node starts again and finds the message too old: the bounce has the server's words."""
    async with next_hop() as (hop, gateway):
        hop.answer = "450 4.2.7 greylisted for 7 days"
        before = MailNode(tmp_path, gateway, more='Retry_Interval = "2" Max_Retry_Interval = "2"')
        await before.start()
        await before.submit("lost")
        await before.until(lambda: '"retries": 0' not in before.listed())
        await before.stop()
        hop.answer = "250 ok"
        options = "Domain y.test { Message_Expiration = 1 Never_Attempt_Expired_Messages = true }"
        async with mail_node(tmp_path, gateway, options) as node:
            await node.until(lambda: hop.content)
    human, fields = parts(hop.content[0])
    assert "Delivery not attempted (message expired)" in human
    assert "The last answer of 127.0.0.1 was:\r\n\r\n    450 4.2.7 greylisted" in human
    assert fields["Diagnostic-Code"] == "smtp; 450 4.2.7 greylisted for 7 days"
    assert fields["Remote-MTA"] == "dns; 127.0.0.1"


def parts(bounce: bytes) -> tuple[str, Message]:
    """Of a bounce: the text for people, and the fields of the recipient."""
    found = list(message_from_bytes(bounce).walk())
    human = next(one for one in found if one.get_content_type() == "text/plain")
    fields = next(one for one in found if "Final-Recipient" in one)
    return str(human.get_payload()), fields


async def test_mail_that_is_not_tried_again_says_what_the_server_said(tmp_path: Path) -> None:
    async with next_hop() as (hop, gateway), mail_node(tmp_path, gateway, "Never_Retry = true") as node:
        hop.first_answers = ["451 4.7.1 come back with a better reputation"]
        await node.submit("lost")
        await node.until(lambda: hop.content)
    human, fields = parts(hop.content[0])
    assert "554 5.4.7 [internal] exceeded max retries without delivery" in human
    assert "The last answer of 127.0.0.1 was:\r\n\r\n    451 4.7.1 come back" in human
    assert (fields["Action"], fields["Status"]) == ("failed", "4.7.1")
