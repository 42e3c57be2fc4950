"""Which message goes where now, and what an arriving one is to what is known here."""

import pytest

from momentum_node.mmove.plan import (
    DOUBT_PATIENCE_S,
    Allowance,
    Move,
    Owners,
    Stay,
    Wait,
    backoff,
    destination,
)
from momentum_node.spool.marks import Mark, State, Verdict, handed, judge, longer, offered, raised, released, told
from momentum_node.spool.message import Envelope, Message, Place, Stored

NOW = 5000.0
ALL = frozenset({"n1", "n2", "n3"})


def message(name: str = "a", binding: str = "moving") -> Message:
    place = Stored(Place(0, 0, 0, 0), None, {name}, 1)
    return Message(name, Envelope(1.0, "s@a.test", 9), "r@b.test", binding, "b.test", place, 0)


def owners(owner: str | None, members: frozenset[str] = ALL) -> Owners:
    return Owners("n1", members, {"moving": owner})


HELD = Mark("a", 1.0, State.HELD, 0)
OFFERED = offered(HELD, "n3", NOW - 10)


def test_mail_follows_the_owner_of_its_binding() -> None:
    assert destination(message(), None, owners("n1"), NOW) is Stay.HERE
    assert destination(message(), None, owners("n2"), NOW) == Move("n2")
    assert isinstance(destination(message(), None, owners(None), NOW), Wait)
    assert isinstance(destination(message(), None, owners("n2", frozenset({"n1"})), NOW), Wait)
    assert destination(message(binding="fixed"), None, owners("n2"), NOW) is Stay.HERE


@pytest.mark.parametrize("owner", ["n1", "n2", None])
def test_a_doubtful_message_goes_to_the_node_that_may_have_it(owner: str | None) -> None:
    assert destination(message(), OFFERED, owners(owner), NOW) == Move("n3")


def test_patience_with_a_node_that_is_gone_has_an_end() -> None:
    left = frozenset({"n1", "n2"})
    assert isinstance(destination(message(), OFFERED, owners("n1", left), NOW), Wait)
    assert destination(message(), OFFERED, owners("n1", left), NOW + DOUBT_PATIENCE_S) is Stay.HERE
    assert destination(message(), OFFERED, owners("n2", left), NOW + DOUBT_PATIENCE_S) == Move("n2")


def test_a_message_that_goes_round_in_circles_is_held_for_a_minute() -> None:
    one = message()
    for number in range(6):
        assert destination(one, None, owners("n2"), NOW + number) == Move("n2")
        one.trail = longer(one.trail, NOW + number)
    assert destination(one, None, owners("n2"), NOW + 6) == Wait(NOW + 66, "it goes from node to node without end")
    assert destination(one, None, owners("n2"), NOW + 66) == Move("n2")
    assert destination(one, None, owners("n1"), NOW + 6) is Stay.HERE


def test_a_failing_target_is_tried_ever_more_rarely() -> None:
    assert [backoff(number) for number in (1, 2, 3, 6, 7, 99)] == [1, 2, 4, 32, 60, 60]


def test_background_moves_keep_their_rate() -> None:
    allowance = Allowance(100, NOW)
    assert [allowance.take(50, NOW) for _ in range(3)] == [True, True, False]
    assert not allowance.take(50, NOW + 0.4)
    assert allowance.take(50, NOW + 0.6)
    assert Allowance(10, NOW).take(50, NOW)  # one larger than a second's share goes, and the rest pays for it


HANDED = handed(OFFERED, NOW)
DONE = Mark("a", 1.0, State.FINISHED, 2, at=NOW, awaits=(2,))


@pytest.mark.parametrize(
    ("known", "created", "hop", "verdict"),
    [
        (None, 1.0, 1, Verdict.TAKE),
        (HELD, 1.0, 1, Verdict.RAISE),
        (HELD, 2.0, 1, Verdict.RENAME),
        (raised(HELD, 3), 1.0, 3, Verdict.DUPLICATE),
        (raised(HELD, 3), 1.0, 2, Verdict.DUPLICATE),
        (OFFERED, 1.0, 2, Verdict.RAISE),
        (HANDED, 1.0, 1, Verdict.DUPLICATE),
        (HANDED, 1.0, 2, Verdict.TAKE),
        (HANDED, 2.0, 1, Verdict.TAKE),
        (DONE, 1.0, 9, Verdict.DUPLICATE),
    ],
)
def test_what_an_arriving_message_is(known: Mark | None, created: float, hop: int, verdict: Verdict) -> None:
    assert judge(known, created, hop) is verdict


def test_memory_ends_when_both_sides_have_spoken() -> None:
    passed_on = handed(offered(raised(HELD, 1), "n3", NOW), NOW)
    assert (passed_on.hop, passed_on.awaits, passed_on.owes) == (2, (1,), True)
    first = released(passed_on, 1)
    assert first is not None
    assert first.state is State.HANDED
    last = told(first)
    assert last is not None
    assert last.state is State.FORGOTTEN
    assert released(DONE, 1) is None  # of an older copy: it says nothing about this one
