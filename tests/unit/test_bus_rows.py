"""How nodes tell each other their rows: who is believed, what gets old, and what passes from node to node."""

import hmac

import msgpack

from momentum_node.bus.resolver import Row
from momentum_node.bus.rows import FRESH_S, Rows, derived_key

KEY = derived_key(b"k" * 128, "cluster")
LISTED = frozenset({1, 2, 3})
TICK_S = 0.2


class Party:
    """Nodes that tell each other; `cut` pairs do not hear each other, `(1, 2)`: nothing passes from 1 to 2."""

    def __init__(self) -> None:
        self.now = 100.0
        self.rows = {node: Rows(node, LISTED, 1000 + node, KEY) for node in sorted(LISTED)}
        self.own = {node: Row(node) for node in LISTED}
        self.dead: set[int] = set()
        self.cut: set[tuple[int, int]] = set()
        self.sent: list[bytes] = []

    def go_on(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            for node in LISTED - self.dead:
                self.tell(node)
            self.now += TICK_S

    def tell(self, node: int) -> None:
        self.sent.append(self.rows[node].datagram(self.own[node], self.now))
        for other in LISTED - self.dead - {node}:
            if (node, other) not in self.cut:
                self.rows[other].take(self.sent[-1], self.now)

    def known(self, node: int) -> set[int]:
        return set(self.rows[node].rows(self.now))

    def heard(self, node: int) -> set[int]:
        return set(self.rows[node].hears(self.now))


def test_everybody_knows_every_row_and_hears_everybody() -> None:
    party = Party()
    party.own[2] = Row(2, frozenset({3}), is_stuck=True)
    party.go_on(1.0)
    assert [party.known(node) for node in (1, 2, 3)] == [{1, 2, 3}] * 3
    assert party.heard(1) == {2, 3}
    assert party.rows[1].rows(party.now)[2] == party.own[2]


def test_the_ends_of_a_broken_pair_learn_of_each_other_from_the_node_between() -> None:
    party = Party()
    party.cut = {(1, 2), (2, 1)}
    party.go_on(1.0)
    assert party.known(1) == party.known(2) == {1, 2, 3}
    assert party.heard(1) == {3}
    assert party.heard(2) == {3}


def test_what_passes_one_way_only_is_not_heard() -> None:
    """2 gets everything of 1, but knows from no echo that 1 gets anything of its own."""
    party = Party()
    party.cut = {(2, 1)}
    party.go_on(1.0)
    assert party.heard(1) == party.heard(2) == {3}


def test_the_row_of_a_dead_node_gets_old_however_often_it_is_passed_on() -> None:
    party = Party()
    party.go_on(2.0)
    party.dead = {3}
    party.go_on(FRESH_S + 2 * TICK_S)
    assert party.known(1) == party.known(2) == {1, 2}
    assert party.heard(1) == {2}


def test_slow_hands_do_not_keep_the_row_of_a_dead_node_young() -> None:
    """Each datagram lies in a buffer for a while, which nobody's age counts."""
    party = Party()
    party.go_on(2.0)
    for _ in range(int(2 * FRESH_S / TICK_S)):
        for sender, taker in ((1, 2), (2, 1)):
            data = party.rows[sender].datagram(party.own[sender], party.now)
            party.now += TICK_S / 2
            party.rows[taker].take(data, party.now)
    assert party.known(1) == party.known(2) == {1, 2}


def test_a_recording_is_worth_nothing_once_it_is_old() -> None:
    party = Party()
    party.go_on(2.0)
    recorded = list(party.sent)
    party.dead = {2, 3}
    party.go_on(3.0)
    for data in recorded:
        party.rows[1].take(data, party.now)
    assert party.heard(1) == set()
    assert party.known(1) == {1}


def test_a_recording_of_an_earlier_process_does_not_silence_the_new_one() -> None:
    party = Party()
    party.go_on(2.0)
    recorded = list(party.sent)
    party.rows[2] = Rows(2, LISTED, 4711, KEY)
    party.go_on(4.0)
    for _ in range(10):
        for data in recorded:
            party.rows[1].take(data, party.now)
        party.go_on(TICK_S)
    assert party.heard(1) == {2, 3}


def test_a_process_that_started_anew_is_believed() -> None:
    party = Party()
    party.go_on(1.0)
    party.rows[2], party.own[2] = Rows(2, LISTED, 4711, KEY), Row(2, is_away=True)
    party.go_on(3.0)
    assert party.rows[1].rows(party.now)[2] == Row(2, is_away=True)


def test_strangers_and_garbage_are_counted_and_ignored() -> None:
    party = Party()
    party.go_on(1.0)
    refused = party.rows[1].refused
    stranger = Rows(2, LISTED, 7, derived_key(b"k" * 128, "another cluster"))
    unlisted = Rows(9, frozenset({1, 9}), 7, KEY)
    bad = [b"", b"x" * 31, b"x" * 20_000, stranger.datagram(Row(2), 0.0), unlisted.datagram(Row(9), 0.0)]
    bad += [party.sent[-1][:-1], party.sent[-1][:40] + b"?" + party.sent[-1][41:], msgpack.packb([1, 2])]
    for data in bad:
        party.rows[1].take(data, party.now)
    assert party.rows[1].refused == refused + len(bad)
    assert party.known(1) == {1, 2, 3}


def test_what_a_key_holder_writes_wrongly_is_refused_as_well() -> None:
    rows = Rows(1, LISTED, 1, KEY)
    bodies: list[object] = [[1], [2, 2, 3, 4, [], []], [1, 2, 3, 4, 5, 6], ["x"], {}, [1, 2, "a", None, [[1, 2]], []]]
    for body in bodies:
        packed = msgpack.packb(body)
        rows.take(packed + hmac.digest(KEY, packed, "sha256"), 1.0)
    assert rows.refused == len(bodies)
