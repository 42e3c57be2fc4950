"""What cannot be taken from the bus: what came before, and numbers that no member sends. Bytes that mean nothing:
test_duravip_machine.py, tests/properties."""

from ipaddress import ip_address

import msgpack
import pytest

from momentum_node.duravip.catalogue import Catalogue, MessageError
from momentum_node.duravip.encoding import encode, encode_fragment
from momentum_node.duravip.fragments import MAX_PIECES, Assembler, split
from momentum_node.duravip.messages import Beacon, Defs, Envelope, Fragment, Released, Replayed
from momentum_node.duravip.unread import PAUSE_S, Unread
from momentum_node.duravip.vip import Definition
from tests.support.machines import N1, N2, V1, cluster, the


def test_what_was_said_before_has_no_effect_and_is_counted() -> None:
    """A RELEASED that comes a second time would take away what its sender has plumbed since."""
    made = cluster(2, vips="192.0.2.1")
    one, giver = the(made, "n2"), made.nodes["n1"].local
    run = 1000 + giver.pid
    one.on_message(giver, encode(Beacon(), run, 500), made.now)
    one.on_message(giver, encode(Released((V1,), ()), run, 1), made.now)
    assert one.ignored == {"Replayed": 1}
    assert one.placements()[0].holders == ("n1",)


def test_numbers_of_another_run_or_member_are_others() -> None:
    assembler = Assembler()
    for member, run, number in ((N1, 7, 5), (N2, 7, 5), (N1, 8, 1), (N1, 8, 2)):
        assert assembler.take(member, encode(Beacon(), run, number)) == Envelope(run, number, Beacon())
    with pytest.raises(Replayed):
        assembler.take(N1, encode(Beacon(), 8, 2))
    assembler.drop(frozenset({N1}))
    assert assembler.take(N1, encode(Beacon(), 8, 1)) is not None


def test_pieces_that_come_again_are_no_new_message() -> None:
    first = int(ip_address("10.0.0.0"))
    many = [Definition(ip_address(first + n), frozenset({"esmtp"}), (f"binding{n}",), False) for n in range(4000)]
    pieces = split(encode(Defs(Catalogue.of(many)), 9, 1), 9, 1)
    assembler = Assembler()
    taken = [assembler.take(N1, piece) for piece in (*pieces, *pieces[:-1])]
    assert [at for at, whole in enumerate(taken) if whole is not None] == [len(pieces) - 1]
    assert len(pieces) > 1
    with pytest.raises(Replayed):
        assembler.take(N1, pieces[-1])


@pytest.mark.parametrize(("index", "count"), [(0, MAX_PIECES + 1), (0, 0), (0, 2**31 - 1)])
def test_a_message_of_too_many_pieces_is_not_collected(index: int, count: int) -> None:
    assembler = Assembler()
    with pytest.raises(MessageError):
        assembler.take(N1, encode_fragment(Fragment(9, 1, index, count, b"x")))
    assert assembler._partial == {}


def test_numbers_that_no_member_sends_are_refused() -> None:
    """A node that is said to have left 2**63 times would wait for 2**(2**63) times its delay."""
    made = cluster(1, vips="192.0.2.1")
    one = the(made, "n1")
    fields = msgpack.unpackb(encode(one._state(made.now, gather=False), 1, 1), strict_map_key=False)
    fields[5][19] = [["n1", 2**63]]
    one.on_message(made.nodes["n1"].local, msgpack.packb(fields), made.now)
    assert one.ignored == {"MessageError": 1}


def test_it_is_told_once_a_minute_and_added_up() -> None:
    unread = Unread()
    assert unread.news({}, 0.0) is None
    assert unread.news({"MessageError": 1}, 1.0) == {"MessageError": 1}
    assert unread.news({"MessageError": 900}, 2.0) is None
    unread.machine_ended()
    unread.add("MessageError")
    assert unread.news({"Replayed": 1}, 1.0 + PAUSE_S) == {"MessageError": 901, "Replayed": 1}
    assert unread.news({"Replayed": 1}, 900.0) is None
    assert unread.total == 902
