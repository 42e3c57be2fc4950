"""8-bit content on its way to a server that takes none."""

from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentum_node.smtp.eightbit import CANNOT, recode, transformed

PLAIN = (
    b"Received: from x\r\n\tby y; today\r\nSubject: two  blanks\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Gr\xc3\xbc\xc3\x9fe = \xe2\x82\xac\r\n.\r\nend \r\n"
)
PARTS = (
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\xff\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Subject: inside\r\nContent-Type: text/html; charset=latin1\r\n\r\n<p>\xfc</p>\r\n--b--\r\n"
)


def test_text_becomes_quoted_printable_and_the_header_stays() -> None:
    made = recode(PLAIN)
    assert made.isascii()
    head, _, body = made.partition(b"\r\n\r\n")
    assert head.startswith(b"Received: from x\r\n\tby y; today\r\nSubject: two  blanks\r\n")
    assert body == b"Gr=C3=BC=C3=9Fe =3D =E2=82=AC\r\n=2E\r\nend=20\r\n"


def test_each_part_is_recoded_by_its_kind() -> None:
    made = recode(PARTS)
    assert made.isascii()
    before, after = (
        [one.get_payload(decode=True) for one in message_from_bytes(text).walk() if not one.is_multipart()]
        for text in (PARTS, made)
    )
    assert after == before
    encodings = [one["Content-Transfer-Encoding"] for one in message_from_bytes(made).walk()]
    assert encodings == ["7bit", None, "base64", "7bit", "quoted-printable"]


@given(st.binary(max_size=300))
def test_what_a_text_says_is_the_same_afterwards(body: bytes) -> None:
    body = body.replace(b"\r", b"").replace(b"\n", b"\r\n") + "ü".encode()
    content = b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" + body
    made = recode(content)
    assert made.isascii()
    assert max(map(len, made.split(b"\r\n"))) <= 78
    assert message_from_bytes(made).get_payload(decode=True) == body


def test_what_is_not_mime_stays_or_fails() -> None:
    content = b"Subject: x\r\n\r\n\xfc\r\n"
    assert transformed(content, "ifneeded") == content
    assert transformed(content, "strict") == CANNOT


def test_an_8_bit_header_is_no_reason_to_fail_unless_strict() -> None:
    content = PLAIN.replace(b"two  blanks", b"Gr\xc3\xbc\xc3\x9fe")
    made = transformed(content, "ifneeded")
    assert isinstance(made, bytes)
    assert b"Subject: Gr\xc3\xbc\xc3\x9fe\r\n" in made
    assert transformed(content, "strict") == CANNOT


def test_stripping_makes_no_line_end() -> None:
    assert transformed(b"\xe1\x8d\x8a.\x8d\x8a\x80\xff", "strip") == b"a??.????"


@pytest.mark.parametrize("content", [b"Subject: x\r\n\r\nascii\r\n", PLAIN])
def test_no_and_ascii_change_nothing(content: bytes) -> None:
    assert transformed(content, "no" if not content.isascii() else "strict") == content
