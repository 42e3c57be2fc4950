"""Whatever a server says: the client's core never fails, and every letter has one fate."""

from hypothesis import given, settings
from hypothesis import strategies as st

from momentum_node.smtp.client import Client, ClientEvent, Ended, Finished, Letter, Ready
from momentum_node.smtp.opening import Secure
from momentum_node.smtp.stage import Stage
from momentum_node.smtp.terms import Origin, Terms

WISHES = ["no", "ifavailable", "required"]
terms = st.builds(
    Terms,
    ehlo_name=st.just("me.test"),
    method=st.sampled_from(["ESMTP", "SMTP", "LMTP"]),
    tls=st.sampled_from(WISHES),
    in_clear=st.booleans(),
    xclient=st.sampled_from(WISHES),
)
letters = st.builds(
    Letter,
    sender=st.sampled_from(["", "a@x.test"]),
    recipients=st.lists(st.sampled_from(["b@y.test", "c@y.test"]), min_size=1, max_size=4).map(tuple),
    content=st.sampled_from([b"", b".", b"S: x\r\n\r\n.hi\r\n", b"no end"]),
    eight_bit=st.booleans(),
    smtputf8=st.booleans(),
    origin=st.sampled_from([Origin(), Origin("192.0.2.7", "77"), Origin("2001:db8::7", "77")]),
)
sayings = st.one_of(
    st.sampled_from(
        [
            b"220 hello\r\n",
            b"250-mx\r\n250-PIPELINING\r\n250-XCLIENT ADDR\r\n250 STARTTLS\r\n",
            b"250-mx\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250 SIZE\r\n",
            b"250 ok\r\n",
            b"250 2.1.5 ok\r\n250 ok\r\n250 ok\r\n",
            b"354 go\r\n",
            b"421 4.3.2 going\r\n",
            b"450 later\r\n",
            b"500 what\r\n",
            b"550 5.1.1 who\r\n",
            b"25",
            b"0 ok\r\n",
            b"250-",
        ]
    ),
    st.binary(max_size=40),
)
happenings = st.one_of(sayings, sayings, st.sampled_from(["lost", "silence", "secured", "quit"]))
openings = st.sampled_from(
    [
        [],
        [b"220 hi\r\n", b"250-mx\r\n250 PIPELINING\r\n"],
        [b"220 hi\r\n", b"250-mx\r\n250 XCLIENT ADDR\r\n"],
        [b"220 hi\r\n", b"250 mx\r\n"],
        [b"220 hi\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"220 go\r\n", "secured", b"250 mx\r\n"],
    ]
)
stories = st.builds(lambda first, rest: [*first, *rest], openings, st.lists(happenings, max_size=25))


class Watched:
    """A client that is used as its driver uses it; what it told."""

    def __init__(self, agreed: Terms, work: list[Letter]) -> None:
        self.client = Client(agreed)
        self.work = work
        self.sent: list[Letter] = []
        self.events: list[ClientEvent] = []
        self.is_over = False
        self.is_secure = False

    def happens(self, what: bytes | str) -> None:
        """One thing, and what follows from it."""
        if isinstance(what, bytes):
            self.take(self.client.receive(what))
        elif what == "secured":
            self.take(self.client.secured())
        elif what == "quit" and self.client.stage is Stage.IDLE and not self.is_over:
            self.work.clear()
            self.client.quit()
        elif what == "silence":
            self.take(self.client.timed_out())
        elif what == "lost":
            self.take(self.client.lost())

    def take(self, events: list[ClientEvent]) -> None:
        """Give it the next letter when it is free."""
        self.events += events
        self.is_over = self.is_over or any(isinstance(event, Ended) for event in events)
        is_free = any(isinstance(event, Ready | Finished) for event in events)
        self.is_secure = self.is_secure or Secure() in events
        if is_free and not self.is_over and self.work:
            letter = self.work.pop(0)
            self.sent.append(letter)
            self.take(self.client.send(letter))


@given(terms, st.lists(letters, max_size=4), stories)
@settings(max_examples=200, deadline=None)
def test_every_letter_has_one_fate_and_every_connection_one_end(
    agreed: Terms, work: list[Letter], story: list[bytes | str]
) -> None:
    watched = Watched(agreed, list(work))
    for what in story:
        watched.happens(what)
    watched.happens("lost")

    fates = [event for event in watched.events if isinstance(event, Finished)]
    assert [len(fate.replies) for fate in fates] == [len(letter.recipients) for letter in watched.sent]
    assert [type(event) for event in watched.events].count(Ended) == 1
    assert isinstance(watched.events[-1], Ended)
    assert all(reply.code >= 200 and reply.code != 354 for fate in fates for reply in fate.replies)


@given(st.lists(letters, min_size=1, max_size=3), stories)
@settings(max_examples=100, deadline=None)
def test_nothing_of_a_letter_leaves_before_tls_that_is_required(work: list[Letter], story: list[bytes | str]) -> None:
    watched = Watched(Terms("me.test", tls="required"), list(work))
    for what in story:
        was_secure = watched.is_secure
        watched.happens(what)
        sent = watched.client.output()
        assert was_secure or not any(word in sent for word in (b"MAIL", b"RCPT", b"DATA"))


@given(st.lists(letters, min_size=1, max_size=3), st.lists(happenings, max_size=12), st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_what_comes_before_the_handshake_is_over_changes_nothing(
    work: list[Letter], story: list[bytes | str], injected: bytes
) -> None:
    """RFC 3207: the same story with and without bytes that somebody puts behind the go-ahead."""

    def told(behind: bytes) -> tuple[list[ClientEvent], bytes]:
        watched = Watched(Terms("me.test", tls="ifavailable"), list(work))
        watched.happens(b"220 hi\r\n")
        watched.happens(b"250-mx\r\n250 STARTTLS\r\n")
        watched.happens(b"220 go\r\n")
        if behind:
            watched.happens(behind)
        watched.happens("secured")
        for what in story:
            watched.happens(what)
        return watched.events, watched.client.output()

    assert told(injected) == told(b"")
