"""The election, from the worked examples of the specification (cluster §2.9) and its edges."""

from momentum_node.duravip.election import Candidate, Outcome, Terms, elect

ALL = 0b1111111  # seven addresses


def owners(names: list[str], outcome: Outcome) -> dict[str, set[int]]:
    return {
        name: {at + 1 for at in range(16) if owns >> at & 1} for name, owns in zip(names, outcome.owns, strict=True)
    }


def bits(*numbers: int) -> int:
    return sum(1 << (number - 1) for number in numbers)


def test_a_cold_start_deals_in_address_order() -> None:
    outcome = elect([Candidate(name, ALL) for name in ("n1", "n2", "n3")])
    assert owners(["n1", "n2", "n3"], outcome) == {"n1": {1, 4, 7}, "n2": {2, 5}, "n3": {3, 6}}


def test_a_cold_start_deals_in_proportion_to_weights() -> None:
    """R9: of seven, four go to the node of weight 4, and none to it only because it is first by name."""
    outcome = elect([Candidate("n1", ALL), Candidate("n2", ALL, weight=2), Candidate("n3", ALL, weight=4)])
    assert owners(["n1", "n2", "n3"], outcome) == {"n1": {4}, "n2": {2, 6}, "n3": {1, 3, 5, 7}}


def test_equal_weights_are_no_weights() -> None:
    heavy = elect([Candidate(name, ALL, weight=7) for name in ("n1", "n2", "n3")])
    assert heavy == elect([Candidate(name, ALL) for name in ("n1", "n2", "n3")])


def test_a_crash_moves_only_the_orphans_to_the_least_loaded() -> None:
    outcome = elect([Candidate("n1", ALL, anchors=bits(1, 4, 7)), Candidate("n3", ALL, anchors=bits(3, 6))])
    assert owners(["n1", "n3"], outcome) == {"n1": {1, 4, 5, 7}, "n3": {2, 3, 6}}
    assert outcome.orphans == bits(2, 5)


def test_a_claim_fixes_its_address_at_once() -> None:
    outcome = elect(
        [
            Candidate("n1", ALL, anchors=bits(1, 5, 7)),
            Candidate("n2", ALL, anchors=bits(4)),
            Candidate("n3", ALL, anchors=bits(2, 3, 6), claims=bits(1)),
        ]
    )
    assert owners(["n1", "n2", "n3"], outcome) == {"n1": {5, 7}, "n2": {4}, "n3": {1, 2, 3, 6}}
    assert outcome.fixed == bits(1)


def test_fixed_addresses_are_no_load_except_to_break_a_tie() -> None:
    """Example 5: 1 was fixed to n3, which crashes; n1 {5,7} and n2 {2,4} share 1, 3 and 6."""
    outcome = elect([Candidate("n1", ALL, anchors=bits(5, 7)), Candidate("n2", ALL, anchors=bits(2, 4))])
    assert owners(["n1", "n2"], outcome) == {"n1": {1, 5, 6, 7}, "n2": {2, 3, 4}}
    tie = elect([Candidate("n1", bits(1, 2), claims=bits(1)), Candidate("n2", bits(2))])
    assert owners(["n1", "n2"], tie) == {"n1": {1}, "n2": {2}}


def test_two_claims_are_a_dispute_and_the_address_stays() -> None:
    claim = bits(1)
    outcome = elect([Candidate("n2", ALL, claims=claim), Candidate("n3", ALL, claims=claim, anchors=claim)])
    assert outcome.disputed == claim
    assert outcome.fixed == 0
    assert outcome.owns[1] & claim


def test_a_pin_outranks_a_claim_while_its_target_may_have_it() -> None:
    claimed = Candidate("n1", ALL, claims=bits(4))
    assert elect([claimed, Candidate("n3", ALL, pinned=bits(4))]).owns[1] & bits(4)
    assert elect([claimed, Candidate("n3", 0, pinned=bits(4))]).owns[0] & bits(4)


def test_a_merge_is_decided_by_load_among_those_that_had_it() -> None:
    """Example 8a: no node gets anything that it did not have."""
    both = {"n1": bits(1, 3, 5, 7), "n2": bits(2, 4, 6, 8), "n3": bits(1, 3, 5, 7), "n4": bits(2, 4, 6, 8)}
    outcome = elect([Candidate(name, 0xFF, anchors=had) for name, had in both.items()])
    assert owners(list(both), outcome) == {"n1": {1, 5}, "n2": {2, 6}, "n3": {3, 7}, "n4": {4, 8}}
    assert outcome.merged == 0xFF


def test_an_orphan_goes_where_nobody_of_its_group_is_although_there_is_more_load() -> None:
    """R9: 1 and 2 are to be apart; n1 has one of them and little else."""
    candidates = [Candidate("n1", bits(1, 2), anchors=bits(1)), Candidate("n2", ALL, anchors=bits(3, 4, 5))]
    assert owners(["n1", "n2"], elect(candidates, Terms(apart=(bits(1, 2),)))) == {"n1": {1}, "n2": {2, 3, 4, 5, 6, 7}}
    assert 2 in owners(["n1", "n2"], elect(candidates))["n1"]


def test_of_two_holders_the_one_without_its_group_keeps_it() -> None:
    """R9, after a merge: both have 2, and n1 has 1 besides."""
    candidates = [
        Candidate("n1", bits(1, 2, 3, 4), anchors=bits(1, 2)),
        Candidate("n2", bits(1, 2, 3, 4), anchors=bits(2, 3, 4)),
    ]
    apart = elect(candidates, Terms(apart=(bits(1, 2),)))
    assert owners(["n1", "n2"], apart) == {"n1": {1}, "n2": {2, 3, 4}}
    assert owners(["n1", "n2"], elect(candidates)) == {"n1": {1, 2}, "n2": {3, 4}}


def test_scarce_addresses_are_dealt_first() -> None:
    """Example 9."""
    outcome = elect(
        [Candidate("n1", bits(1, 2, 3, 6)), Candidate("n2", bits(2, 3, 4, 5, 6)), Candidate("n3", bits(4, 5, 6))]
    )
    assert owners(["n1", "n2", "n3"], outcome) == {"n1": {1, 3}, "n2": {2, 5}, "n3": {4, 6}}


def test_without_an_anchor_a_holder_keeps_it() -> None:
    outcome = elect([Candidate("n1", ALL, holds=bits(2)), Candidate("n2", ALL, anchors=bits(1, 3, 4, 5, 6, 7))])
    assert owners(["n1", "n2"], outcome)["n1"] == {2}


def test_an_owner_that_may_not_have_it_any_more_loses_it() -> None:
    outcome = elect([Candidate("n1", 0, anchors=ALL, holds=ALL), Candidate("n2", bits(1))])
    assert owners(["n1", "n2"], outcome) == {"n1": set(), "n2": {1}}


def test_a_cordoned_member_has_only_what_nobody_else_may_have() -> None:
    outcome = elect([Candidate("n1", bits(1, 2, 3), anchors=bits(1), is_cordoned=True), Candidate("n2", bits(1, 2))])
    assert owners(["n1", "n2"], outcome) == {"n1": {3}, "n2": {1, 2}}


def test_whose_way_out_is_in_doubt_has_only_what_nobody_else_may_have() -> None:
    """R18: a cordoned node with a proven way comes before one without."""
    doubtful = Candidate("n1", bits(1, 2, 3), anchors=bits(1, 2, 3), doubtful=bits(1, 2, 3))
    cordoned = Candidate("n3", bits(2), is_cordoned=True)
    outcome = elect([doubtful, Candidate("n2", bits(1)), cordoned])
    assert owners(["n1", "n2", "n3"], outcome) == {"n1": {3}, "n2": {1}, "n3": {2}}
    assert elect([doubtful, Candidate("n2", bits(1), doubtful=bits(1))]).owns[0] == bits(1, 2, 3)


def test_when_all_are_cordoned_nothing_moves() -> None:
    outcome = elect([Candidate("n1", 3, anchors=1, is_cordoned=True), Candidate("n2", 3, anchors=2, is_cordoned=True)])
    assert outcome.owns == (1, 2)


def test_nobody_to_elect_means_no_owner() -> None:
    assert elect([Candidate("n1", 0, anchors=ALL)]).owns == (0,)
    assert elect([]).owns == ()
