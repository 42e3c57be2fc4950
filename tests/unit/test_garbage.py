"""How long the search for garbage may stop a process that has much."""

import gc
from collections.abc import Iterator

import pytest

from momentum_node import garbage


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks[:] = [one for one in gc.callbacks if one is not garbage._searches]
    gc.enable()
    gc.unfreeze()


def searches() -> int:
    """Of the oldest generation, since the start of the process."""
    return int(gc.get_stats()[garbage.OLDEST]["collections"])


def test_what_survived_a_long_search_is_not_looked_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "LONG_S", 0.0)
    garbage.keep_searches_short()
    many = [[number] for number in range(50_000)]
    frozen = gc.get_freeze_count()
    gc.collect()
    assert gc.get_freeze_count() >= frozen + len(many)


def test_many_that_live_for_a_moment_are_not_looked_through() -> None:
    garbage.keep_searches_short()
    gc.collect()
    before = sum(generation["collections"] for generation in gc.get_stats())
    many = [[number] for number in range(garbage.YOUNG - 1000)]
    assert sum(generation["collections"] for generation in gc.get_stats()) == before
    assert len(many) > 700


def test_a_short_search_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "LONG_S", 60.0)
    garbage.keep_searches_short()
    frozen = gc.get_freeze_count()
    gc.collect()
    assert gc.get_freeze_count() == frozen


def test_while_much_is_made_there_is_no_search() -> None:
    garbage.keep_searches_short()
    before = searches()
    with garbage.nothing_is_garbage():
        with garbage.nothing_is_garbage():
            pass
        assert not gc.isenabled()
        many = [[number] for number in range(300_000)]
        assert searches() == before
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(many)
