"""Mail that waits too long for another node."""

from momentum_node.mmove.aging import ENDED, LOOKED_AT, ROUND_S, Aging
from momentum_node.mmove.lanes import Key, Lane
from momentum_node.spool.message import Message
from tests.support.queued import message

NOW = 100.0


def old(one: Message) -> bool:
    return one.envelope.created < NOW


def lane(*created: float) -> Lane:
    made = Lane(Key(0, "n2"))
    for number, at in enumerate(created):
        made.put(message(str(number), created=at), is_new=number % 2 == 1)
    return made


def test_what_is_too_old_is_taken_out_wherever_it_stands() -> None:
    aging, waits = Aging(), lane(101.0, 99.0, 50.0, 102.0, 103.0)
    assert {one.id for one in aging.overdue([waits], old, NOW)} == {"1", "2"}
    assert ([one.id for one in waits.moved], [one.id for one in waits.injected]) == (["0", "4"], ["3"])


def test_one_round_follows_the_other_after_a_while() -> None:
    aging, waits = Aging(), lane()
    assert aging.overdue([waits], old, NOW) == []
    waits.put(message("late", created=50.0), is_new=False)
    assert aging.overdue([waits], old, NOW + ROUND_S / 2) == []
    assert [one.id for one in aging.overdue([waits], old, NOW + ROUND_S)] == ["late"]


def test_of_very_much_mail_a_piece_is_looked_at_in_one_go() -> None:
    seen: list[str] = []

    def is_over(one: Message) -> bool:
        seen.append(one.id)
        return one.id == "last"

    aging, waits = Aging(), lane(*[101.0] * (3 * LOOKED_AT))
    waits.put(message("last"), is_new=False)
    gone = aging.overdue([waits], is_over, NOW)
    assert len(seen) == LOOKED_AT
    gone += aging.overdue([waits], is_over, NOW)
    gone += aging.overdue([waits], is_over, NOW)
    gone += aging.overdue([waits], is_over, NOW)
    assert [one.id for one in gone] == ["last"]
    assert len(set(seen)) == len(seen) == 3 * LOOKED_AT + 1


def test_not_too_many_fail_at_once_and_mail_may_leave_meanwhile() -> None:
    aging, waits = Aging(), lane(*[50.0] * (4 * ENDED))
    assert len(aging.overdue([waits], old, NOW)) == ENDED
    waits.moved.clear()
    gone = sum(len(aging.overdue([waits], old, NOW)) for _ in range(8))
    assert (gone, waits.waiting) == (ENDED, 0)
