"""Runs the machine again over a flight recording: each input, what it decided and why, and whether it is what was done.

The machine is deterministic, so the same inputs give the same effects; a step where they differ says so. That happens
when the recording comes from another version, or was changed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from momentum_node.config.model import Address
from momentum_node.duravip.flight import Did, Entry, FlightError, Input, Note, Opened, Snapshot, restore
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.narration import is_routine, tell_effect, tell_input
from momentum_node.duravip.vip import Effect, Placement


@dataclass(frozen=True, slots=True)
class Decision:
    """An address whose owner, or the reason for it, is another one from this step on."""

    address: Address
    before: str | None
    owner: str | None
    reason: str


@dataclass(slots=True)
class Step:
    """One input and all that follows from it. `at`: monotonic; `wall`: seconds since the epoch, by its segment."""

    at: float
    wall: float
    what: str
    state: str = ""
    decisions: list[Decision] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def is_quiet(self) -> bool:
        """Nothing follows from it but a sign of life."""
        return not (self.decisions or self.differences or any(not is_routine(effect) for effect in self.effects))


class Replay:
    """One pass over the entries of segments, in their order."""

    def __init__(self) -> None:
        self.machine: DuraVip | None = None
        self._offset = 0.0
        self._at = 0.0
        self._seen: dict[Address, Placement] = {}
        self._placements: tuple[Placement, ...] = ()

    def steps(self, entries: Iterable[Entry]) -> Iterator[Step]:
        """Each step, once all that follows from it is known."""
        step: Step | None = None
        for entry in entries:
            if isinstance(entry, Did):
                if step is not None and self.machine is not None:
                    self._compare(step, entry)
                continue
            if step is not None:
                yield step
            step = self._take(entry)
        if step is not None:
            yield step

    def owners(self) -> dict[Address, Placement]:
        """Where every address is now."""
        return dict(self._seen)

    def _take(self, entry: Entry) -> Step | None:
        match entry:
            case Opened():
                self._offset, self._at = entry.wall - entry.at, entry.at
            case Snapshot():
                return self._resume(entry)
            case Note():
                self._at = entry.at
                return self._step(f"note: {entry.text}")
            case Input():
                self._at = entry.at
                return self._input(entry)
        return None

    def _resume(self, snapshot: Snapshot) -> Step | None:
        """A new machine is a step; one that goes on from the segment before is none, unless something is missing."""
        goes_on = self.machine is not None and not snapshot.is_new
        try:
            self.machine = restore(snapshot)
        except FlightError as error:
            self.machine = None
            return self._failed("the recording goes on, but its state cannot be read", str(error))
        step = self._step("joining with an empty table" if snapshot.is_new else "the recording begins here")
        self._note_decisions(step)
        return None if goes_on and step.is_quiet else step

    def _input(self, entry: Input) -> Step | None:
        machine = self.machine
        if machine is None:
            return None
        step = self._step(tell_input(machine, entry))
        try:
            getattr(machine, entry.name)(*entry.arguments)
        except Exception as error:  # a defect of the machine is what one looks for here
            self.machine = None
            step.differences.append(f"the machine fails: {type(error).__name__}: {error}")
            return step
        self._note_decisions(step)
        return step

    def _note_decisions(self, step: Step) -> None:
        assert self.machine is not None  # noqa: S101 - callers looked
        step.state = self.machine.state
        placements = self.machine.placements()
        if placements is self._placements:
            return
        self._placements = placements
        now = {placement.address: placement for placement in placements}
        for address, placement in now.items():
            before = self._seen.get(address)
            if before is None or (before.owner, before.reason) != (placement.owner, placement.reason):
                owner = before.owner if before else None
                step.decisions.append(Decision(address, owner, placement.owner, placement.reason))
        self._seen = now

    def _compare(self, step: Step, did: Did) -> None:
        assert self.machine is not None  # noqa: S101 - callers looked
        again = self.machine.effects()
        step.effects += did.effects
        if tuple(again) != did.effects:
            told = [", ".join(map(tell_effect, effects)) or "nothing" for effects in (did.effects, again)]
            step.differences.append(f"recorded: {told[0]}; now: {told[1]}")

    def _step(self, what: str) -> Step:
        state = self.machine.state if self.machine else ""
        return Step(self._at, self._at + self._offset, what, state)

    def _failed(self, what: str, why: str) -> Step:
        step = self._step(what)
        step.differences.append(why)
        return step
