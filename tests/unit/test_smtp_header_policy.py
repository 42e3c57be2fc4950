"""The RFC2822 options: what is refused, what is repaired and how, what is added. Told as dialogues."""

from ipaddress import ip_address
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentum_node.config.model import InboundOptions
from momentum_node.smtp.repair import Repair
from momentum_node.smtp.returnpath import OldReturnPath
from momentum_node.smtp.trace import Origin, head_of
from tests.support.configuration import loaded
from tests.support.dialogue import Dialogue

TO_DATA = """
    S: 220 ...
    C: HELO client.test
    S: 250 ...
    C: MAIL FROM:<a@x.test>
    S: 250 ...
    C: RCPT TO:<b@y.test>
    S: 250 ...
    C: DATA
    S: 354 ...
"""
HEADERS = "From: <a@x.test>\\r\\nSubject: x\\r\\n"


def sent(content: str, **options: Any) -> Dialogue:
    """A message with this content (escapes as in Python) by a client with these options."""
    talk = Dialogue(InboundOptions(open_relay=True, **options)).run(TO_DATA)
    return talk.run(f"R: {content}\\r\\n.\\r\\n")


def kept(content: str, **options: Any) -> bytes:
    (message,) = sent(content, **options).messages
    return message[1]


# -- Lone_LF_in_Headers


@pytest.mark.parametrize("end", ["\\n", "\\r"])
def test_lone_line_ends_in_headers_are_refused_or_repaired(end: str) -> None:
    content = f"From: <a@x.test>{end}Subject: x\\r\\n\\r\\nbody"
    sent(content).run("S: 550 5.6.0 Lone CR or LF in headers (see RFC2822 section 2.2)")
    assert kept(content, lone_lf_in_headers="fix") == b"From: <a@x.test>\r\nSubject: x\r\n\r\nbody\r\n"


def test_headers_that_end_with_lone_line_ends_are_found_and_the_body_stays_as_it_is() -> None:
    content = "From: <a@x.test>\\nSubject: x\\n\\none\\ntwo"
    assert kept(content, lone_lf_in_headers="fix") == b"From: <a@x.test>\r\nSubject: x\r\n\r\none\ntwo\r\n"


# -- Lone_LF_in_Body


def test_lone_line_ends_in_a_body_are_kept_refused_or_repaired() -> None:
    content = f"{HEADERS}\\r\\none\\ntwo\\rthree"
    assert kept(content).endswith(b"\r\n\r\none\ntwo\rthree\r\n")
    sent(content, lone_lf_in_body="pedantic").run("S: 550 5.6.0 Lone CR or LF in body (see RFC2822 section 2.3)")
    assert kept(content, lone_lf_in_body="fix").endswith(b"\r\n\r\none\r\ntwo\r\nthree\r\n")


def test_a_repaired_body_has_no_end_that_another_server_could_see() -> None:
    """What would be smuggled is a line of one dot in a body whose line ends nobody can read differently."""
    content = f"{HEADERS}\\r\\none\\n.\\nMAIL FROM:<evil@x.test>"
    sent(content).run("S: 550 5.6.0 Lone CR or LF before a dot in body ...")
    assert kept(content, lone_lf_in_body="fix").endswith(b"\r\none\r\n.\r\nMAIL FROM:<evil@x.test>\r\n")


def test_a_body_of_crlf_passes_the_strict_check_wherever_chunks_are_cut() -> None:
    """BDAT cuts where it likes, also between CR and LF."""
    wire = b"From: <a@x.test>\r\n\r\none\r\ntwo\r\n"
    for cut in range(1, len(wire)):
        talk = Dialogue(InboundOptions(open_relay=True, lone_lf_in_body="pedantic"))
        talk.run("""
            S: 220 ...
            C: HELO client.test
            S: 250 ...
            C: MAIL FROM:<a@x.test>
            S: 250 ...
            C: RCPT TO:<b@y.test>
            S: 250 ...
        """)
        talk.send(f"BDAT {cut}\r\n".encode() + wire[:cut] + f"BDAT {len(wire) - cut} LAST\r\n".encode() + wire[cut:])
        assert talk.messages[0][1] == wire


# -- Missing_Headers


@pytest.mark.parametrize("content", ["just a line", "\\r\\nonly a body", "no field here: not one\\r\\n\\r\\nbody"])
def test_a_message_without_headers_is_refused_or_accepted(content: str) -> None:
    sent(content).run("S: 550 5.6.0 Message has no headers (see RFC2822 section 3.6)")
    assert kept(content, missing_headers="allow") == f"{content}\r\n".replace("\\r\\n", "\r\n").encode()


def test_a_long_body_without_headers_is_no_header() -> None:
    talk = Dialogue(InboundOptions(open_relay=True, missing_headers="allow")).run(TO_DATA)
    talk.send(b"a line of many\r\n" * 40_000 + b".\r\n")
    assert len(talk.messages[0][1]) == 16 * 40_000


# -- Max_Received_Headers


@pytest.mark.parametrize(
    ("most", "hops", "is_loop"), [(100, 100, False), (100, 101, True), (2, 3, True), (0, 300, False)]
)
def test_a_message_that_was_received_too_often_is_a_loop(most: int, hops: int, is_loop: bool) -> None:
    content = "Received: from x\\r\\n" * hops + f"{HEADERS}\\r\\nbody"
    if is_loop:
        sent(content, max_received_headers=most).run("S: 554 5.4.6 too many hops, this message is looping")
    else:
        assert kept(content, max_received_headers=most).count(b"Received:") == hops


# -- Max_Line_Length


def test_long_lines_are_ignored_refused_or_broken() -> None:
    words = "word " * 30
    content = f"{HEADERS}\\r\\n{words}end"
    assert kept(content, max_line_length=100).endswith(f"\r\n\r\n{words}end\r\n".encode())
    refused = sent(content, max_line_length=100, max_line_length_policy="reject")
    refused.run("S: 550 5.6.0 Line too long (see RFC2822 section 2.1.1)")
    body = kept(content, max_line_length=100, max_line_length_policy="fix").partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 100
    assert body.replace(b"\r\n", b"") == f"{words}end".encode()


def test_a_line_of_the_limit_is_not_too_long() -> None:
    for policy in ("reject", "fix"):
        content = f"{HEADERS}\\r\\n{'x' * 100}"
        assert kept(content, max_line_length=100, max_line_length_policy=policy).endswith(
            b"\r\n" + b"x" * 100 + b"\r\n"
        )


def test_a_long_header_is_folded_at_a_blank() -> None:
    subject = " ".join(["word"] * 50)
    found = kept(f"Subject: {subject}\\r\\n\\r\\nbody", max_line_length=78, max_line_length_policy="fix")
    head = found.partition(b"\r\n\r\n")[0]
    lines = head.split(b"\r\n")
    assert all(len(line) <= 78 for line in lines)
    assert all(line.startswith(b" ") for line in lines[1:])
    assert b"".join(lines) == f"Subject: {subject}".encode()  # unfolded it is what it was (RFC 5322 §2.2.3)


def test_a_character_is_not_broken() -> None:
    found = kept(HEADERS + "\\r\\n" + "\\xc3\\xa4" * 200, max_line_length=79, max_line_length_policy="fix")
    for line in found.split(b"\r\n"):
        line.decode()


# -- Date_Header, MessageID_Header, Trace_Headers


def head(content: str, **options: Any) -> str:
    ((arriving, _),) = sent(content, **options).messages
    origin = Origin("192.0.2.77:25", "client.test", "mx.test", "ESMTP", is_traced=options.get("trace_headers", True))
    return head_of(arriving, origin, "momentum", "00/01-00002-00000003", "Mon, 23 Nov 2026 05:00:00 +0000").decode()


def test_a_date_and_a_message_id_are_added_where_they_are_missing() -> None:
    added = head(f"{HEADERS}\\r\\nbody")
    assert added.startswith("Return-Path: <a@x.test>\r\nReceived: from ")
    assert added.endswith("\r\nDate: Mon, 23 Nov 2026 05:00:00 +0000\r\nMessage-ID: <00-01-00002-00000003@mx.test>\r\n")
    has_both = f"DATE: today\\r\\nmessage-id: <own@x.test>\\r\\n{HEADERS}\\r\\nDate: of the body"
    assert head(has_both).count("Date:") == head(has_both).count("Message-ID:") == 0
    assert "Message-ID" not in head(f"{HEADERS}Message-ID:\\r\\n\\r\\nbody")  # an empty one is one, too
    assert head(f"{HEADERS}\\r\\nbody", date_header="none", message_id_header="none", trace_headers=False) == ""


def test_headers_before_a_message_without_any_end_with_an_empty_line() -> None:
    assert head("just a line", missing_headers="allow").endswith("@mx.test>\r\n\r\n")
    assert head("\\r\\nonly a body", missing_headers="allow").endswith("@mx.test>\r\n")


def test_there_is_one_return_path_and_it_is_the_envelopes() -> None:
    old = "Return-Path: <old@x.test>\\r\\nreturn-PATH :\\r\\n <other@x.test>\\r\\n"
    content = f"From: <a@x.test>\\r\\n{old}Subject: x\\r\\n\\r\\nReturn-Path: <body@x.test>\\r\\n"
    assert kept(content) == b"From: <a@x.test>\r\nSubject: x\r\n\r\nReturn-Path: <body@x.test>\r\n\r\n"
    assert kept(content, trace_headers=False).count(b"eturn-") == 3
    text = f"no headers\\r\\n\\r\\n{old}"
    assert kept(text, missing_headers="allow").count(b"eturn-") == 2
    no_end = "From: <a@x.test>\\r\\nReturn-Path: <old@x.test>"
    assert kept(no_end) == b"From: <a@x.test>\r\n"


def test_a_long_header_section_is_not_held_back() -> None:
    taken = OldReturnPath()
    assert taken.feed(b"A: " + b"x" * 70_000) == b"A: " + b"x" * 70_000
    assert taken.feed(b"\r\nReturn-Path: <a@x.test>\r\n\r\n").startswith(b"\r\nReturn")


@given(st.binary(max_size=200), st.lists(st.integers(0, 300)))
def test_it_is_taken_out_wherever_packets_are_cut(rest: bytes, cuts: list[int]) -> None:
    data = b"A: b\r\nReturn-Path: <a@x.test>\r\n" + rest
    ends = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    whole, taken = OldReturnPath(), OldReturnPath()
    found = b"".join(taken.feed(data[start:end]) for start, end in pairwise(ends)) + taken.finish()
    assert found == whole.feed(data) + whole.finish()


# -- all of them


@given(
    st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b" ", b":", b"x" * 90, b"\xc3\xa4"]), max_size=40),
    st.lists(st.integers(0, 400), max_size=6),
    st.sampled_from(["fix", "pedantic"]),
    st.sampled_from(["fix", "ignore"]),
    st.sampled_from([0, 78]),
)
def test_a_repair_is_the_same_wherever_packets_are_cut(
    pieces: list[bytes], cuts: list[int], headers: Any, body: Any, longest: int
) -> None:
    options = InboundOptions(
        lone_lf_in_headers=headers, lone_lf_in_body=body, max_line_length=longest, max_line_length_policy="fix"
    )
    content = b"F:" + b"".join(pieces)
    whole = Repair(options)
    expected = whole.feed(content) + whole.finish()
    parts = Repair(options)
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    found = b"".join(parts.feed(content[one:two]) for one, two in pairwise(places))
    assert found + parts.finish() == expected
    if (headers, body) == ("fix", "fix"):
        assert expected.count(b"\r\n") == expected.count(b"\r") == expected.count(b"\n")
        assert not longest or max(map(len, expected.split(b"\r\n"))) <= longest


def test_the_options_are_read_from_a_configuration() -> None:
    configuration = loaded("""
        RFC2822_Lone_LF_in_Headers = fix
        RFC2822_Lone_LF_in_Body = pedantic
        RFC2822_Missing_Headers = allow
        RFC2822_Date_Header = none
        RFC2822_MessageID_Header = none
        RFC2822_Max_Line_Length = 998
        RFC2822_Max_Line_Length_Policy = reject
        ESMTP_Listener { Listen "*:25" { } }
    """)
    listener = configuration.node.listeners[0]
    found = configuration.inbound(listener, ip_address("192.0.2.77"))
    assert (found.lone_lf_in_headers, found.lone_lf_in_body, found.missing_headers) == ("fix", "pedantic", "allow")
    assert (found.date_header, found.message_id_header) == ("none", "none")
    assert (found.max_line_length, found.max_line_length_policy) == (998, "reject")
