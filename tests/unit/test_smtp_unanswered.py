"""How often in a row the DNS was asked for a name in vain, counted by several workers as one."""

from momentum_node.smtp.unanswered import ANSWERED, MOST, Counts, Unanswered


def test_queries_count_one_by_one_and_failed_look_ups_by_periods() -> None:
    names = Unanswered()
    assert [names.query_failed("y.test") for _ in range(3)] == [1, 2, 3]
    assert [names.failed("y.test", 60, now) for now in (0, 1, 59, 60, 61, 120)] == [1, 1, 1, 2, 2, 3]
    assert names.of("y.test") == Counts(3, 3)
    assert names.of("z.test") == ANSWERED


def test_an_answer_ends_the_row() -> None:
    names = Unanswered()
    names.query_failed("y.test")
    names.failed("y.test", 60, 0)
    names.answered("y.test")  # its own address, without MX records
    assert names.of("y.test") == Counts(1, 0)
    names.query_answered("y.test")
    assert names.of("y.test") == ANSWERED
    assert names.failed("y.test", 60, 1) == 1


def test_what_another_worker_counted_goes_on_here() -> None:
    names = Unanswered()
    names.heed("y.test", Counts(2, 4), 100)
    assert names.query_failed("y.test") == 3
    assert names.failed("y.test", 60, 159) == 4  # that period is counted already
    assert names.failed("y.test", 60, 160) == 5
    names.heed("y.test", ANSWERED, 161)
    assert names.failed("y.test", 60, 162) == 1


def test_no_more_names_are_kept_than_there_is_room_for() -> None:
    names = Unanswered()
    for number in range(MOST + 1):
        names.query_failed(f"{number}.test")
    assert names.of(f"{MOST}.test") == Counts(1, 0)
    assert names.of("0.test") == ANSWERED
