"""The inbound throttle: who waits, how long, and that no window ever has too many."""

from hypothesis import given
from hypothesis import strategies as st

from momentum_node.limits.turns import EXACT, MOST_WAIT_S, Turns


def test_the_first_ones_go_at_once_and_the_next_wait_for_the_window() -> None:
    turns = Turns()
    assert [turns.wait_s("Global", 2, 10, now) for now in (0, 1, 2, 3)] == [0, 0, 8, 8]
    assert turns.wait_s("Global", 2, 10, 11) == 9  # 10 and 11 are taken by those who wait


def test_who_would_wait_too_long_takes_no_slot() -> None:
    turns = Turns()
    assert turns.wait_s("Global", 1, MOST_WAIT_S + 1, 0) == 0
    assert turns.wait_s("Global", 1, MOST_WAIT_S + 1, 0) is None
    assert turns.denials == 1
    assert turns.wait_s("Global", 1, MOST_WAIT_S + 1, 1) == MOST_WAIT_S


def test_each_scope_has_its_own_and_a_new_value_counts_at_once() -> None:
    turns = Turns()
    assert turns.wait_s("Global", 1, 10, 0) == 0
    assert turns.wait_s("Pathway:shop", 1, 10, 0) == 0
    assert turns.wait_s("Global", 1, 10, 0) == 10
    assert turns.wait_s("Global", 5, 10, 0) == 0


@given(st.integers(1, 5), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_window_has_more_than_allowed(number: int, pauses: list[float]) -> None:
    turns, now, slots = Turns(), 0.0, []
    for pause in pauses:
        now += pause
        wait = turns.wait_s("Global", number, 2.0, now)
        if wait is not None:
            slots.append(now + wait)
    assert slots == sorted(slots)
    assert all(later - earlier > 2.0 - 1e-6 for earlier, later in zip(slots, slots[number:], strict=False))


def test_a_large_number_costs_little_memory_and_is_kept() -> None:
    turns, number = Turns(), 3 * EXACT
    waits = [turns.wait_s("Global", number, 10, 0.0) for _ in range(number + 1)]
    assert waits[:number] == [0.0] * number
    assert waits[number] == 10.0
