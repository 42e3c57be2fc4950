"""One replica works at a time, by its own clock."""

from momentum_operator.lease import (
    ATTEMPT_S,
    DURATION_S,
    GIVE_UP_S,
    LOOK_EVERY_S,
    RENEW_EVERY_S,
    Election,
    Record,
    held,
    record,
    released,
)


def test_a_free_lease_is_taken_and_an_own_one_renewed() -> None:
    election = Election("a")
    assert election.look(None, 0.0)
    assert election.look(Record("", "t0"), 1.0)
    assert election.look(Record("a", "t1"), 2.0)


def test_another_holder_is_left_alone_while_it_renews() -> None:
    election = Election("a")
    for second in range(0, 60, 4):
        assert not election.look(Record("b", f"t{second}"), float(second))


def test_a_holder_that_stopped_renewing_is_replaced_whatever_time_it_wrote() -> None:
    election = Election("a")
    assert not election.look(Record("b", "2099-01-01"), 0.0)
    assert not election.look(Record("b", "2099-01-01"), float(DURATION_S))
    assert election.look(Record("b", "2099-01-01"), DURATION_S + 0.1)


def test_a_holder_that_cannot_renew_stops_before_another_may_begin() -> None:
    election = Election("a")
    election.wrote(Record("a", "t0"), 0.0)
    assert election.holds(GIVE_UP_S - 0.1)
    assert not election.lost(GIVE_UP_S - 0.1)
    assert election.lost(GIVE_UP_S)
    assert not election.holds(GIVE_UP_S)
    assert GIVE_UP_S < DURATION_S


def test_a_holder_that_finds_another_in_its_place_stops() -> None:
    election = Election("a")
    election.wrote(Record("a", "t0"), 0.0)
    election.look(Record("b", "t"), 1.0)
    assert election.lost(1.0)
    assert not election.holds(1.0)


def test_who_only_waits_may_not_write() -> None:
    election = Election("a")
    assert not election.holds(0.0)
    assert not election.lost(1000.0)


def test_a_lease_that_was_given_back_is_noticed_within_a_second() -> None:
    assert Election("a").pause(7.0) == LOOK_EVERY_S == 1.0


def test_an_attempt_that_hangs_never_outlives_the_right_to_work() -> None:
    """The cable is cut right after a renewal: each attempt gets no answer, and the holder still stops in time."""
    election = Election("a")
    election.wrote(Record("a", "t0"), 0.0)
    now = election.pause(0.0)
    assert now == RENEW_EVERY_S
    assert election.patience(now) == ATTEMPT_S
    while not election.lost(now):
        now += election.patience(now)
        now += election.pause(now)
    assert now == GIVE_UP_S


def test_the_lease_tells_people_since_when_and_how_often_it_changed_hands() -> None:
    first = held(None, "a", "t0")
    assert record({"spec": first}) == Record("a", "t0")
    assert (first["acquireTime"], first["leaseTransitions"]) == ("t0", 0)
    renewed = held(first, "a", "t1")
    assert (renewed["acquireTime"], renewed["renewTime"], renewed["leaseTransitions"]) == ("t0", "t1", 0)
    free = released(renewed, "t2")
    assert record({"spec": free}) == Record("", "t2")
    taken = held(free, "b", "t3")
    assert (taken["holderIdentity"], taken["acquireTime"], taken["leaseTransitions"]) == ("b", "t3", 1)
