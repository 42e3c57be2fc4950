"""What was recorded of any run is decided again exactly so; a recording that was changed is found out."""

import random
from dataclasses import replace
from typing import Any

import pytest

from momentum_node.duravip import flight
from momentum_node.duravip.flight import Did, Entry, Input, Opened
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.recorded import RecordedDuraVip
from momentum_node.duravip.replay import Replay, Step
from momentum_node.duravip.sparse import Sparse
from momentum_node.duravip.vip import Effect, Plumb
from tests.support.simulation import World

RUNS = 12


class Tape:
    """A tap that keeps everything, as bytes."""

    def __init__(self) -> None:
        self.records = flight.encode(Opened("n1", "test", 1000.0, 0.0))
        self.machines = self.count = 0

    def started(self, machine: DuraVip) -> None:
        self.machines += 1
        self._put(flight.snapshot(machine, is_new=True))

    def took(self, machine: DuraVip, name: str, arguments: tuple[Any, ...]) -> None:
        self._put(Input(arguments[-1], name, arguments))

    def did(self, effects: list[Effect]) -> None:
        self._put(Did(tuple(effects)))

    def _put(self, entry: Entry) -> None:
        self.records += flight.encode(entry)
        self.count += 1

    def entries(self) -> list[Entry]:
        return list(flight.entries(flight.MAGIC + flight.Packer().chunk(self.records)))


class SparseTape(Tape):
    """As the recorder of a node: without most beacons of others."""

    def __init__(self) -> None:
        super().__init__()
        self._sparse = Sparse()

    def started(self, machine: DuraVip) -> None:
        super().started(machine)
        self._sparse.begin(machine.local)

    def took(self, machine: DuraVip, name: str, arguments: tuple[Any, ...]) -> None:
        for entry in self._sparse.inputs(name, arguments):
            self._put(entry)


def recorded_run(seed: int, kind: type[Tape] = Tape) -> list[Tape]:
    """A run of the simulation; one tape for each machine there was."""
    tapes: list[Tape] = []

    def machine(*arguments: Any) -> DuraVip:
        tapes.append(kind())
        return RecordedDuraVip(tapes[-1], *arguments)

    World(seed, machine).run()
    return tapes


def replayed(entries: list[Entry]) -> list[Step]:
    return list(Replay().steps(entries))


@pytest.mark.parametrize("kind", [Tape, SparseTape])
def test_a_replay_gives_the_same_effects(kind: type[Tape]) -> None:
    seed = random.SystemRandom().getrandbits(40)
    steps = effects = decisions = 0
    for number in range(seed, seed + RUNS):
        for tape in recorded_run(number, kind):
            told = replayed(tape.entries())
            assert [step.differences for step in told if step.differences] == [], f"seed {number}"
            steps += len(told)
            effects += sum(len(step.effects) for step in told)
            decisions += sum(len(step.decisions) for step in told)
    assert steps > 100 * RUNS
    assert effects > 10 * RUNS
    assert decisions > RUNS


def test_every_effect_is_told_once() -> None:
    for tape in recorded_run(7):
        entries = tape.entries()
        recorded = [effect for entry in entries if isinstance(entry, Did) for effect in entry.effects]
        assert [effect for step in replayed(entries) for effect in step.effects] == recorded


def test_a_planted_difference_is_noticed() -> None:
    entries = next(found for tape in recorded_run(11) if _plumbs(found := tape.entries()))
    at = _plumbs(entries)[0]
    did = entries[at]
    assert isinstance(did, Did)
    changed = tuple(replace(e, planned=not e.planned) if isinstance(e, Plumb) else e for e in did.effects)
    entries[at] = Did(changed)
    assert any("recorded: " in text for step in replayed(entries) for text in step.differences)


def test_a_missing_input_is_noticed() -> None:
    entries = next(found for tape in recorded_run(11) if _plumbs(found := tape.entries()))
    views = [at for at, entry in enumerate(entries) if isinstance(entry, Input) and entry.name == "on_view"]
    del entries[views[0]]
    assert any(step.differences for step in replayed(entries))


def _plumbs(entries: list[Entry]) -> list[int]:
    return [
        at
        for at, entry in enumerate(entries)
        if isinstance(entry, Did) and any(isinstance(effect, Plumb) for effect in entry.effects)
    ]


@pytest.mark.parametrize("seed", range(20, 26))
def test_a_recording_can_be_taken_up_at_any_input(seed: int) -> None:
    """A snapshot holds all that decides: a machine that goes on from one does what the first one did."""
    tape = max(recorded_run(seed), key=lambda tape: len(tape.records))
    entries = tape.entries()
    inputs = [at for at, entry in enumerate(entries) if isinstance(entry, Input)]
    cut = random.Random(seed).choice(inputs)  # noqa: S311
    first = Replay()
    list(first.steps(entries[:cut]))
    assert first.machine is not None
    resumed = [entries[0], flight.snapshot(first.machine, is_new=False), *entries[cut:]]
    assert [step.differences for step in replayed(resumed) if step.differences] == []


def test_runs_in_which_members_watch_each_other_are_replayed_from_fewer_records() -> None:
    """Those have beacons, silences and suspicions."""
    seeds = [seed for seed in range(400, 480) if World(seed).watches][:8]
    full = sparse = 0
    for seed in seeds:
        full += sum(tape.count for tape in recorded_run(seed))
        for tape in recorded_run(seed, SparseTape):
            sparse += tape.count
            told = replayed(tape.entries())
            assert [step.differences for step in told if step.differences] == [], f"seed {seed}"
    assert sparse < full
