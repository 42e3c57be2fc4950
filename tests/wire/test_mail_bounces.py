"""What a DSN returns of the original, and in whose name (RFC 3464, RFC 6522)."""

from email import message_from_bytes
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode
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
