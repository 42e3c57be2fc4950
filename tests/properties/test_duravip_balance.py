"""Balancing under any participation: invariant I7 of cluster §2.10, and the best spread there is."""

from fractions import Fraction
from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from momentum_node.duravip.addresses import positions
from momentum_node.duravip.balance import Share, balance

ADDRESSES = 6
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
SETS = st.integers(min_value=1, max_value=2**ADDRESSES - 1)
WEIGHTS = st.sampled_from([1, 1, 2, 3, 7])


@st.composite
def shares(draw: st.DrawFn) -> list[Share]:
    eligible = [draw(SETS) for _ in range(draw(st.integers(min_value=1, max_value=4)))]
    owned = [0] * len(eligible)
    fixed = draw(st.integers(min_value=0, max_value=2**ADDRESSES - 1) | st.just(0))
    for place in range(ADDRESSES):
        able = [at for at, may in enumerate(eligible) if may >> place & 1]
        if able:
            owned[draw(st.sampled_from(able))] |= 1 << place
    return [
        Share(f"n{at}", e, o, o & ~fixed, draw(WEIGHTS)) for at, (e, o) in enumerate(zip(eligible, owned, strict=True))
    ]


def squares(some: list[Share]) -> Fraction:
    """How uneven the load is, each by its weight."""
    return sum((Fraction(share.load**2, share.weight) for share in some), Fraction(0))


@PATIENT
@given(shares(), st.integers(min_value=1, max_value=4))
def test_each_step_evens_the_load_and_moves_no_more_than_asked_or_one_chain(some: list[Share], limit: int) -> None:
    before, everything = squares(some), sum(share.owned.bit_count() for share in some)
    kept = [share.owned & ~share.floating for share in some]
    moved = balance(some, limit)
    assert moved <= max(limit, len(some) - 1)
    assert (squares(some) < before) == bool(moved)
    assert sum(share.owned.bit_count() for share in some) == everything
    assert all(share.owned & ~share.eligible == 0 for share in some)
    assert all(keep & ~share.owned == 0 for keep, share in zip(kept, some, strict=True))


@settings(PATIENT, max_examples=60)
@given(shares())
def test_in_the_end_no_other_deal_would_be_more_even(some: list[Share]) -> None:
    while balance(some, 1):
        pass
    floating = [place for share in some for place in positions(share.floating)]
    able = [[at for at, share in enumerate(some) if share.eligible >> place & 1] for place in floating]
    best = min(
        sum(Fraction(deal.count(at) ** 2, share.weight) for at, share in enumerate(some)) for deal in product(*able)
    )
    assert squares(some) == best


@PATIENT
@given(shares())
def test_all_at_once_is_as_even_as_one_by_one(some: list[Share]) -> None:
    twin = [Share(share.name, share.eligible, share.owned, share.floating, share.weight) for share in some]
    balance(some, ADDRESSES * 4)
    while balance(twin, 1):
        pass
    assert squares(some) == squares(twin)


@PATIENT
@given(shares(), SETS)
def test_balancing_never_brings_an_apart_group_closer_together(some: list[Share], group: int) -> None:
    crowd = sum((share.owned & group).bit_count() ** 2 for share in some)
    for _ in range(40):
        if not balance(some, 1, [group]):
            break
        now = sum((share.owned & group).bit_count() ** 2 for share in some)
        assert now <= crowd
        crowd = now
    assert not balance(some, 1, [group])


def test_a_chain_passes_load_on_where_the_fullest_and_the_emptiest_have_nothing_in_common() -> None:
    a, b, c = Share("a", 0b0111, 0b0111, 0b0111), Share("b", 0b1100, 0b1000, 0b1000), Share("c", 0b1000, 0, 0)
    assert balance([a, b, c], 1) == 2
    assert (a.owned, b.owned, c.owned) == (0b0011, 0b0100, 0b1000)


def test_what_everybody_may_have_is_shared_in_proportion() -> None:
    """R9: thirteen on one node; then each has as many as its weight."""
    everything = (1 << 13) - 1
    some = [Share("a", everything, everything, everything, 1)]
    some += [Share(name, everything, 0, 0, weight) for name, weight in (("b", 2), ("c", 10))]
    assert balance(some, 100) == 12
    assert [share.load for share in some] == [1, 2, 10]
    assert balance(some, 100) == 0
