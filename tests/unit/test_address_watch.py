"""How long two nodes had one address, judged from what their kernels said."""

from tests.support.addresswatch import Change, held_by_two, told


def _came(at: float, node: str) -> Change:
    return Change(at, node, "192.0.2.41", held=True)


def _went(at: float, node: str) -> Change:
    return Change(at, node, "192.0.2.41", held=False)


def test_a_release_before_the_acquisition_is_no_overlap() -> None:
    assert held_by_two([_came(0, "n1"), _went(5, "n1"), _came(6, "n2")], since=0, until=9) == 0


def test_an_overlap_counts_in_whatever_order_the_kernels_were_heard() -> None:
    assert held_by_two([_came(4, "n2"), _came(0, "n1"), _went(6, "n1")], since=0, until=9) == 2


def test_the_longest_overlap_counts() -> None:
    twice = [_came(0, "n1"), _came(1, "n2"), _went(2, "n2"), _came(3, "n2"), _went(6, "n1")]
    assert held_by_two(twice, since=0, until=9) == 3


def test_a_third_holder_does_not_begin_the_overlap_anew() -> None:
    three = [_came(0, "n1"), _came(1, "n2"), _came(4, "n3"), _went(5, "n3"), _went(6, "n2")]
    assert held_by_two(three, since=0, until=9) == 5


def test_only_what_is_within_the_time_asked_for_counts() -> None:
    changes = [_came(0, "n1"), _came(1, "n2"), _went(6, "n1")]
    assert held_by_two(changes, since=4, until=9) == 2
    assert held_by_two(changes, since=0, until=3) == 2
    assert held_by_two(changes, since=7, until=9) == 0


def test_an_overlap_that_has_not_ended_counts_until_now() -> None:
    assert held_by_two([_came(0, "n1"), _came(4, "n2")], since=0, until=9) == 5


def test_changes_are_told_in_order_of_time() -> None:
    assert told([_came(6, "n2"), _went(5, "n1")], since=5) == (
        "+0.000 s: 192.0.2.41 left n1\n+1.000 s: 192.0.2.41 came to n2"
    )
