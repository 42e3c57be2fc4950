"""The client's side, told as replies and what is sent for them."""

from momentum_node.smtp.client import CLOSED_BY_PEER, NO_SMTPUTF8, Client, ClientEvent, Ended, Finished, Letter, Ready
from momentum_node.smtp.terms import Terms

LETTER = Letter("a@x.test", ("b@y.test", "c@y.test"), b"S: x\r\n\r\n.hi\r\n")


def ready(*extensions: str) -> Client:
    client = Client(Terms("me.test"))
    client.receive(b"220 hello\r\n")
    assert client.output() == b"EHLO me.test\r\n"
    lines = ["mx.y.test", *extensions]
    reply = "".join(f"250{'-' if line is not lines[-1] else ' '}{line}\r\n" for line in lines)
    assert client.receive(reply.encode()) == [Ready()]
    return client


def codes(events: list[ClientEvent]) -> list[int]:
    (finished,) = [event for event in events if isinstance(event, Finished)]
    return [reply.code for reply in finished.replies]


def test_one_flight_where_the_server_pipelines() -> None:
    client = ready("PIPELINING", "SIZE 1000")
    client.send(LETTER)
    assert client.output() == (b"MAIL FROM:<a@x.test> SIZE=13\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\n")
    client.receive(b"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n")
    assert client.output() == b"S: x\r\n\r\n..hi\r\n.\r\n"
    assert codes(client.receive(b"250 2.0.0 taken\r\n")) == [250, 550]


def test_step_by_step_where_it_does_not() -> None:
    client = ready()
    client.send(LETTER)
    sent = []
    for answer in (b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        sent.append(client.output())
        client.receive(answer)
    assert sent == [b"MAIL FROM:<a@x.test>\r\n", b"RCPT TO:<b@y.test>\r\n", b"RCPT TO:<c@y.test>\r\n", b"DATA\r\n"]
    client.output()
    assert codes(client.receive(b"250 taken\r\n")) == [250, 250]


def test_a_refused_sender_counts_for_everybody_and_the_next_letter_begins_with_rset() -> None:
    for extensions in ((), ("PIPELINING",)):
        client = ready(*extensions)
        client.send(LETTER)
        rest = b"503 no\r\n503 no\r\n503 no\r\n" if extensions else b""
        assert codes(client.receive(b"451 4.7.1 later\r\n" + rest)) == [451, 451]
        client.output()
        client.send(LETTER)
        assert client.output().startswith(b"RSET\r\n")


def test_nobody_accepted_and_yet_354() -> None:
    client = ready("PIPELINING")
    client.send(LETTER)
    client.output()
    client.receive(b"250 ok\r\n550 no\r\n450 later\r\n354 go\r\n")
    assert client.output() == b".\r\n"
    assert codes(client.receive(b"554 no recipients\r\n")) == [550, 450]


def test_a_connection_that_ends_in_the_middle_leaves_the_letter_to_be_tried_again() -> None:
    client = ready("PIPELINING")
    client.send(LETTER)
    client.receive(b"250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n")
    events = client.lost()
    assert codes(events) == [550, 451]
    assert events[-1] == Ended(CLOSED_BY_PEER)
    assert client.lost() == []


def test_421_ends_it_for_all() -> None:
    client = ready("PIPELINING")
    client.send(LETTER)
    assert codes(client.receive(b"421 4.3.2 going down\r\n")) == [421, 421]


def test_helo_where_ehlo_is_not_known() -> None:
    client = Client(Terms("me.test"))
    client.receive(b"220 hello\r\n")
    client.output()
    client.receive(b"500 what\r\n")
    assert client.output() == b"HELO me.test\r\n"
    assert client.receive(b"250 hello\r\n") == [Ready()]


def test_utf8_where_it_is_not_taken_fails_for_good() -> None:
    client = ready()
    assert client.send(Letter("ä@x.test", ("b@y.test",), b"", smtputf8=True)) == [Finished((NO_SMTPUTF8,))]


def test_garbage_is_not_taken_for_an_answer() -> None:
    client = ready()
    client.send(LETTER)
    events = client.receive(b"HTTP/1.1 200 OK\r\n")
    assert codes(events) == [451, 451]
    assert isinstance(events[-1], Ended)
