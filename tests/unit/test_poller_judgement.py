"""How long a client was without an answer, or had answers of two hosts, judged from its tries."""

import pytest

from tests.support.poller import Answer, double_answer, longest_gap, told


def _answers(*told_by: tuple[float, str | None]) -> list[Answer]:
    """Tries every 5 ms would be more; each here took 1 ms, or was not answered when nobody is named."""
    return [Answer("192.0.2.41", at, 0.001 if who else None, who, "220" if who else None) for at, who in told_by]


def test_one_host_after_another_is_no_double_answer() -> None:
    assert double_answer(_answers((0.0, "n1"), (0.1, "n1"), (0.15, None), (0.2, "n2"), (0.3, "n2"))) == 0


def test_a_host_that_goes_on_after_another_began_is_one() -> None:
    seen = _answers((0.0, "n1"), (0.1, "n2"), (0.2, "n1"), (0.3, "n2"), (0.4, "n2"))
    assert double_answer(seen) == pytest.approx(0.1)


def test_one_straggler_counts_for_its_lateness_only() -> None:
    seen = _answers((0.0, "n1"), (0.100, "n2"), (0.101, "n1"), (0.2, "n2"), (0.3, "n2"), (0.4, "n2"))
    assert double_answer(seen) == pytest.approx(0.001)


def test_an_answer_counts_when_the_client_has_it() -> None:
    late = [Answer("192.0.2.41", 0.1, 0.2, "n2", "220")]
    assert double_answer([*_answers((0.0, "n1"), (0.15, "n1")), *late]) == 0


def _refusal(at: float) -> Answer:
    return Answer("192.0.2.41", at, 0.001, None, "421")


def test_a_host_that_greets_and_refuses_is_one_host() -> None:
    leaving = [_refusal(0.1), *_answers((0.12, "n1")), _refusal(0.2)]
    assert double_answer([*_answers((0.0, "n1")), *leaving, *_answers((0.3, "n2"))]) == 0


def test_refusals_of_a_host_after_another_began_are_a_double_answer() -> None:
    leaving = [_refusal(0.1), _refusal(0.25)]
    assert double_answer([*_answers((0.0, "n1"), (0.2, "n2"), (0.3, "n2")), *leaving]) == pytest.approx(0.05)


def test_an_address_that_comes_back_after_a_silence_is_no_double_answer() -> None:
    assert double_answer(_answers((0.0, "n1"), (0.1, "n2"), (0.2, "n2"), (0.6, "n1"))) == 0


def test_a_gap_is_from_answer_to_answer() -> None:
    assert longest_gap(_answers((0.0, "n1"), (0.1, None), (0.5, "n2"))) == pytest.approx((0.5, 0.001))


def test_a_gap_that_has_not_ended_counts_until_the_last_try() -> None:
    assert longest_gap(_answers((0.0, "n1"), (0.1, None), (0.9, None)))[0] == pytest.approx(0.899)
    assert longest_gap(_answers((0.1, None), (0.9, None)))[0] == pytest.approx(0.8)


def test_a_timeline_has_a_line_for_each_turn() -> None:
    lines = told(_answers((1.0, "n1"), (1.1, "n1"), (1.2, None), (1.3, "n2")), since=1.2).splitlines()
    assert lines == [
        "-0.200 to -0.099 s: 220 n1 (2 tries)",
        "+0.000 to +0.000 s: no answer (1 tries)",
        "+0.100 to +0.101 s: 220 n2 (1 tries)",
    ]
