"""From CPG's callbacks to views."""

import pytest

from momentum_node.bus.callbacks import Callback, GroupChange, Message, Reason, RingChange
from momentum_node.bus.contract import BusEvent, Delivered, Member, ViewChanged
from momentum_node.bus.sequencer import AlreadyJoined, GroupLists, History, Joined, Left, Sent
from momentum_node.bus.views import ViewCollector

ONE, TWO, THREE = Member(1, 11), Member(2, 22), Member(3, 33)
WHOLE = RingChange(frozenset({1, 2, 3}))


def told(*callbacks: Callback) -> list[BusEvent]:
    """What member 1 is told."""
    collector = ViewCollector(ONE)
    return [event for callback in callbacks if (event := collector.feed(callback)) is not None]


def view(members: set[Member], joined: set[Member], left: set[Member], reachable: set[int]) -> ViewChanged:
    return ViewChanged(tuple(sorted(members)), frozenset(joined), frozenset(left), frozenset(reachable))


def joins(member: Member, *members: Member, reason: Reason = Reason.JOIN) -> GroupChange:
    return GroupChange(members, joined=((member, reason),))


def leaves(member: Member, *members: Member, reason: Reason) -> GroupChange:
    return GroupChange(members, left=((member, reason),))


TOGETHER: tuple[Callback, ...] = (joins(ONE, ONE, TWO, THREE), WHOLE)


def test_nothing_is_told_before_the_ring_is_known() -> None:
    assert told(joins(ONE, ONE)) == []
    assert told(joins(ONE, ONE), WHOLE) == [view({ONE}, {ONE}, set(), {1, 2, 3})]


def test_nothing_is_told_before_we_are_a_member() -> None:
    assert told(WHOLE, joins(TWO, TWO), Message(TWO, b"not for us yet")) == []


def test_a_dead_process_is_a_view_at_once() -> None:
    events = told(*TOGETHER, leaves(TWO, ONE, THREE, reason=Reason.PROCDOWN))
    assert events[-1] == view({ONE, THREE}, set(), {TWO}, {1, 2, 3})


def test_a_dead_node_is_a_view_when_the_ring_has_formed_and_not_before() -> None:
    down = leaves(THREE, ONE, TWO, reason=Reason.NODEDOWN)
    assert len(told(*TOGETHER, down)) == 1
    assert told(*TOGETHER, down, RingChange(frozenset({1, 2})))[-1] == view({ONE, TWO}, set(), {THREE}, {1, 2})


def test_lefts_and_joins_of_one_ring_change_are_one_view() -> None:
    again = Member(2, 23)
    events = told(
        *TOGETHER,
        leaves(TWO, ONE, THREE, reason=Reason.NODEDOWN),
        joins(again, ONE, THREE, again, reason=Reason.NODEUP),
        WHOLE,
    )
    assert events[1:] == [view({ONE, again, THREE}, {again}, {TWO}, {1, 2, 3})]


def test_a_member_that_was_away_is_left_and_joined() -> None:
    events = told(
        *TOGETHER,
        leaves(TWO, ONE, THREE, reason=Reason.NODEDOWN),
        joins(TWO, ONE, TWO, THREE, reason=Reason.NODEUP),
        WHOLE,
    )
    assert events[1:] == [view({ONE, TWO, THREE}, {TWO}, {TWO}, {1, 2, 3})]


def test_a_zombie_found_in_a_ring_change_is_part_of_it() -> None:
    events = told(
        *TOGETHER,
        leaves(THREE, ONE, TWO, reason=Reason.NODEDOWN),
        leaves(TWO, ONE, reason=Reason.PROCDOWN),
        RingChange(frozenset({1, 2})),
    )
    assert events[1:] == [view({ONE}, set(), {TWO, THREE}, {1, 2})]


def test_a_listed_member_that_left_came_back_even_if_nobody_said_so() -> None:
    events = told(*TOGETHER, leaves(TWO, ONE, TWO, THREE, reason=Reason.NODEDOWN), WHOLE)
    assert events[1:] == [view({ONE, TWO, THREE}, {TWO}, {TWO}, {1, 2, 3})]


def test_a_ghost_is_no_member_and_not_heard() -> None:
    ghost = Member(9, 99)
    events = told(joins(ONE, ONE, ghost), WHOLE, Message(ghost, b"boo"), joins(ghost, ONE, ghost))
    assert events == [view({ONE}, {ONE}, set(), {1, 2, 3})]


def test_a_ghost_whose_node_comes_back_joins() -> None:
    ghost = Member(3, 30)
    two_nodes = RingChange(frozenset({1, 2}))
    assert told(joins(ONE, ONE, ghost), two_nodes, WHOLE)[-1] == view({ONE, ghost}, {ghost}, set(), {1, 2, 3})


def test_a_member_without_its_node_in_the_ring_has_left_even_if_nobody_said_so() -> None:
    events = told(*TOGETHER, RingChange(frozenset({1, 2})))
    assert events[-1] == view({ONE, TWO}, set(), {THREE}, {1, 2})


def test_the_same_ring_again_is_no_news() -> None:
    assert len(told(*TOGETHER, WHOLE)) == 1


def test_a_change_of_the_ring_alone_is_told() -> None:
    events = told(joins(ONE, ONE), WHOLE, RingChange(frozenset({1, 2})))
    assert events[-1] == view({ONE}, set(), set(), {1, 2})


def test_messages_of_members_are_delivered() -> None:
    assert told(*TOGETHER, Message(TWO, b"x"))[-1] == Delivered(TWO, b"x")


# -- the sequencer's lists


def test_lists_give_callbacks_as_cpg_does() -> None:
    lists = GroupLists()
    assert lists.apply(Joined("g", TWO)) == joins(TWO, TWO)
    assert lists.apply(Joined("g", ONE)) == joins(ONE, ONE, TWO)
    assert lists.apply(Sent("g", TWO, b"x")) == Message(TWO, b"x")
    assert lists.apply(Left("g", TWO, Reason.LEAVE)) == leaves(TWO, ONE, reason=Reason.LEAVE)
    assert lists.apply(Left("g", TWO, Reason.PROCDOWN)) is None
    assert lists.apply(Sent("g", TWO, b"from the grave")) is None


def test_one_process_joins_a_group_once() -> None:
    lists = GroupLists()
    lists.apply(Joined("g", ONE))
    with pytest.raises(AlreadyJoined, match="process 11 of node 1 is in group g already"):
        lists.apply(Joined("g", ONE))


def test_a_ring_change_is_lefts_and_then_joins() -> None:
    lists = GroupLists()
    for member in (ONE, TWO):
        lists.apply(Joined("g", member))
    assert lists.ring_lost(frozenset({1})) == {"g": leaves(TWO, ONE, reason=Reason.NODEDOWN)}
    assert lists.ring_found({"g": frozenset({THREE})}) == {"g": joins(THREE, ONE, THREE, reason=Reason.NODEUP)}


def test_those_who_go_together_keep_what_any_of_them_received_and_what_they_sent() -> None:
    history = History(frozenset({1, 2, 3}))
    sent = [Sent("g", member, b"") for member in (ONE, THREE, TWO, THREE)]
    for entry in sent:
        history.append(entry)
    assert history.kept_by(frozenset({1, 2}), received=1) == [sent[0], sent[2]]
    assert history.kept_by(frozenset({3}), received=0) == [sent[1], sent[3]]
