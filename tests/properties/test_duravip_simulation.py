"""Whole clusters under random faults keep the invariants; with a safety rule taken out they do not."""

import random
import time

import pytest

from tests.support.planted import PLANTED
from tests.support.simulation import first_failure, run

CPU_SECONDS = 60.0
LONG_RUNS = 20_000
HUNT_RUNS = 3000

FOUND_AT = {
    "WithoutS1": 10_000,
    "WithoutS2": 51_060,
    "WithoutS3Answers": 50_320,
    "WithoutS3Releases": 10_000,
    "WithoutS4": 10_000,
    "WithoutS6": 10_000,
    "WithoutS7": 10_000,
    "WithoutS8": 10_000,
}
"""Where the hunt begins: a little before a seed known to find it, so that the test is quick. It may find it later."""


@pytest.mark.timeout(300)
def test_a_fresh_part_of_the_simulation_holds() -> None:
    seed = random.SystemRandom().getrandbits(40)
    print(f"simulation: seeds from {seed}")
    failure, runs = first_failure(range(seed, seed + LONG_RUNS), until=time.process_time() + CPU_SECONDS)
    assert failure is None, str(failure)
    print(f"simulation: {runs} runs held")
    assert runs > 100


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(PLANTED))
def test_a_planted_bug_is_found(name: str) -> None:
    first = FOUND_AT[name]
    failure, runs = first_failure(range(first, first + HUNT_RUNS), PLANTED[name])
    assert failure is not None, f"{name} survived {runs} runs"
    assert run(failure.seed) is None, "the machine as it is fails there as well"


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_twenty_thousand_runs_hold() -> None:
    failure, runs = first_failure(range(1_000_000, 1_000_000 + LONG_RUNS))
    assert failure is None, str(failure)
    assert runs == LONG_RUNS
