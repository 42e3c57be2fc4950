"""Whatever a client says: the session never fails, ends once, and takes only what it may."""

import re
from ipaddress import ip_address
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from momentum_node.config.model import AuthParameters, InboundOptions, Rate, TlsOptions
from momentum_node.smtp.dialogue import MAX_ERRORS
from momentum_node.smtp.events import (
    Authenticate,
    AwaitTurn,
    Become,
    BodyPart,
    Client,
    Close,
    Complete,
    Dropped,
    Event,
    StartTls,
    State,
    Tls,
)
from momentum_node.smtp.reply import AUTH_FAILED, IDLE, SHUTTING_DOWN, SPOOL_FAILED, reply
from momentum_node.smtp.sasl import MAX_LINE_BYTES
from momentum_node.smtp.session import Session

ADDRESS: Final = ip_address("192.0.2.77")
KEPT: Final = reply(250, "2.0.0", "kept")
STORE: Final = AuthParameters("file:///users")
SMUGGLED: Final = re.compile(rb"(?:(?<!\r)\n|\r)\.[\r\n]")
REPLIES: Final = re.compile(rb"(?:[2-5][0-9]{2}[ -][^\r\n]*\r\n)*")
EXTENSIONS: Final = ("AUTH PLAIN", "AUTH LOGIN", "XCLIENT", "XREMOTEIP", "XSETCONTEXT", "XDUMPCONTEXT")
TO_RCPT: Final = b"EHLO pc7\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"

transactions = st.sampled_from(
    [
        TO_RCPT,
        TO_RCPT + b"DATA\r\nS: x\r\n\r\n",
        TO_RCPT + b"BDAT 8\r\nS: x\r\n\r\n",
        TO_RCPT + b"BDAT 10 LAST\r\nS: x\r\n\r\nhi",
    ]
)
contents = st.sampled_from(
    [b"S: x\r\n\r\n", b"..\r\n", b".\r\n", b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"BDAT 5\r\n", b"BDAT 3 LAST\r\n"]
)
commands = st.sampled_from(
    [
        b"HELO pc7\r\n",
        b"MAIL FROM:<> SIZE=5 BODY=8BITMIME SMTPUTF8\r\n",
        b"RCPT TO:<postmaster>\r\n",
        b"DATA\r\n",
        b"RSET\r\n",
        b"NOOP\r\nNOOP\r\n",
        b"STARTTLS\r\n",
        b"AUTH LOGIN\r\n",
        b"AUTH PLAIN AGFubgBzM2NyZXQ=\r\n",
        b"YQ==\r\n",
        b"*\r\n",
        b"XCLIENT ADDR=192.0.2.7 HELO=pc8\r\n",
        b"XREMOTEIP 192.0.2.8\r\n",
        b"XSETCONTEXT a=b\r\n",
        b"XDUMPCONTEXT\r\n",
        b"VRFY x\r\n",
        b"QUIT\r\n",
    ]
)
garbage = st.one_of(st.sampled_from([b"\xff\xfe\r\n", b"x" * 5000]), st.binary(max_size=20))
pieces = st.one_of(transactions, transactions, contents, commands, commands, garbage)


def some_options(*extensions: str) -> st.SearchStrategy[InboundOptions]:
    return st.builds(
        InboundOptions,
        open_relay=st.just(True),
        smtp_extensions=st.sets(st.sampled_from(extensions)).map(frozenset),
        auth_plain=st.just(STORE),
        auth_login=st.just(STORE),
        auth_requires_tls=st.booleans(),
        tls=st.just(TlsOptions("cert.pem")),
        starttls_injection_policy=st.sampled_from(["reject", "ignore", "allow"]),
        max_message_size=st.sampled_from([0, 0, 20]),
        max_recipients_per_message=st.sampled_from([0, 0, 1]),
        max_recipients_per_connection=st.sampled_from([0, 0, 2]),
        max_receptions_per_connection=st.sampled_from([0, 0, 1]),
        require_ehlo=st.booleans(),
        missing_headers=st.sampled_from(["allow", "reject"]),
        lone_lf_in_headers=st.sampled_from(["pedantic", "fix"]),
        lone_lf_in_body=st.sampled_from(["ignore", "pedantic", "fix"]),
        throttle_messages=st.sampled_from([None, None, Rate(1, 1)]),
    )


class Watched:
    """A session that is used as its driver uses it: one thing at a time is done for it, with this result."""

    def __init__(self, options: InboundOptions) -> None:
        self.client = Client(ADDRESS, options, "mx.test", "momentum")
        self.session = Session(self.client)
        self.said = self.session.output()
        self.waits_for: Event | None = None
        self.messages: list[tuple[int, bytes]] = []
        self.body = b""
        self.kept = 0
        self.is_closed = False

    def says(self, data: bytes) -> None:
        """The client does."""
        self.take(self.session.receive(data))

    def take(self, events: list[Event]) -> None:
        """What the session asks for."""
        for event in events:
            assert not self.is_closed
            assert self.waits_for is None or isinstance(event, Dropped | Close)  # only an end may come between
            match event:
                case BodyPart(data):
                    self.body += data
                case Complete(message):
                    assert len(self.body) == message.check.size
                    self.messages.append((len(message.recipients), self.body))
                    self.body, self.waits_for = b"", event
                case Dropped():
                    self.body = b""
                case Close():
                    self.is_closed = True
                case _:
                    self.waits_for = event
        self.said += self.session.output()
        if self.session.has_more:
            self.take(self.session.go_on())

    def does(self, is_good: bool) -> None:
        """The driver has done what the session waits for, if anything."""
        event, self.waits_for, session = self.waits_for, None, self.session
        match event:
            case Complete():
                self.kept += is_good and not self.is_closed
                self.take(session.finish(KEPT if is_good else SPOOL_FAILED))
            case Authenticate(credentials):
                self.take(session.authenticated(credentials.user) if is_good else session.refused(AUTH_FAILED))
            case AwaitTurn():
                self.take(session.may_begin(is_good))
            case StartTls(behind):
                self.take(session.secured(Tls("TLSv1.3", is_good, "/CN=pc7")))
                self.says(behind)
            case Become(attributes, is_new) if is_good and is_new:
                self.take(session.restart(self.client, attributes.helo or "", session.is_extended, attributes.user))
            case Become() if is_good:
                self.take(session.moved(self.client))
            case Become():
                self.take(session.abort(SHUTTING_DOWN))


doings = st.sampled_from(["good", "good", "bad", "end", "abort"])


def goes_on_until_it_ends_once(options: InboundOptions, story: list[bytes | str]) -> None:
    watched = Watched(options)
    for what in story:
        was_closed, said = watched.is_closed, watched.said
        if isinstance(what, bytes):
            watched.says(what)
            assert watched.waits_for or watched.is_closed or watched.session.buffered < MAX_LINE_BYTES
        elif what in {"good", "bad"}:
            watched.does(what == "good")
        else:
            watched.take(watched.session.end(IDLE) if what == "end" else watched.session.abort(IDLE))
        if was_closed:
            assert watched.said == said
    watched.take(watched.session.abort(IDLE))

    assert watched.is_closed
    assert watched.session.state is State.CLOSED
    assert REPLIES.fullmatch(watched.said)
    assert watched.said.count(b"250 2.0.0 kept\r\n") == watched.kept
    assert watched.said.count(b"\r\n500 ") < MAX_ERRORS
    most = options.max_recipients_per_message or 100
    for recipients, body in watched.messages:
        assert 0 < recipients <= most
        assert not options.max_message_size or len(body) <= options.max_message_size
        assert not SMUGGLED.search(b"\r\n" + body)


def is_the_same_in_pieces(options: InboundOptions, said: list[bytes], cuts: list[int]) -> None:
    def heard(packets: list[bytes]) -> tuple[list[bytes], list[tuple[int, bytes]], bool]:
        watched = Watched(options)
        for packet in packets:
            watched.says(packet)
            while watched.waits_for is not None:
                watched.does(is_good=True)
        # Of two things that are wrong with one content the first that is seen is told: both have the same codes.
        codes = [line[:10] if line[:6] == b"550 5." else line for line in watched.said.splitlines()]
        return codes, watched.messages, watched.is_closed

    whole = b"".join(said)
    ends = [0, *sorted({cut for cut in cuts if cut < len(whole)}), len(whole)]
    assert heard([whole[start:end] for start, end in pairwise(ends)]) == heard([whole])


stories = (some_options("STARTTLS", *EXTENSIONS), st.lists(st.one_of(pieces, pieces, doings), max_size=30))
packets = (some_options(*EXTENSIONS), st.lists(pieces, max_size=12), st.lists(st.integers(0, 400), max_size=8))


@given(*stories)
@settings(max_examples=500, deadline=None)
def test_a_session_goes_on_until_it_ends_once_and_takes_what_it_may(
    options: InboundOptions, story: list[bytes | str]
) -> None:
    goes_on_until_it_ends_once(options, story)


@given(*packets)
@settings(max_examples=500, deadline=None)
def test_it_does_not_matter_how_packets_are_cut(options: InboundOptions, said: list[bytes], cuts: list[int]) -> None:
    is_the_same_in_pieces(options, said, cuts)


@pytest.mark.long
@given(*stories)
@settings(max_examples=30_000, deadline=None)
def test_thirty_thousand_sessions(options: InboundOptions, story: list[bytes | str]) -> None:
    goes_on_until_it_ends_once(options, story)


@pytest.mark.long
@given(*packets)
@settings(max_examples=30_000, deadline=None)
def test_thirty_thousand_dialogues_in_pieces(options: InboundOptions, said: list[bytes], cuts: list[int]) -> None:
    is_the_same_in_pieces(options, said, cuts)
