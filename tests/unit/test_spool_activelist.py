"""Old messages are found wherever they stand in a queue, and the order of the others stays."""

from collections import deque
from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentum_node.spool import delayedlist
from momentum_node.spool.activelist import PIECE, ActiveList
from momentum_node.spool.delayedlist import DelayedList
from momentum_node.spool.message import Message
from tests.support.queued import message

STEPS = st.one_of(
    st.tuples(st.sampled_from(["append", "appendleft"]), st.integers(0, 30)),
    st.tuples(st.just("run"), st.integers(0, 30)),  # so many at once that pieces fill up
    st.tuples(st.just("popleft"), st.integers(1, 700)),
    st.tuples(st.just("older"), st.integers(-1, 31)),
)


@given(st.lists(STEPS, max_size=40), st.sampled_from([1, 7, 600, 100_000]))
def test_it_is_a_deque_from_which_old_messages_can_be_taken(steps: list[tuple[str, int]], most: int) -> None:
    ours, model = ActiveList(), deque[Message]()
    for what, number in steps:
        match what:
            case "append" | "appendleft":
                one = message(created=number)
                getattr(ours, what)(one)
                getattr(model, what)(one)
            case "run":
                for offset in range(PIECE // 3):
                    one = message(created=number + offset % 3)
                    ours.append(one)
                    model.append(one)
            case "popleft":
                for _ in range(min(number, len(model))):
                    assert ours.popleft() is model.popleft()
            case _:
                old = [one for one in model if one.envelope.created <= number]
                taken = ours.take_older(number, most)
                assert len(taken) == min(most, len(old))
                assert all(one in old for one in taken)
                gone = {id(one) for one in taken}
                model = deque(one for one in model if id(one) not in gone)
        assert (len(ours), list(ours)) == (len(model), list(model))
        if model:
            assert (ours.first, ours.last) == (model[0], model[-1])


@dataclass(eq=False)
class Watched:
    """A message that counts how often its age is looked at."""

    made: float
    looks: int = 0

    @property
    def envelope(self) -> "Watched":
        return self

    @property
    def created(self) -> float:
        self.looks += 1
        return self.made


def test_an_old_message_behind_a_million_younger_ones_is_found_without_looking_at_them() -> None:
    """100,000 here: what counts is that the looks do not grow with them."""
    queue, all_of_them = ActiveList(), [Watched(1000.0) for _ in range(100_000)]
    old = all_of_them[70_000] = Watched(10.0)
    for one in all_of_them:
        queue.append(cast("Message", one))
    before = sum(one.looks for one in all_of_them)

    for now in range(10):
        assert queue.take_older(float(now), 500) == []
    assert queue.take_older(10.0, 500) == [cast("Message", old)]
    for now in range(11, 1000):
        assert queue.take_older(float(now), 500) == []

    assert sum(one.looks for one in all_of_them) - before < 3 * PIECE
    assert len(queue) == 99_999


def test_an_old_message_that_was_delivered_costs_one_look_at_its_neighbours() -> None:
    queue = ActiveList()
    first = Watched(10.0)
    rest = [Watched(1000.0) for _ in range(3 * PIECE)]
    for one in (first, *rest):
        queue.append(cast("Message", one))
    queue.popleft()
    before = sum(one.looks for one in rest)
    for now in range(10, 900):
        assert queue.take_older(float(now), 500) == []
    assert sum(one.looks for one in rest) - before < 3 * PIECE


# -- delayed


def test_nothing_waits_beyond_its_end_of_life() -> None:
    delayed = DelayedList()
    delayed.live(100)
    delayed.add(message("soon", created=0, next_attempt=50))
    delayed.add(message("late", created=0, next_attempt=5000))
    assert delayed.next_due == 50
    assert [one.id for one in delayed.due(100)] == ["soon", "late"]


def test_a_shorter_life_counts_for_what_waits_a_piece_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delayedlist, "STEP", 10)
    delayed = DelayedList()
    delayed.live(1000)
    for number in range(45):
        delayed.add(message(str(number), created=float(number), next_attempt=2000.0))
    delayed.live(100)
    assert len(delayed) == 45
    assert len({one.id for one in delayed}) == 45
    for _ in range(4):
        delayed.sort()
    assert [one.id for one in delayed.due(120)] == [str(number) for number in range(21)]
    assert [one.id for one in delayed.due(999)] == [str(number) for number in range(21, 45)]
    assert len(delayed) == 0


def test_a_longer_life_changes_nothing_for_what_waits() -> None:
    delayed = DelayedList()
    delayed.live(100)
    delayed.add(message("1", created=0, next_attempt=5000))
    delayed.live(1000)
    delayed.add(message("2", created=0, next_attempt=5000))
    assert [one.id for one in delayed.due(100)] == ["1"]
    assert delayed.next_due == 1000
