"""How long a connection waits for each reply."""

import pytest

from momentum_node.config.model import OutboundOptions
from momentum_node.smtp.terms import Terms
from tests.support.errand import LETTER, Errand
from tests.support.scripted import scripted

pytestmark = pytest.mark.timeout(60)
EHLO, OK, GO = b"250 mx.y.test\r\n", b"250 ok\r\n", b"354 go\r\n"


@pytest.mark.parametrize(
    ("option", "answers", "says"),
    [
        ("ehlo_timeout_s", (), "no EHLO response"),
        ("mailfrom_timeout_s", (EHLO,), "no MAIL FROM response"),
        ("rcptto_timeout_s", (EHLO, OK), "no RCPT TO response"),
        ("body_timeout_s", (EHLO, OK, OK), "no DATA response"),
        ("body_timeout_s", (EHLO, OK, OK, GO), "no response to message body"),
    ],
)
async def test_a_reply_that_does_not_come(option: str, answers: tuple[bytes, ...], says: str) -> None:
    patience_s = 2.0 if GO in answers else 0.2  # the same option times the reply before
    async with scripted(*answers) as at:
        errand = Errand()
        await errand.run(Terms("me.test"), at, options=OutboundOptions(**{option: patience_s}))  # type: ignore[arg-type]
    assert errand.why is not None
    assert errand.why.text == f"451 4.4.2 [internal] {says}"


async def test_rset_has_a_time_of_its_own() -> None:
    async with scripted(EHLO, b"451 4.7.1 not you\r\n") as at:
        errand = Errand(LETTER, LETTER)
        await errand.run(Terms("me.test"), at, options=OutboundOptions(rset_timeout_s=0.2))
    assert [one.text for one in errand.replies] == ["451 4.7.1 not you", "451 4.4.2 [internal] no RSET response"]
