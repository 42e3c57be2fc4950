"""What holds for the choice of a victim, whatever is broken."""

from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from momentum_node.bus.resolver import Row, broken_pairs, victim


@st.composite
def stuck_rings(draw: st.DrawFn) -> tuple[dict[int, Row], frozenset[int]]:
    """Rows of a ring that stands still: some pairs are broken, as seen by one end or by both; some nodes are away."""
    ids = draw(st.lists(st.integers(1, 99), min_size=1, max_size=8, unique=True))
    pairs = draw(st.sets(st.sampled_from(sorted(combinations(sorted(ids), 2))))) if len(ids) > 1 else set()
    lacks: dict[int, set[int]] = {node: set() for node in ids}
    for one, two in pairs:
        seen_by = draw(st.sampled_from(("first", "second", "both")))
        if seen_by != "second":
            lacks[one].add(two)
        if seen_by != "first":
            lacks[two].add(one)
    away = draw(st.sets(st.sampled_from(ids), max_size=2))
    rows = {node: Row(node, frozenset(lacks[node]), is_stuck=node not in away, is_away=node in away) for node in ids}
    return rows, frozenset(ids)


def has_majority(nodes: frozenset[int], listed: frozenset[int]) -> bool:
    return 2 * len(nodes) > len(listed) or (2 * len(nodes) == len(listed) and min(listed) in nodes)


@given(stuck_rings(), st.randoms(use_true_random=False))
def test_all_who_see_the_same_rows_choose_the_same(ring: tuple[dict[int, Row], frozenset[int]], random: Random) -> None:
    rows, listed = ring
    shuffled = list(rows.items())
    random.shuffle(shuffled)
    assert victim(dict(shuffled), listed) == victim(rows, listed)


@given(stuck_rings())
def test_a_victim_is_an_end_of_a_broken_pair_and_a_majority_remains(
    ring: tuple[dict[int, Row], frozenset[int]],
) -> None:
    rows, listed = ring
    chosen = victim(rows, listed)
    if chosen is not None:
        assert any(chosen in pair for pair in broken_pairs(rows))
        assert has_majority(frozenset(node for node in rows if not rows[node].is_away) - {chosen}, listed)


@given(stuck_rings())
def test_no_broken_pair_loses_both_ends_and_it_comes_to_an_end(ring: tuple[dict[int, Row], frozenset[int]]) -> None:
    """Let one leave after the other: who left mended its pairs, so nobody leaves for them again."""
    rows, listed = dict(ring[0]), ring[1]
    before = [frozenset(pair) for pair in broken_pairs(rows)]
    gone: set[int] = set()
    while (chosen := victim(rows, listed)) is not None:
        assert any(chosen in pair and not pair & gone for pair in before), "it leaves for a pair that nobody mended"
        gone.add(chosen)
        rows[chosen] = Row(chosen, rows[chosen].lacks, is_away=True)
    assert has_majority(listed - gone, listed) or not gone
    assert len(gone) <= len(before)


@given(stuck_rings())
def test_a_ring_that_delivers_has_no_victim(ring: tuple[dict[int, Row], frozenset[int]]) -> None:
    rows = {node: Row(node, row.lacks, is_away=row.is_away) for node, row in ring[0].items()}
    assert victim(rows, ring[1]) is None


@given(st.sets(st.integers(1, 99), min_size=1, max_size=8))
def test_a_whole_ring_has_no_victim_however_stuck(ids: set[int]) -> None:
    assert victim({node: Row(node, is_stuck=True) for node in ids}, frozenset(ids)) is None
