"""When a message is tried again, and when it is given up."""

import math

import pytest

from momentum_node.config.model import OutboundOptions
from momentum_node.spool.schedule import (
    BLACKHOLED,
    LOOKED_AT,
    NOT_ATTEMPTED,
    TOO_MANY_RETRIES,
    TOO_OLD,
    GiveUp,
    Retry,
    Schedule,
    Untried,
    after_failure,
    automatic_retries,
    connection_goal,
    retry_delay,
    untried,
)
from tests.support.queued import message

DEFAULTS = OutboundOptions()
MINUTELY = OutboundOptions(retry_interval_s=60, max_retry_interval_s=60)
WEEK = OutboundOptions(message_expiration_s=604_800)


def test_delays_double_up_to_the_cap() -> None:
    delays = [retry_delay(number, DEFAULTS) for number in range(1, 9)]
    assert delays == [1200, 2400, 4800, 9600, 19200, 38400, 43200, 43200]


@pytest.mark.parametrize(("options", "count"), [(DEFAULTS, 7), (WEEK, 19), (MINUTELY, 1441)])
def test_automatic_retries_are_those_that_fit_and_one_more(options: OutboundOptions, count: int) -> None:
    assert automatic_retries(options) == count


def test_a_message_lives_through_its_whole_life() -> None:
    """With the defaults: every delay of the vector, a last try at the end of its life, then it is too old."""
    waiting, now, tries = message(), 0.0, []
    while isinstance(verdict := after_failure(waiting, DEFAULTS, now), Retry):
        tries.append(verdict.at - now)
        waiting.retries, now = verdict.retries, verdict.at
    assert tries == [1200, 2400, 4800, 9600, 19200, 38400, 10800]
    assert now == 86400
    assert verdict == GiveUp(TOO_OLD)


def test_a_number_of_retries_bites_first() -> None:
    options = OutboundOptions(max_retries=2, retries_are_automatic=False)
    assert isinstance(after_failure(message(retries=1), options, 10), Retry)
    assert after_failure(message(retries=2), options, 10) == GiveUp(TOO_MANY_RETRIES)


def test_never_retry_is_final_at_once() -> None:
    assert after_failure(message(), OutboundOptions(never_retry=True), 1) == GiveUp(TOO_MANY_RETRIES)


def test_without_a_number_only_age_counts() -> None:
    options = OutboundOptions(max_retries=None, retries_are_automatic=False)
    assert isinstance(after_failure(message(retries=1000), options, 10), Retry)


def test_goals_follow_the_queue() -> None:
    assert [connection_goal(active, 32) for active in (0, 1, 32, 400)] == [0, 1, 10, 32]
    assert connection_goal(32, 32, aggressiveness=0.75) == 24


def test_due_messages_become_active_in_order() -> None:
    schedule = Schedule()
    for name, due in (("late", 30.0), ("soon", 10.0), ("now", 0.0)):
        schedule.add(message(name, next_attempt=due), now=5.0)
    assert schedule.next_due() == 10.0
    assert [one.id for queue in schedule.wake(9.0) for one in queue.active] == ["now"]
    assert [one.id for queue in schedule.wake(31.0) for one in queue.active] == ["now", "soon", "late"]
    assert schedule.count() == 3


def test_one_body_goes_out_once_for_neighbours() -> None:
    schedule = Schedule()
    first, second, other = message("1"), message("2"), message("3")
    second.stored = first.stored
    for one in (first, second, other):
        queue = schedule.add(one, now=1.0)
    assert [one.id for one in queue.take(100)] == ["1", "2"]
    schedule.give_back([first, second])
    assert [one.id for one in queue.take(1)] == ["1"]


def test_expired_mail_gets_one_more_try_unless_the_options_say_otherwise() -> None:
    assert untried(DEFAULTS, 90_000) is None
    assert untried(OutboundOptions(never_attempt_expired=True), 90_000) == Untried(NOT_ATTEMPTED, 3600)
    assert untried(OutboundOptions(suspend_delivery=True), 90_000) == Untried(TOO_OLD, 3600)
    assert untried(DEFAULTS, 90_000, stands_still=True) == Untried(TOO_OLD, 3600)
    assert untried(OutboundOptions(blackhole="internal"), 90_000) == Untried(BLACKHOLED, math.inf)


def test_delayed_mail_is_looked_at_now_and_then_while_there_is_active_mail() -> None:
    schedule = Schedule()
    schedule.scan_interval_s = 15
    queue = schedule.add(message("active"), 0)
    schedule.add(message("delayed", next_attempt=3), 0)
    schedule.wake(2)
    schedule.wake(10)
    assert [one.id for one in queue.active] == ["active"]
    schedule.wake(17)
    assert [one.id for one in queue.active] == ["active", "delayed"]
    queue.active.clear()
    schedule.add(message("next", next_attempt=18), 17)
    schedule.wake(18)  # nothing else to do: at once
    assert [one.id for one in queue.active] == ["next"]


def test_a_queue_of_delayed_mail_is_looked_at_when_it_is_due_and_not_before() -> None:
    schedule = Schedule()
    queue = schedule.add(message("1", next_attempt=100), 0)
    schedule.add(message("2", next_attempt=50), 0)
    assert schedule.wake(1) == []
    assert schedule.wake(49) == []
    assert queue.scanned == 1
    assert schedule.wake(50) == [queue]
    assert queue.active.popleft().id == "2"
    assert schedule.wake(99) == []
    assert schedule.wake(101) == [queue]
    queue.active.clear()
    schedule.wake(102)
    assert not schedule.queues


def test_a_queue_that_sleeps_is_woken_by_mail_that_is_due_earlier() -> None:
    schedule = Schedule()
    queue = schedule.add(message("late", next_attempt=1000), 0)
    schedule.wake(1)
    schedule.add(message("early", next_attempt=10), 2)
    schedule.wake(3)
    assert schedule.wake(10) == [queue]
    assert [one.id for one in queue.active] == ["early"]


def test_a_queue_that_often_wakes_has_no_more_alarms_than_it_needs() -> None:
    schedule = Schedule()
    queue = schedule.add(message("late", next_attempt=10_000), 0)
    schedule.wake(0)
    for now in range(1, 100):
        schedule.add(message("soon", next_attempt=now + 0.5), now)
        schedule.wake(now)
        assert schedule.wake(now + 0.5) == [queue]
        queue.active.clear()
        schedule.wake(now + 0.7)
        assert queue.alarms == (10_000,)
    assert schedule.wake(10_000) == [queue]


def test_a_shorter_life_wakes_a_queue_that_sleeps() -> None:
    schedule = Schedule()
    queue = schedule.add(message("1", next_attempt=1000), 0)
    schedule.wake(1)
    told = [queue.oversleeps]
    queue.delayed.live(100)
    told.append(queue.oversleeps)
    schedule.rouse(queue)
    assert told == [False, True]
    schedule.wake(2)
    assert schedule.wake(100) == [queue]


def test_a_queue_that_left_is_not_woken_and_its_successor_is() -> None:
    schedule = Schedule()
    old = schedule.add(message("1", next_attempt=10), 0)
    schedule.wake(1)
    schedule.leave(old)
    new = schedule.add(message("2", next_attempt=20), 2)
    schedule.wake(3)
    assert schedule.wake(10) == []
    assert schedule.wake(20) == [new]


def test_of_very_many_queues_some_are_looked_at_and_all_in_turn() -> None:
    schedule, seen = Schedule(), set()
    for number in range(2 * LOOKED_AT + 1):
        schedule.add(message(f"m{number}", domain=f"d{number}.test"), 0)
    assert schedule.is_crowded
    for now in range(3):
        ready = schedule.wake(now)
        assert len(ready) == LOOKED_AT
        seen |= {queue.key for queue in ready}
    assert seen == set(schedule.queues)


def test_a_queue_whose_time_has_come_does_not_wait_behind_those_that_are_awake() -> None:
    schedule = Schedule()
    late = schedule.add(message("late", next_attempt=50.0, domain="late.test"), 0)
    schedule.wake(1)
    for number in range(LOOKED_AT + 1):
        schedule.add(message(f"m{number}", domain=f"d{number}.test"), 1)
    assert late in schedule.wake(50)


def test_what_waits_is_counted_and_empty_queues_are_told_once() -> None:
    schedule = Schedule()
    queue = schedule.add(message("now"), 0)
    schedule.add(message("late", next_attempt=50.0), 0)
    assert (schedule.waiting.active, schedule.waiting.delayed) == (1, 1)
    schedule.wake(60)
    assert (schedule.waiting.active, schedule.waiting.delayed) == (2, 0)
    taken = [queue.take(1), queue.take(1)]
    assert schedule.count() == 0
    schedule.give_back(taken[0])
    assert schedule.count() == 1
    queue.take(1)
    schedule.wake(61)
    assert (schedule.dropped(), schedule.dropped(), schedule.queues) == ([queue], [], {})
    leaving = schedule.add(message("leaves", next_attempt=90.0), 62)
    schedule.leave(leaving)
    assert schedule.count() == 1
    assert [one.id for one in schedule.withdraw(leaving, 5)] == ["leaves"]
    schedule.end(leaving)
    assert schedule.count() == 0
