"""Which part of a split cluster may own addresses."""

import pytest

from momentum_node.duravip.quorum import Rule
from momentum_node.duravip.vip import Policy


def rule(ids: set[int], size: int = 0) -> Rule:
    return Rule.of(Policy(partition="quorum", node_ids=frozenset(ids), cluster_size=size or None))


@pytest.mark.parametrize(
    ("listed", "reachable", "expected"),
    [
        ({1, 2, 3}, {1, 2}, True),
        ({1, 2, 3}, {3}, False),
        ({1, 2, 3, 4}, {1, 4}, True),  # exact half, with the lowest id
        ({1, 2, 3, 4}, {2, 3}, False),
        ({2, 3}, {2}, True),
        ({1, 2, 3}, {3, 7, 8}, False),  # strangers on the ring do not count
        ({1, 2, 3}, set(), False),
        ({5}, {5}, True),
    ],
)
def test_more_than_half_of_the_node_list(listed: set[int], reachable: set[int], expected: bool) -> None:
    assert rule(listed).is_quorate(frozenset(reachable)) is expected


def test_without_a_node_list_the_size_counts_and_half_is_not_enough() -> None:
    assert rule(set(), 3).is_quorate(frozenset({7, 9}))
    assert not rule(set(), 4).is_quorate(frozenset({1, 2}))
    assert not rule(set()).is_quorate(frozenset({1, 2}))


def test_both_sides_serve_when_the_policy_says_so() -> None:
    assert Rule.of(Policy(partition="both", node_ids=frozenset({1, 2, 3}))).is_quorate(frozenset({3}))
