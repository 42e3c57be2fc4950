"""Members listen for the one that is about to plumb: what they ask, what they say, what it is worth (failover F15)."""

from ipaddress import ip_address
from itertools import pairwise

import msgpack
import pytest

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.encoding import decode, encode
from momentum_node.duravip.messages import Contested, Envelope, State
from momentum_node.duravip.vip import Contest, Effect, Multicast, Plumb, Witness
from momentum_node.duravip.witness import BURST, LIMIT_S, RATE, REPEAT_S, WORD_S, Hearsay, Witnessing, hears_for
from tests.support.declared import declared
from tests.support.machines import N1, N2, N3, POLICY, V1, V2, machine, the, view
from tests.support.story import Cluster, Node

STRANGER, OTHER = bytes((2, 0, 0, 0, 0, 0x99)), bytes((2, 0, 0, 0, 0, 0x98))
MANY: list[Address] = [ip_address(f"10.0.{n // 250}.{n % 250}") for n in range(1000)]


# -- the witness -------------------------------------------------------------------------------


def test_silence_says_nothing() -> None:
    witness = Witnessing()
    witness.begin([V1, V2], 10.0)
    assert witness.questions() == (V1, V2)
    witness.heard(V1, None, 10.04)
    witness.heard(V2, None, 10.04)
    assert (witness.words(), witness.questions(), witness.next_due(10.04)) == ([], (), None)


def test_an_answer_is_told_at_once_and_asked_for_again_ever_more_slowly() -> None:
    witness = Witnessing()
    witness.begin([V1], 0.0)
    now, asked, told = 0.0, [], []
    while now < 2.0:
        if witness.questions():
            asked.append(round(now, 3))
            witness.heard(V1, STRANGER, now)
        told += [(round(now, 3), word) for word in witness.words()]
        now = witness.next_due(now) or now
        witness.turn(now)
    assert asked[:6] == [0.0, 0.01, 0.03, 0.07, 0.15, 0.31]
    assert asked[-1] - asked[-2] == pytest.approx(0.2)
    assert told[0] == (0.0, Contested((V1,), STRANGER))
    assert all(REPEAT_S <= later - sooner < WORD_S for (sooner, _), (later, _) in pairwise(told))


def test_what_was_told_is_taken_back_when_nobody_answers_any_more() -> None:
    witness = Witnessing()
    witness.begin([V1, V2], 0.0)
    witness.heard(V1, STRANGER, 0.001)
    witness.heard(V2, STRANGER, 0.001)
    assert witness.words() == [Contested((V1, V2), STRANGER)]
    witness.heard(V1, None, 0.06)
    assert witness.words() == [Contested((V1,), b"")]


def test_another_host_that_answers_is_told_at_once() -> None:
    witness = Witnessing()
    witness.begin([V1], 0.0)
    witness.heard(V1, STRANGER, 0.001)
    witness.words()
    witness.heard(V1, OTHER, 0.02)
    assert witness.words() == [Contested((V1,), OTHER)]


def test_ten_thousand_addresses_are_no_storm() -> None:
    witness = Witnessing()
    witness.begin(MANY, 0.0)
    assert len(witness.questions()) == BURST, "what cannot be asked within the guard time is not asked at all"
    witness.begin(MANY[BURST:], 0.01)
    assert len(witness.questions()) <= 0.01 * RATE + 1
    for vip in MANY[:BURST]:
        witness.heard(vip, STRANGER, 0.01)
    asked, now = 0, 0.01
    while now < 2.0:
        witness.turn(now)
        for vip in witness.questions():
            asked += 1
            witness.heard(vip, STRANGER, now)
        now += 0.005
    assert asked <= 2.0 * RATE + BURST


def test_a_watch_ends_by_itself() -> None:
    witness = Witnessing()
    witness.begin([V1, V2], 0.0)
    witness.questions()
    witness.heard(V1, STRANGER, 0.0)  # V2 cannot be asked here: no answer ever comes
    witness.turn(LIMIT_S)
    assert (witness.questions(), witness.next_due(LIMIT_S)) == ((), None)
    witness.heard(V1, STRANGER, LIMIT_S)
    assert len(witness.words()) == 1, "what was said in time"


def test_three_members_listen_for_each() -> None:
    names = [Member(n, 1) for n in range(1, 9)]
    for owner in names:
        assert sum(owner in hears_for(names, local) for local in names) == 3
        assert owner not in hears_for(names, owner)
    assert hears_for(names[:3], names[0]) == {names[1], names[2]}
    assert not hears_for(names[:1], names[0])


# -- what a word is worth ----------------------------------------------------------------------


def test_a_word_counts_until_it_is_taken_back_or_old() -> None:
    hearsay = Hearsay()
    hearsay.said(N2, STRANGER, 0.0)
    assert hearsay.against(WORD_S - 0.01) == STRANGER
    assert hearsay.against(WORD_S + 0.01) is None
    hearsay.said(N2, STRANGER, 2.0)
    hearsay.said(N3, STRANGER, 2.0)
    hearsay.said(N2, b"", 2.1)
    assert hearsay.against(2.1) == STRANGER, "the other one has not taken it back"
    hearsay.said(N3, b"", 2.1)
    assert hearsay.against(2.1) is None


def test_who_hears_a_host_himself_needs_no_witness() -> None:
    """A killed core's supervisor removes its addresses within 50 ms: a word from before that must cost no time."""
    hearsay = Hearsay()
    hearsay.said(N2, STRANGER, 0.0)
    hearsay.heard(STRANGER)
    assert hearsay.against(0.01) is None
    hearsay.said(N2, OTHER, 0.02)
    assert hearsay.against(0.02) == OTHER
    hearsay.forget()
    assert hearsay.against(0.02) is None


# -- the machine -------------------------------------------------------------------------------


class Wired(Cluster):
    """Three mature nodes that share V1 and V2 (n1 has V1), on a wire where `answers` says who answers for what.

    What they ask and are told is kept; addresses that are asked for first do not come up by themselves.
    """

    def __init__(self) -> None:
        super().__init__(["n1", "n2", "n3"], POLICY)
        self.answers: dict[Address, bytes] = {}
        self.asked: list[tuple[str, tuple[Address, ...]]] = []
        self.told: list[tuple[str, Contest]] = []
        self.is_slow = False
        for name, node in self.nodes.items():
            node.definitions = declared(name, ["192.0.2.1..2"])
        self.start("n1", "n2", "n3")
        for name, node in self.nodes.items():
            mac = bytes((2, 0, 0, 0, 0, node.node_id))
            self.tell(name, lambda machine, mac=mac: machine.on_hardware((mac,), self.now))  # type: ignore[misc]
        self.wait(POLICY.view_mature_time_s)
        assert (self.placement(V1).owner, self.placement(V2).owner) == ("n1", "n2")
        self.asked.clear()
        self.is_slow = True

    def _perform(self, node: Node, effect: Effect) -> None:
        match effect:
            case Witness(vips):
                self.asked.append((node.name, vips))
                for vip in vips:
                    the(self, node.name).on_witnessed([(vip, self.answers.get(vip))], self.now)
            case Contest():
                self.told.append((node.name, effect))
            case Plumb() if self.is_slow:
                pass
            case _:
                super()._perform(node, effect)


def test_the_others_listen_when_an_owner_dies_and_tell_who_is_to_plumb() -> None:
    made = Wired()
    made.answers[V1] = STRANGER
    made.stop("n1")
    assert made.placement(V1).owner == "n3"
    assert made.asked[0] == ("n2", (V1,)), "not the new owner, who asks for himself, and nobody for V2, which stays"
    assert made.told[0] == ("n3", Contest(V1, made.nodes["n2"].local, STRANGER))
    assert {name for name, _ in made.told} == {"n3"}


def test_it_is_told_when_the_old_owner_falls_silent() -> None:
    made = Wired()
    made.answers[V1] = STRANGER
    made.stop("n1")
    made.wait(0.5)
    made.answers.clear()
    made.wait(0.5)
    assert made.told[-1] == ("n3", Contest(V1, made.nodes["n2"].local, b""))
    asked = len(made.asked)
    made.wait(5.0)
    assert len(made.asked) == asked


def test_a_member_that_answers_has_the_address_by_right() -> None:
    """The new owner was quicker than the witness."""
    made = Wired()
    made.answers[V1] = bytes((2, 0, 0, 0, 0, 3))
    made.stop("n1")
    assert made.asked == [("n2", (V1,))]
    assert made.told == []


def test_the_old_owner_that_is_gone_is_no_member() -> None:
    made = Wired()
    made.answers[V1] = bytes((2, 0, 0, 0, 0, 1))
    made.stop("n1")
    assert [name for name, _ in made.told] == ["n3"]


def test_a_hardware_address_has_a_name_also_when_its_member_is_gone() -> None:
    made = Wired()
    made.stop("n1")
    one = the(made, "n3")
    assert [one.whose(bytes((2, 0, 0, 0, 0, n))) for n in (1, 2, 3)] == ["n1", "n2", "n3"]
    assert one.whose(STRANGER) is None


def test_nobody_listens_for_what_was_released() -> None:
    made = Wired()
    made.is_slow = False
    made.tell("n1", lambda machine: machine.on_move(V1, "n2", made.now))
    assert made.placement(V1).owner == "n2"
    assert made.asked == []


def test_a_word_about_what_is_plumbed_already_changes_nothing() -> None:
    made = Wired()
    made.is_slow = False
    made.answers[V1] = STRANGER
    made.stop("n1")  # n3 plumbs at once here, before the word arrives
    assert made.asked
    assert made.told == []


def test_listening_goes_on_while_states_are_exchanged() -> None:
    made = Wired()
    made.answers[V1] = STRANGER
    made.stop("n1")
    made.told.clear()
    n2, n3 = made.nodes["n2"], made.nodes["n3"]
    word = encode(Contested((V1,), OTHER), 1, 1)
    the(made, "n3").on_view(view(n2.local, n3.local, Member(4, 1), joined=[Member(4, 1)]), made.now)
    assert the(made, "n3").state == "GATHER"
    the(made, "n3").on_message(n2.local, word, made.now)
    assert Contest(V1, n2.local, OTHER) in the(made, "n3").effects()


# -- versions that do not know of it -----------------------------------------------------------


def test_words_are_no_events_of_the_table() -> None:
    """A member that ignores them as unknown counts the same events: heartbeats compare tables by that."""
    made = Wired()
    made.answers[V1] = STRANGER
    made.stop("n1")
    made.wait(1.0)
    one = the(made, "n3")
    before = one._vigil.events
    one.on_message(made.nodes["n2"].local, encode(Contested((V1,), STRANGER), 1, 1), made.now)
    assert one._vigil.events == before
    one.on_message(made.nodes["n2"].local, msgpack.packb([1, "GOSSIP", 1, 2, "", []]), made.now)
    assert one._vigil.events == before
    assert one.ignored == {"UnknownKind": 1}


def test_a_state_without_hardware_addresses_is_read() -> None:
    one = machine()
    one.on_view(view(N1, joined=[N1]), 0.0)
    (data,) = [effect.data for effect in one.effects() if isinstance(effect, Multicast)]
    fields = msgpack.unpackb(data)
    fields[5].pop()
    older = decode(msgpack.packb(fields))
    assert isinstance(older, Envelope)
    assert isinstance(older.message, State)
    assert older.message.facts.macs == ()


@pytest.mark.parametrize("body", [[], [[], 7], [[b"abc"], b""], [[V1.packed], b"short"]])
def test_a_word_that_means_nothing_is_ignored(body: list[object]) -> None:
    made = Wired()
    one = the(made, "n3")
    one.on_message(made.nodes["n2"].local, msgpack.packb([1, "CONTESTED", 1, 1, "", body]), made.now)
    assert one.ignored == {"MessageError": 1}
