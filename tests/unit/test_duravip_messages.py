"""Messages and their bytes: round trips, strangers, pieces."""

from dataclasses import replace
from ipaddress import ip_address

import msgpack
import pytest

from momentum_node.bus.contract import MAX_MESSAGE_BYTES, Member
from momentum_node.duravip.catalogue import Catalogue, MessageError
from momentum_node.duravip.encoding import decode, encode
from momentum_node.duravip.fragments import Assembler, split
from momentum_node.duravip.messages import (
    Cleared,
    Contested,
    Defs,
    Drain,
    Envelope,
    Facts,
    Failed,
    Mature,
    Message,
    Released,
    State,
    StrangerVersion,
    UnknownKind,
)
from momentum_node.duravip.quorum import Rule
from momentum_node.duravip.vip import Definition
from momentum_node.duravip.weights import UNSAID

ONE, SIX = ip_address("192.0.2.1"), ip_address("2001:db8::25")
N1, N2 = Member(1, 1), Member(2, 1)

FACTS = Facts(
    name="n1",
    address="198.18.0.1",
    draining=False,
    cordoned=True,
    claiming=False,
    rule=Rule(True, frozenset({1, 2, 3}), 3),
    digest=bytes(range(16)),
    claims=0b101,
    unusable=1 << 10_239,
    unusable_reason="eth0 has no carrier",
    macs=(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"),
    weight=3,
    unsure=0b110,
    doubtful=0b010,
    doubt="192.0.2.254 does not answer on eth0",
)
STATE = State(True, b"v" * 16, True, FACTS, holds=0b11, owns=0b10, failed=(("in use", 1),), strays=(ONE, SIX))


def catalogue(count: int) -> Catalogue:
    first = int(ip_address("10.0.0.0"))
    return Catalogue.of(
        [Definition(ip_address(first + n), frozenset({"esmtp", "multivip"}), (f"b{n}",), False) for n in range(count)]
    )


@pytest.mark.parametrize(
    "message",
    [
        STATE,
        replace(STATE, gather=False, failed=(), strays=()),
        Mature(b"v" * 16),
        Released((ONE,), (SIX,)),
        Failed((ONE, SIX), "in use by 02:00:00:00:00:09"),
        Cleared((SIX,)),
        Contested((ONE, SIX), b"\2\0\0\0\0\x09"),
        Contested((ONE,), b""),
        Drain(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_survives_its_encoding(message: Message) -> None:
    assert decode(encode(message, 2**64 - 1, 7)) == Envelope(2**64 - 1, 7, message)


def test_definitions_survive_and_keep_their_digest() -> None:
    sent = Catalogue.of(
        [Definition(SIX, frozenset({"esmtp"}), (), True), Definition(ONE, frozenset({"multivip"}), ("a", "b"), False)]
    )
    envelope = decode(encode(Defs(sent), 1, 1))
    assert isinstance(envelope, Envelope)
    assert isinstance(envelope.message, Defs)
    read = envelope.message.catalogue
    assert (read.digest, read.entries, read.index.addresses) == (sent.digest, sent.entries, (ONE, SIX))


def test_the_digest_does_not_depend_on_order_or_claim() -> None:
    one, six = Definition(ONE, frozenset({"a", "b"}), (), False), Definition(SIX, frozenset(), (), False)
    assert Catalogue.of([one, six]).digest == Catalogue.of([six, replace(one, claim=True)]).digest
    assert Catalogue.of([one]).digest != Catalogue.of([six]).digest


def test_a_longer_body_of_a_newer_sender_is_read() -> None:
    value = msgpack.unpackb(encode(Mature(b"view"), 1, 1))
    value[5].append("something new")
    value.append("and here")
    assert decode(msgpack.packb(value)) == Envelope(1, 1, Mature(b"view"))


def test_a_state_of_an_older_version_says_no_weight() -> None:
    value = msgpack.unpackb(encode(replace(STATE, facts=replace(FACTS, weight=7)), 1, 1), strict_map_key=False)
    value[5] = value[5][:24]
    envelope = decode(msgpack.packb(value))
    assert isinstance(envelope, Envelope)
    assert isinstance(envelope.message, State)
    assert envelope.message.facts.weight == UNSAID
    for nonsense in (0, 101, -1, "heavy"):
        with pytest.raises(MessageError):
            decode(msgpack.packb([*value[:5], [*value[5], nonsense]]))


def test_strangers_are_told_apart() -> None:
    with pytest.raises(StrangerVersion):
        decode(msgpack.packb([2, "STATE", 1, 1, "", []]))
    with pytest.raises(UnknownKind):
        decode(msgpack.packb([1, "GOSSIP", 1, 1, "", []]))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xc1",
        msgpack.packb(7),
        msgpack.packb([1, "STATE", 1, 1, "", []]),
        msgpack.packb([1, "MATURE", -1, 1, "", [b"v"]]),
        msgpack.packb([1, "RELEASED", 1, 1, "", [[b"\x01\x02"], []]]),
        msgpack.packb([1, "DEFS", 1, 1, "", [b"\x91\x01"]]),
        msgpack.packb([1, "F", 1, 1, 0]),
        msgpack.packb([1, ["STATE"], 1, 1, "", []]),
    ],
)
def test_bytes_that_mean_nothing_are_refused(value: bytes) -> None:
    with pytest.raises(MessageError):
        decode(value)


def test_unsorted_definitions_are_refused() -> None:
    rows = [[ip_address("10.0.0.2").packed, [], []], [ip_address("10.0.0.1").packed, [], []]]
    with pytest.raises(MessageError):
        Catalogue.decode(msgpack.packb(rows))


def test_ten_thousand_addresses_travel_in_pieces() -> None:
    sent = catalogue(10_240)
    pieces = split(encode(Defs(sent), 5, 9), 5, 9)
    assert len(pieces) > 3
    assert max(map(len, pieces)) <= MAX_MESSAGE_BYTES
    assembler = Assembler()
    whole = [assembler.take(N1, piece) for piece in pieces]
    assert whole[:-1] == [None] * (len(pieces) - 1)
    last = whole[-1]
    assert last is not None
    assert isinstance(last.message, Defs)
    assert last.message.catalogue.digest == sent.digest


def test_pieces_of_two_senders_do_not_mix() -> None:
    one, two = (split(encode(Defs(catalogue(size)), at, 1), at, 1) for at, size in ((1, 5000), (2, 6000)))
    assembler = Assembler()
    done = []
    for at in range(max(len(one), len(two))):
        done += [assembler.take(N1, one[at])] if at < len(one) else []
        done += [assembler.take(N2, two[at])] if at < len(two) else []
    assert [envelope.incarnation for envelope in done if envelope] == [1, 2]


def test_a_message_cut_by_a_view_with_joins_is_delivered_by_nobody() -> None:
    """Members that were there before forget its beginning, as those that joined never saw it."""
    pieces = split(encode(Defs(catalogue(5000)), 1, 1), 1, 1)
    old, new = Assembler(), Assembler()
    old.take(N1, pieces[0])
    old.forget()
    for piece in pieces[1:]:
        assert old.take(N1, piece) is None
        assert new.take(N1, piece) is None


def test_pieces_of_a_dead_sender_are_dropped() -> None:
    pieces = split(encode(Defs(catalogue(5000)), 1, 1), 1, 1)
    assembler = Assembler()
    assembler.take(N1, pieces[0])
    assembler.drop(frozenset({N1}))
    assert all(assembler.take(N1, piece) is None for piece in pieces[1:])
