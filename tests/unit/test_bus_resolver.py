"""The resolver as stories: a ring that one broken pair stops, who leaves it, when it returns, and who is left alone."""

from collections.abc import Mapping

from momentum_node.bus.resolver import (
    FIRST_STAY_S,
    FULL_S,
    GIVE_UP_S,
    PERSISTENCE_S,
    RELAPSE_S,
    RESTART_PAUSE_S,
    STAGGER_S,
    Act,
    Patience,
    Resolver,
    Row,
    broken_pairs,
    victim,
)

FAST = Patience(resolver_s=1.5, self_drop_s=3.0)
TICK_S = 0.2


def rows(nodes: int, *broken: tuple[int, int], stuck: bool = True, away: tuple[int, ...] = ()) -> dict[int, Row]:
    """The rows of nodes 1 … `nodes`, of which these pairs do not hear each other. An away node has no links at all."""
    return {
        node: Row(
            node,
            frozenset(other for pair in broken if node in pair for other in pair if other != node) | {*away} - {node},
            is_stuck=stuck and node not in away,
            is_away=node in away,
        )
        for node in range(1, nodes + 1)
    }


def listed(count: int) -> frozenset[int]:
    return frozenset(range(1, count + 1))


class Node:
    """One node's resolver in virtual time."""

    def __init__(self, own_id: int, count: int = 3) -> None:
        self.resolver = Resolver(own_id, listed(count), FAST)
        self.own_id = own_id
        self.now = 1000.0
        self.acts: list[Act] = []

    def sees(
        self, seen: Mapping[int, Row], seconds: float, hears: frozenset[int] = frozenset(), silence_s: float = 0.0
    ) -> list[Act]:
        """What it does meanwhile, repetitions left out."""
        acts: list[Act] = []
        end = self.now + seconds
        while self.now < end:
            act = self.resolver.judge(seen, silence_s, hears, self.now).act
            acts += [act] if act not in acts[-1:] else []
            self.now += TICK_S
        return acts


# -- who leaves ----------------------------------------------------------------------------------


def test_a_pair_with_the_representative_stops_three_nodes_and_its_higher_end_leaves() -> None:
    """1 and 2 do not hear each other: 3 hears both, and nothing is delivered to anybody."""
    assert victim(rows(3, (1, 2)), listed(3)) == 2


def test_neighbours_in_ring_order_stop_five_nodes_and_the_last_leaves() -> None:
    assert victim(rows(5, (4, 5)), listed(5)) == 5


def test_a_pair_that_is_not_adjacent_is_harmless_and_only_reported() -> None:
    seen = rows(5, (2, 4), stuck=False)
    assert victim(seen, listed(5)) is None
    assert Node(4, 5).sees(seen, 10) == [Act.REPORT]


def test_one_direction_is_enough_to_break_a_pair() -> None:
    seen = rows(3)
    seen[3] = Row(3, frozenset({1}), is_stuck=True)
    assert broken_pairs(seen) == ((1, 3),)
    assert victim(seen, listed(3)) == 3


def test_who_has_the_fewest_links_leaves_whatever_its_number() -> None:
    """2 hears neither 4 nor 5: one departure mends both pairs."""
    assert victim(rows(5, (2, 4), (2, 5)), listed(5)) == 2


def test_two_broken_pairs_are_resolved_one_after_the_other() -> None:
    assert victim(rows(5, (1, 2), (4, 5)), listed(5)) == 5
    assert victim(rows(5, (1, 2), away=(5,)), listed(5)) == 2
    assert victim(rows(5, away=(2, 5)), listed(5)) is None


def test_nobody_leaves_when_those_who_stay_would_be_no_majority() -> None:
    assert victim(rows(3, (1, 2), away=(3,)), listed(3)) is None
    assert victim(rows(4, (2, 3), away=(4,)), listed(4)) == 3, "1 and 2 are the half with the lowest id"
    assert victim(rows(4, (2, 3), away=(1,)), listed(4)) is None


def test_one_slow_node_drives_nobody_out() -> None:
    """Its own words do not come back, and elsewhere a pair is broken that stops nobody."""
    seen = rows(5, (2, 4), stuck=False)
    seen[3] = Row(3, is_stuck=True)
    assert victim(seen, listed(5)) is None


def test_a_ring_that_stands_still_with_all_links_up_has_no_victim() -> None:
    assert victim(rows(3), listed(3)) is None


def test_a_dead_node_breaks_no_pair() -> None:
    """Nobody has a link to it; it says nothing, so there is no row of it."""
    seen = {node: Row(node, frozenset({3}), is_stuck=True) for node in (1, 2)}
    assert victim(seen, listed(3)) is None


def test_a_daemon_that_has_just_started_breaks_no_pair() -> None:
    assert victim(rows(3, away=(3,)), listed(3)) is None


# -- leaving and returning -----------------------------------------------------------------------


def test_the_victim_leaves_and_the_others_stay() -> None:
    seen = rows(3, (1, 2))
    assert Node(2).sees(seen, 1) == [Act.REPORT, Act.LEAVE, Act.STAY_OUT]
    assert Node(1).sees(seen, 1) == [Act.REPORT]
    assert Node(3).sees(seen, 1) == [Act.REPORT]


def test_a_row_that_arrives_late_drives_nobody_out() -> None:
    node = Node(2)
    node.sees(rows(3, (1, 2)), PERSISTENCE_S - 0.1)
    assert node.sees(rows(3, stuck=False), 5) == [Act.NOTHING]
    assert not node.resolver.is_out


def test_the_victim_returns_when_every_node_hears_it_again() -> None:
    node = Node(2)
    node.sees(rows(3, (1, 2)), 1)
    away = rows(3, stuck=False, away=(2,))
    assert node.sees(away, 30, hears=frozenset({3})) == [Act.STAY_OUT], "1 lives, and does not hear us"
    assert node.sees(away, FULL_S - 0.5, hears=frozenset({1, 3})) == [Act.STAY_OUT]
    assert node.sees(away, 1, hears=frozenset({1, 3}))[:2] == [Act.STAY_OUT, Act.RETURN]


def test_the_end_that_died_meanwhile_does_not_keep_the_victim_out() -> None:
    node = Node(2)
    node.sees(rows(3, (1, 2)), 1)
    without_the_first = {3: Row(3), 2: Row(2, is_away=True)}
    assert Act.RETURN in node.sees(without_the_first, 10, hears=frozenset({3}))


def test_a_pair_that_breaks_again_and_again_keeps_its_victim_out_ever_longer() -> None:
    node = Node(2)
    stays = []
    for _ in range(3):
        node.sees(rows(3, (1, 2)), 0.5)
        out_at = node.now
        while node.resolver.is_out:
            node.sees(rows(3, stuck=False, away=(2,)), TICK_S, hears=frozenset({1, 3}))
        stays.append(node.now - out_at)
    assert [round(stay / FIRST_STAY_S) for stay in stays] == [1, 2, 4]
    node.sees(rows(3, stuck=False), RELAPSE_S)
    node.sees(rows(3, (1, 2)), 0.5)
    assert Act.RETURN in node.sees(rows(3, stuck=False, away=(2,)), FIRST_STAY_S + 1, hears=frozenset({1, 3}))


def test_a_victim_that_hears_nobody_tries_the_ring_after_ten_minutes() -> None:
    """Its port may be closed; the links of the ring itself may be well."""
    node = Node(2)
    node.sees(rows(3, (1, 2)), 1)
    alone = {2: Row(2, is_away=True)}
    assert node.sees(alone, GIVE_UP_S - 10) == [Act.STAY_OUT]
    assert Act.RETURN in node.sees(alone, 20)


# -- the last resort -----------------------------------------------------------------------------


def test_a_ring_that_stands_still_for_long_is_restarted_one_node_after_the_other() -> None:
    whole = rows(3)
    assert Node(1).sees(whole, 1, silence_s=9.9) == [Act.NOTHING]
    assert Node(1).sees(whole, 1, silence_s=10.1)[0] == Act.LEAVE
    assert Node(2).sees(whole, 1, silence_s=10.1) == [Act.NOTHING]
    assert Node(2).sees(whole, 1, silence_s=10.1 + STAGGER_S)[0] == Act.LEAVE


def test_a_slow_profile_waits_for_twice_the_time_of_its_self_drop() -> None:
    assert Patience(resolver_s=14.5, self_drop_s=29.0).restart_s == 58.0


def test_a_restarted_daemon_is_not_restarted_again_at_once() -> None:
    node = Node(1)
    whole = rows(3)
    acts = node.sees(whole, RESTART_PAUSE_S - 5, silence_s=60)
    assert acts == [Act.LEAVE, Act.STAY_OUT, Act.RETURN, Act.NOTHING]
    assert Act.LEAVE in node.sees(whole, 10, silence_s=60)


def test_a_node_without_links_is_not_restarted() -> None:
    """A cut cable: a new daemon would hear nobody either."""
    assert Node(1).sees({1: Row(1, frozenset({2, 3}), is_stuck=True)}, 1, silence_s=100) == [Act.NOTHING]
