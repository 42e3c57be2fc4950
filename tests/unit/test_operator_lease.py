"""One replica works at a time, by its own clock."""

from momentum_operator.lease import DURATION_S, GIVE_UP_S, Election, Record


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
    election.look(None, 0.0)
    election.wrote(0.0)
    assert not election.lost(GIVE_UP_S)
    assert election.lost(GIVE_UP_S + 0.1)
    assert GIVE_UP_S < DURATION_S


def test_a_holder_that_finds_another_in_its_place_stops() -> None:
    election = Election("a")
    election.wrote(0.0)
    election.look(Record("b", "t"), 1.0)
    assert election.lost(1.0)
