"""The figures of the mail path: summed over workers, the longest queues first, as metrics that a scraper reads."""

from momentum_node.limits.figures import QUEUES_AT_ONCE, QueueFigures, render, total
from momentum_node.spool.message import Envelope, Message, Place, Stored
from momentum_node.spool.schedule import Key, Schedule
from momentum_node.worker_link import Figures


def message(domain: str, created: float, due: float = 0.0) -> Message:
    stored = Stored(Place(0, 0, 0, 0), None, set(), 1)
    return Message("id", Envelope(created, "a@x", 1), f"b@{domain}", "default", domain, stored, 0, 0, due)


def test_the_longest_queue_comes_first_and_its_oldest_message_counts() -> None:
    schedule = Schedule()
    for domain, created, due in (("one", 90.0, 0.0), ("two", 50.0, 200.0), ("two", 95.0, 0.0)):
        schedule.add(message(domain, created, due), 100.0)
    rows, active, oldest = QueueFigures().of(schedule, 100.0)
    assert rows == [("default", "two", 2, 50.0), ("default", "one", 1, 10.0)]
    assert (active, oldest) == (2, 50.0)


def test_of_very_many_queues_a_part_is_looked_at_in_one_go() -> None:
    """And the oldest message is known in the end, wherever it is."""
    schedule, figures = Schedule(), QueueFigures()
    for number in range(QUEUES_AT_ONCE + 10):
        schedule.add(message(f"d{number}", 90.0), 100.0)
    schedule.add(message("d5", 1.0), 100.0)
    schedule.add(message("d6", 99.0), 100.0)
    schedule.add(message("d6", 99.0), 100.0)
    assert figures.of(schedule, 100.0)[1:] == (QUEUES_AT_ONCE + 13, 10.0)
    rows, _, oldest = figures.of(schedule, 100.0)
    assert (rows[:2], oldest) == ([("default", "d6", 3, 10.0), ("default", "d5", 2, 99.0)], 99.0)
    schedule.queue(Key("default", "d5")).active.take_older(1.0, 1)
    for _ in range(4):
        rows, active, oldest = figures.of(schedule, 100.0)
    assert (rows[0], active, oldest) == (("default", "d6", 3, 10.0), QUEUES_AT_ONCE + 12, 10.0)


def test_two_workers_add_up_to_metrics() -> None:
    one = Figures(
        ((10, 2), (70, 1)), (("b", 'x"y', 5, 7.0),), 3, 7.0, 10, 0.5, 0.02, 1, 0, 4, 5, 6, 7, (("TLSv1.3", 3),),
        (90, *(0,) * 5, 9, *(0,) * 8, 1), 0.25,
    )  # fmt: skip
    sums = total([one, one], {"Max_Outbound_Connections": 6})
    text = render(sums)
    for line in (
        'momentum_mail_queue_messages{binding="b",domain="x\\"y"} 10',
        'momentum_mail_refusals_total{class="Invalid Recipient"} 4',
        'momentum_mail_limit_denials_total{limit="Max_Outbound_Connections"} 6',
        'momentum_mail_outbound_connections_total{tls="TLSv1.3"} 6',
        "momentum_spool_commit_seconds_total 1",
        "momentum_mail_loop_lag_seconds 0.02",
        'momentum_mail_loop_delay_seconds_bucket{le="0.001"} 180',
        'momentum_mail_loop_delay_seconds_bucket{le="0.05"} 198',
        'momentum_mail_loop_delay_seconds_bucket{le="+Inf"} 200',
        "momentum_mail_loop_delay_seconds_sum 0.5",
        "momentum_mail_loop_delay_seconds_count 200",
        "momentum_mail_moved_total 10",
        "momentum_mail_arrived_total 12",
        "momentum_mail_held_messages 14",
        "momentum_spool_quarantined_pieces 2",
    ):
        assert line in text.splitlines()
    assert "momentum_mail_active_messages 0" in render(total([], {})).splitlines()


def test_large_counts_are_told_exactly() -> None:
    sums = total([], {"Max_Outbound_Connections": 123_456_789})
    assert 'momentum_mail_limit_denials_total{limit="Max_Outbound_Connections"} 123456789' in render(sums).splitlines()
