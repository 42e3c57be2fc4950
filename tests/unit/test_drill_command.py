"""`momentum-node drill`: its figures, its exit codes, its words when there is no node."""

import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from momentum_node.__main__ import main
from momentum_node.drill.client import Outcome, Way
from momentum_node.drill.figures import Seen, Try, seen
from momentum_node.drill_command import verdict


def test_silence_is_counted_from_answer_to_answer() -> None:
    tries = [Try(0.0, 0.001, "220"), Try(0.1, 0.001, "220"), Try(0.2, None), Try(0.3, 0.25, "220")]
    found = seen(tries, 0.6)
    assert (found.tries, found.answered) == (4, 3)
    assert found.silent_s == pytest.approx(0.55 - 0.101)


def test_a_421_is_an_answer_and_no_welcome() -> None:
    tries = [Try(0.0, 0.0, "220"), Try(0.1, 0.0, "421"), Try(0.2, 0.0, "421"), Try(0.3, 0.0, "220")]
    found = seen(tries, 0.3)
    assert found.turned_away == 2
    assert found.silent_s == pytest.approx(0.1)
    assert found.unserved_s == pytest.approx(0.3)


def test_what_is_never_answered_again_is_silent_until_the_end() -> None:
    assert seen([Try(0.0, 0.0, "220"), Try(0.1, None)], 2.0).silent_s == pytest.approx(2.0)
    assert seen([Try(1.0, None)], 2.0).silent_s == pytest.approx(1.0)
    assert seen([], 2.0).silent_s == 0.0


def way(moved_s: float | None, silent_s: float) -> Way:
    return Way("n1", "n2", moved_s, Seen(10, 10, 0, silent_s, silent_s))


@pytest.mark.parametrize(
    ("ways", "problem", "code"),
    [
        ((way(0.01, 0.02), way(0.01, 0.02)), None, 0),
        ((way(0.01, 0.02), way(0.01, 0.2)), None, 3),
        ((way(None, 0.02), way(0.01, 0.02)), None, 3),
        ((way(0.01, 0.02), way(None, 0.02)), None, 4),
        ((way(0.01, 0.02), way(0.01, 0.02)), "it was moved", 4),
    ],
)
def test_the_exit_code_tells_how_it_went(ways: tuple[Way, ...], problem: str | None, code: int) -> None:
    outcome = Outcome(ip_address("192.0.2.1"), "n3", 25, ways, problem, was_interrupted=False)
    assert verdict(outcome, 0.1) == code


def test_without_a_node_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "MOMENTUM_RUN", str(tmp_path))
    assert main(["drill", "--vip", "192.0.2.1"]) == 1
    assert f"refused: no node answers at {tmp_path}/drill.sock" in capsys.readouterr().err


def test_what_is_no_address_is_not_understood(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "--vip", "out-1"]) == 2
    assert "--vip out-1" in capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["drill", "--help"])
    assert ended.value.code == 0
    assert "4  it is not back where it was" in capsys.readouterr().out
