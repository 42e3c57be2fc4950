"""Whole clusters under random faults keep the invariants; with a safety rule taken out they do not."""

import random
import time

import pytest

from tests.support.planted import PLANTED
from tests.support.simulation import Kind, World, failures, first_failure, run

CPU_SECONDS = 40.0
DEAF_RUNS = 120
LONG_RUNS = 100_000
HUNT_RUNS = 3000

FOUND_AT = {
    "WithoutS1": 10_025,
    "WithoutS2": 10_105,
    "WithoutS3Answers": 10_130,
    "WithoutS3Releases": 10_020,
    "WithoutS4": 10_045,
    "WithoutS6": 10_105,
    "WithoutS7": 10_025,
    "WithoutS8": 10_000,
    "WithoutTheirWord": 10_010,
    "WithoutWitnesses": 10_010,
}
"""Where the hunt begins: a little before a seed known to find it, so that the test is quick. It may find it later."""


KINDS: dict[str, Kind] = {"WithoutS2": "late", "WithoutTheirWord": "deaf", "WithoutWitnesses": "deaf"}
"""What only very late messages, or nodes that do not hear each other, bring to light is looked for in such runs."""


@pytest.mark.timeout(300)
def test_a_fresh_part_of_the_simulation_holds() -> None:
    seed = random.SystemRandom().getrandbits(40)
    print(f"simulation: seeds from {seed}")
    failure, runs = first_failure(range(seed, seed + LONG_RUNS), until=time.process_time() + CPU_SECONDS)
    assert failure is None, str(failure)
    print(f"simulation: {runs} runs held")
    assert runs > 50


@pytest.mark.timeout(300)
def test_nobody_takes_what_others_hear_to_be_elsewhere() -> None:
    failure, _ = first_failure(range(60_500, 60_500 + DEAF_RUNS), kind="deaf")
    assert failure is None, str(failure)


BREAKS_WITHIN_THE_GUARD_TIME = 1_005_892
"""The ring breaks between a witness's word and the new owner's guard time."""


def test_a_word_that_a_broken_ring_keeps_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(BREAKS_WITHIN_THE_GUARD_TIME, kind="deaf") is None
    monkeypatch.setattr(World, "makes_round_trips", False)
    failure = run(BREAKS_WITHIN_THE_GUARD_TIME, kind="deaf")
    assert failure is not None
    assert "I12" in failure.problem


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(PLANTED))
def test_a_planted_bug_is_found(name: str) -> None:
    first = FOUND_AT[name]
    kind = KINDS.get(name, "usual")
    failure, runs = first_failure(range(first, first + HUNT_RUNS), PLANTED[name], kind=kind)
    assert failure is not None, f"{name} survived {runs} runs"
    assert run(failure.seed, kind=kind) is None, "the machine as it is fails there as well"


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("kind", "runs"), [("usual", LONG_RUNS), ("deaf", LONG_RUNS // 5)])
def test_very_many_runs_hold(kind: Kind, runs: int) -> None:
    found = failures(range(1_000_000, 1_000_000 + runs), kind=kind)
    assert not found, str(found[0])
