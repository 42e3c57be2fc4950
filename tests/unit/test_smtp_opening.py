"""How a connection gets ready: STARTTLS, LMTP, plain SMTP, and who the client was."""

from momentum_node.smtp.client import Client, Ended, Finished, Letter, Ready
from momentum_node.smtp.opening import STARTTLS_MISSING, XCLIENT_MISSING, Secure
from momentum_node.smtp.stage import Stage
from momentum_node.smtp.terms import Origin, Terms

LETTER = Letter("a@x.test", ("b@y.test", "c@y.test"), b"S: x\r\n\r\nhi\r\n")
ENCRYPTED = Terms("me.test", tls="ifavailable")


def greeted(terms: Terms, *extensions: str) -> Client:
    """As far as the reply to EHLO."""
    client = Client(terms)
    client.receive(b"220 hello\r\n")
    client.output()
    client.receive(ehlo(*extensions))
    return client


def ehlo(*extensions: str) -> bytes:
    lines = ["mx.y.test", *extensions]
    return "".join(f"250{' ' if line is lines[-1] else '-'}{line}\r\n" for line in lines).encode()


def test_everything_begins_anew_when_tls_is_up() -> None:
    client = greeted(ENCRYPTED, "STARTTLS", "PIPELINING")
    assert client.output() == b"STARTTLS\r\n"
    assert client.receive(b"220 go ahead\r\n") == [Secure()]
    assert client.stage is Stage.TLS
    assert client.secured() == []
    assert client.output() == b"EHLO me.test\r\n"
    assert client.receive(ehlo("STARTTLS")) == [Ready()]
    client.send(LETTER)
    assert client.output() == b"MAIL FROM:<a@x.test>\r\n"  # PIPELINING was offered in the clear only


def test_what_somebody_put_behind_the_go_ahead_is_thrown_away() -> None:
    """RFC 3207 §4.2: bytes in the clear that would be taken for the server's first words through TLS."""
    client = greeted(ENCRYPTED, "STARTTLS")
    assert client.receive(b"220 go\r\n250-evil\r\n250 PIPELINING\r\n250 half a li") == [Secure()]
    assert client.receive(b"ne\r\n") == []
    client.secured()
    assert client.stage is Stage.EHLO
    assert client.receive(ehlo()) == [Ready()]


def test_required_and_not_offered_is_no_connection() -> None:
    client = Client(Terms("me.test", tls="required"))
    client.receive(b"220 hello\r\n")
    assert client.receive(ehlo("SIZE")) == [Ended(STARTTLS_MISSING)]


def test_a_server_without_ehlo_offers_no_tls() -> None:
    client = Client(Terms("me.test", tls="required"))
    client.receive(b"220 hello\r\n")
    client.receive(b"502 what\r\n")
    assert client.receive(b"250 hello\r\n") == [Ended(STARTTLS_MISSING)]


def test_a_refused_starttls_is_followed_by_letters_in_the_clear_or_by_none() -> None:
    easy = greeted(ENCRYPTED, "STARTTLS")
    assert easy.receive(b"454 4.7.0 not now\r\n") == [Ready()]
    strict = greeted(Terms("me.test", tls="ifavailable", in_clear=False), "STARTTLS")
    (ended,) = strict.receive(b"454 4.7.0 not now\r\n")
    assert isinstance(ended, Ended)
    assert ended.reply is not None
    assert ended.reply.text == "451 4.7.5 [internal] TLS negotiation failed: the server said 454 4.7.0 not now"


def test_no_answer_to_the_handshake() -> None:
    client = greeted(ENCRYPTED, "STARTTLS")
    client.receive(b"220 go\r\n")
    (ended,) = client.timed_out()
    assert isinstance(ended, Ended)
    assert ended.reply is not None
    assert ended.reply.enhanced == "4.7.5"


def test_smtp_of_old_is_helo_and_nothing_else() -> None:
    client = Client(Terms("me.test", method="SMTP"))
    client.receive(b"220 hello\r\n")
    assert client.output() == b"HELO me.test\r\n"
    assert client.receive(b"250-hello\r\n250 PIPELINING\r\n") == [Ready()]
    client.send(LETTER)
    assert client.output() == b"MAIL FROM:<a@x.test>\r\n"


def test_lmtp_has_an_answer_for_each_recipient() -> None:
    """RFC 2033 §4.2: after the content, one reply for each RCPT that was accepted, in order."""
    client = Client(Terms("me.test", method="LMTP"))
    client.receive(b"220 hello\r\n")
    assert client.output() == b"LHLO me.test\r\n"
    client.receive(ehlo("PIPELINING"))
    client.send(Letter("a@x.test", ("b@y.test", "no@y.test", "full@y.test"), b"S: x\r\n"))
    client.receive(b"250 ok\r\n250 ok\r\n550 5.1.1 who\r\n250 ok\r\n354 go\r\n")
    assert client.receive(b"250 2.0.0 b has it\r\n") == []
    (finished,) = client.receive(b"452 4.2.2 full\r\n")
    assert isinstance(finished, Finished)
    assert [one.code for one in finished.replies] == [250, 550, 452]


def brought_by(address: str, port: str = "77") -> Letter:
    return Letter("a@x.test", ("b@y.test",), b"S: x\r\n", origin=Origin(address, port))


def test_the_client_of_a_letter_is_told_once_for_letters_in_a_row() -> None:
    client = greeted(Terms("me.test", xclient="ifavailable"), "XCLIENT NAME ADDR PORT", "PIPELINING")
    client.output()
    client.send(brought_by("192.0.2.7"))
    assert client.output() == b"XCLIENT ADDR=192.0.2.7 PORT=77 NAME=[UNAVAILABLE]\r\n"
    client.receive(b"220 hello again\r\n")
    assert client.output() == b"EHLO me.test\r\n"
    client.receive(ehlo("PIPELINING", "XCLIENT ADDR"))
    assert client.output().startswith(b"MAIL FROM:<a@x.test>\r\nRCPT")
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")
    client.output()
    client.send(brought_by("192.0.2.7"))
    assert client.output().startswith(b"MAIL")
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")
    client.output()
    client.send(brought_by("2001:db8::7"))
    assert client.output() == b"XCLIENT ADDR=IPV6:2001:db8::7\r\n"


def test_xclient_that_is_required_and_not_offered_or_refused() -> None:
    terms = Terms("me.test", xclient="required")
    client = Client(terms)
    client.receive(b"220 hello\r\n")
    assert client.receive(ehlo("SIZE")) == [Ended(XCLIENT_MISSING)]
    client = greeted(terms, "XCLIENT ADDR")
    client.send(brought_by("192.0.2.7"))
    events = client.receive(b"550 5.7.0 not you\r\n")
    assert [type(event) for event in events] == [Finished, Ended]


def test_xclient_that_is_refused_and_not_required_is_left_out() -> None:
    client = greeted(Terms("me.test", xclient="ifavailable"), "XCLIENT ADDR")
    client.send(brought_by("192.0.2.7"))
    client.output()
    client.receive(b"550 5.7.0 not you\r\n")
    assert client.output() == b"MAIL FROM:<a@x.test>\r\n"


def test_the_origin_of_a_letter_is_read_from_its_envelope() -> None:
    assert Origin.of("192.0.2.7:77") == Origin("192.0.2.7", "77")
    assert Origin.of("2001:db8::7:77") == Origin("2001:db8::7", "77")
    assert Origin.of("") == Origin()
