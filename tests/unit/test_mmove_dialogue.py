"""The dialogue of a move, both ends, without a wire: what is said, what each answer means, and bad partners."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentum_node.errors import ProtocolError
from momentum_node.mmove.metadata import (
    MAX_BLOCK_BYTES,
    Block,
    Passenger,
    decode,
    decode_releases,
    encode,
    encode_releases,
)
from momentum_node.mmove.receiver import (
    FULL,
    MAX_UNANSWERED,
    TAKEN,
    Arrived,
    Arriving,
    Close,
    Event,
    Piece,
    Receiver,
    Released,
)
from momentum_node.mmove.sender import LOST, NOT_ADVERTISED, NOT_SMTP, Answered, Ended, Forgotten, Letter, Ready, Sender
from momentum_node.mmove.sender import Event as SenderEvent
from momentum_node.smtp.reply import OK, Reply
from momentum_node.spool.message import Envelope

CONTENT = b"Subject: x\r\n\r\n.\r\nbare\nline\rends and no end\x00"


def letter(*names: str, content: bytes = CONTENT, sender: str = "s@a.test") -> Letter:
    messages = tuple(Passenger(name, 1, 3, 99.5, "moving", "b.test", (1.0, 2.0)) for name in names)
    envelope = Envelope(1000.25, sender, len(content), True, False, "esmtp", "192.0.2.9:999", "", "<m@a.test>")
    return Letter(Block(envelope, messages), tuple(f"{name}@b.test" for name in names), content)


class Pair:
    """Two ends; the receiver's driver gives `answer` to everything."""

    def __init__(self, answer: Reply = TAKEN, step: int = 1 << 20) -> None:
        self.sender, self.receiver = Sender("n1"), Receiver("n2")
        self.answer, self.step = answer, step
        self.heard: list[SenderEvent] = []
        self.arrived: list[tuple[Arriving, bytes]] = []
        self.released: list[tuple[str, int]] = []
        self._content = b""

    def talk(self) -> list[SenderEvent]:
        """Until nobody has anything to say; what the sender heard."""
        self.heard = []
        while (up := self.sender.output()) or (down := self.receiver.output()):
            for start in range(0, len(up), self.step):
                self._take(self.receiver.receive(up[start : start + self.step]))
            down = self.receiver.output() if up else down
            for start in range(0, len(down), self.step):
                self.heard += self.sender.receive(down[start : start + self.step])
        return self.heard

    def _take(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Arriving():
                    self._arriving, self._content = event, b""
                case Piece(data):
                    self._content += data
                case Arrived(ticket):
                    self.arrived.append((self._arriving, self._content))
                    self._take(self.receiver.answer(ticket, self.answer))
                case Released(releases, ticket):
                    self.released += releases
                    self._take(self.receiver.answer(ticket, OK))


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_letters_arrive_byte_for_byte_and_are_answered_in_order(step: int) -> None:
    pair = Pair(step=step)
    assert pair.talk() == [Ready()]
    first, second = letter("a", "b"), letter("c", sender='"o d >d"@a.test', content=b"x")
    pair.sender.offer(first)
    pair.sender.offer(second)
    assert pair.talk() == [Answered(first, TAKEN), Answered(second, TAKEN)]
    assert [(one.block, one.addresses, content) for one, content in pair.arrived] == [
        (first.block, first.addresses, first.content),
        (second.block, second.addresses, second.content),
    ]


def test_what_is_refused_is_refused_alone() -> None:
    pair = Pair(answer=FULL)
    pair.talk()
    one = letter("a")
    pair.sender.offer(one)
    assert pair.talk() == [Answered(one, FULL)]
    pair.answer = TAKEN
    pair.sender.offer(one)
    assert pair.talk() == [Answered(one, TAKEN)]


def test_a_release_is_told_and_confirmed() -> None:
    pair = Pair()
    pair.talk()
    pair.sender.release((("a", 2), ("b", 5)))
    assert pair.talk() == [Forgotten((("a", 2), ("b", 5)))]
    assert pair.released == [("a", 2), ("b", 5)]


def test_the_peer_hears_answers_in_the_order_of_its_commands_and_waits_when_it_is_too_fast() -> None:
    sender, receiver = Sender("n1"), Receiver("n2")
    sender.receive(receiver.output())
    receiver.receive(sender.output())
    sender.receive(receiver.output())
    letters = [letter(str(number)) for number in range(MAX_UNANSWERED + 1)]
    for one in letters:
        sender.offer(one)
    tickets = [event.ticket for event in receiver.receive(sender.output()) if isinstance(event, Arrived)]
    assert len(tickets) == MAX_UNANSWERED
    assert receiver.waits

    more = [event.ticket for event in receiver.answer(tickets[1], FULL) if isinstance(event, Arrived)]
    assert len(more) == 1  # there was room for one again
    assert not [event for event in sender.receive(receiver.output()) if isinstance(event, Answered)]
    receiver.answer(tickets[0], TAKEN)
    answered = [event for event in sender.receive(receiver.output()) if isinstance(event, Answered)]
    assert answered == [Answered(letters[0], TAKEN), Answered(letters[1], FULL)]
    for ticket in [*tickets[2:], *more]:
        receiver.answer(ticket, TAKEN)
    assert len(sender.receive(receiver.output())) == MAX_UNANSWERED - 1
    with pytest.raises(ProtocolError):
        receiver.answer(tickets[0], TAKEN)


def test_what_has_no_answer_when_the_wire_breaks_is_in_doubt() -> None:
    pair = Pair()
    pair.talk()
    one, two = letter("a"), letter("b")
    pair.sender.offer(one)
    pair.sender.offer(two)
    pair.sender.output()
    assert pair.sender.lost() == [Ended(LOST, (one, two))]
    assert pair.sender.lost() == []
    with pytest.raises(ProtocolError):
        pair.sender.offer(one)


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (b"220 x\r\n250-x\r\n250 CHUNKING\r\n", NOT_ADVERTISED),
        (b"220 x\r\n250-x\r\n250 XCLUSTERMETADATA 2 3\r\n", NOT_ADVERTISED),
        (b"HTTP/1.1 400 Bad Request\r\n", NOT_SMTP),
    ],
    ids=["no extension", "other versions", "not SMTP"],
)
def test_a_peer_that_cannot_take_mail_gets_none(greeting: bytes, reason: Reply) -> None:
    assert Sender("n1").receive(greeting) == [Ended(reason)]


def test_a_block_whose_recipients_or_size_differ_is_read_over() -> None:
    pair = Pair()
    pair.talk()
    good = letter("a", "b")
    pair.sender.offer(Letter(good.block, good.addresses[:1], good.content))
    pair.sender.offer(Letter(good.block, good.addresses, good.content + b"more"))
    pair.sender.offer(good)
    codes = [event.reply.code for event in pair.talk() if isinstance(event, Answered)]
    assert codes == [501, 501, 250]
    assert len(pair.arrived) == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"XCLUSTERMETADATA x\r\n", 501),
        (b"XCLUSTERMETADATA %d\r\n" % (MAX_BLOCK_BYTES + 1) + b"x" * (MAX_BLOCK_BYTES + 1), 552),
        (b"XCLUSTERMETADATA 3\r\nabcMAIL FROM:<>\r\n", 501),
        (b"MAIL FROM:<>\r\n", 503),
        (b"BDAT 3 LAST\r\nabc", 503),
        (b"BDAT 3\r\nabc", 501),
        (b"DATA\r\n", 500),
        (b"XCLUSTERFORGET 2\r\nzz", 501),
        (b"x" * 9000, 500),
    ],
    ids=lambda said: said[:18] if isinstance(said, bytes) else None,
)
def test_a_bad_command_gets_its_code(said: bytes, code: int) -> None:
    receiver = Receiver("n2")
    receiver.receive(b"EHLO n1\r\n")
    receiver.output()
    events = receiver.receive(said)
    assert not [event for event in events if isinstance(event, Arriving | Released)]
    assert str(code) in {line[:3].decode() for line in receiver.output().split(b"\r\n") if line}


def test_nothing_but_greetings_before_ehlo_and_garbage_costs_the_session() -> None:
    receiver = Receiver("n2")
    assert receiver.receive(b"MAIL FROM:<>\r\n" * 9) == []
    assert receiver.receive(b"\0\xff\r\n" * 9) == [Close()]
    assert receiver.receive(b"EHLO n1\r\n") == []


@given(st.binary(max_size=300), st.randoms(use_true_random=False))
def test_no_bytes_break_either_end(data: bytes, rng: random.Random) -> None:
    good = encode(letter("a").block)
    mixed = bytearray(b"EHLO x\r\nXCLUSTERMETADATA %d\r\n%bMAIL FROM:<s@a>\r\n" % (len(good), good))
    for byte in data[:20]:
        mixed[rng.randrange(len(mixed))] = byte
    for said in (data, bytes(mixed)):
        Receiver("n2").receive(said)
        Sender("n1").receive(said)
        for read in (lambda raw: decode(raw, ""), decode_releases):
            try:
                read(said)
            except ProtocolError:
                continue


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="@ "), min_size=1, max_size=20)
number = st.floats(-1e14, 1e14, allow_nan=False)
passengers = st.builds(
    Passenger, text, st.integers(1, 99), st.integers(0, 99), number, text, text, st.lists(number, max_size=6).map(tuple)
)


@given(
    st.builds(
        Envelope,
        *(number, st.just("s"), st.integers(0, 1 << 40), st.booleans(), st.booleans(), *[text] * 4),
        context=st.dictionaries(text, text).map(lambda pairs: tuple(pairs.items())),
    ),
    st.lists(passengers, min_size=1, max_size=5, unique_by=lambda one: one.id),
)
def test_a_block_comes_back_as_it_was(envelope: Envelope, messages: list[Passenger]) -> None:
    block = Block(envelope, tuple(messages))
    assert decode(encode(block), "s") == block


def test_releases_come_back_as_they_were() -> None:
    assert decode_releases(encode_releases([("a", 1), ("b", 2)])) == (("a", 1), ("b", 2))
