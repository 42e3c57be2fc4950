"""Laws of the election under any facts: invariants I2, I5, I6, I8 and I9 of cluster §2.10."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from momentum_node.duravip.election import Candidate, Outcome, elect

ADDRESSES = 12
SETS = st.integers(min_value=0, max_value=2**ADDRESSES - 1)
EVERYTHING = 2**ADDRESSES - 1


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    count = draw(st.integers(min_value=0, max_value=6))
    return [
        Candidate(
            name=f"n{at}",
            eligible=draw(SETS | st.just(EVERYTHING)),
            claims=draw(SETS | st.just(0)),
            anchors=draw(SETS | st.just(0)),
            holds=draw(SETS | st.just(0)),
            pinned=0,
            is_cordoned=draw(st.booleans()),
            doubtful=draw(st.sampled_from([0, 0, 0b111, EVERYTHING])),
            weight=draw(st.sampled_from([1, 1, 2, 5])),
        )
        for at in range(count)
    ]


def after(members: list[Candidate], outcome: Outcome) -> list[Candidate]:
    """The same members, anchored where the election put them and holding just that."""
    return [replace(m, anchors=owns, holds=owns) for m, owns in zip(members, outcome.owns, strict=True)]


@given(candidates())
def test_every_address_has_one_owner_that_may_have_it(members: list[Candidate]) -> None:
    outcome = elect(members)
    seen = possible = 0
    for member, owns in zip(members, outcome.owns, strict=True):
        assert owns & ~member.eligible == 0
        assert owns & seen == 0
        seen |= owns
        possible |= member.eligible
    assert seen == possible


@given(candidates())
def test_electing_again_changes_nothing(members: list[Candidate]) -> None:
    first = elect(members)
    assert elect(after(members, first)).owns == first.owns


@given(candidates(), st.randoms(use_true_random=False))
def test_the_order_in_which_members_are_known_does_not_matter(members: list[Candidate], shuffle: object) -> None:
    mixed = list(members)
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]
    by_name = dict(zip([m.name for m in mixed], elect(mixed).owns, strict=True))
    assert by_name == dict(zip([m.name for m in members], elect(members).owns, strict=True))


@given(candidates(), st.integers(min_value=0, max_value=5))
def test_a_leave_moves_only_what_was_owned_there(members: list[Candidate], which: int) -> None:
    """I5: and what a claim decides now that its rival is gone, or the last choice may have as the last one."""
    settled = after(members, elect(members))
    if which >= len(settled):
        return
    gone = settled[which]
    left = settled[:which] + settled[which + 1 :]
    outcome = elect(left)
    claims = gone.claims
    last_choices = [member for member in left if member.is_cordoned or member.doubtful]
    last_resort = gone.eligible if last_choices else 0
    for member, owns in zip(left, outcome.owns, strict=True):
        assert (owns ^ member.anchors) & ~(gone.anchors | claims | last_resort) == 0
        if not last_choices:
            assert member.anchors & ~owns & ~claims == 0


@given(candidates(), SETS)
def test_a_member_that_holds_and_claims_nothing_changes_no_owner(members: list[Candidate], eligible: int) -> None:
    """I6: it gets orphans, and what only those could have that are the last choice for it."""
    settled = after(members, elect(members))
    served = 0
    for member in settled:
        served |= 0 if member.is_cordoned else member.anchors & ~member.doubtful
    outcome = elect([*settled, Candidate("new", eligible)])
    for member, owns in zip(settled, outcome.owns, strict=False):
        lost = member.anchors & ~owns
        assert lost & served == 0
    assert outcome.owns[-1] & served == 0


@settings(max_examples=60)
@given(st.integers(min_value=1, max_value=4), st.integers(min_value=1, max_value=4))
def test_after_a_merge_every_owner_had_the_address_before(here: int, there: int) -> None:
    """I8: two components, each with all addresses; nobody acquires, and the load is even within one."""
    left = elect([Candidate(f"a{n}", EVERYTHING) for n in range(here)])
    right = elect([Candidate(f"b{n}", EVERYTHING) for n in range(there)])
    members = [Candidate(f"a{n}", EVERYTHING, anchors=owns, holds=owns) for n, owns in enumerate(left.owns)]
    members += [Candidate(f"b{n}", EVERYTHING, anchors=owns, holds=owns) for n, owns in enumerate(right.owns)]
    for member, owns in zip(members, elect(members).owns, strict=True):
        assert owns & ~member.anchors == 0
