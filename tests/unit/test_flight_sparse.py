"""A recording holds few beacons of others, and is replayed exactly all the same."""

from typing import Any

import pytest

from momentum_node.bus.contract import Member
from momentum_node.duravip import flight
from momentum_node.duravip.encoding import encode
from momentum_node.duravip.flight import Did, Entry, Input, Opened
from momentum_node.duravip.liveness import LEAST_SILENCE_S
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.messages import Beacon, Suspect
from momentum_node.duravip.recorded import RecordedDuraVip
from momentum_node.duravip.replay import Replay
from momentum_node.duravip.sparse import SPARSE_S, Sparse
from momentum_node.duravip.vip import Definition, Effect, Identity, Multicast, Policy
from tests.support.machines import N1, N2, N3, V1, message, sent, view

WATCHED = Policy(failback_delay_s=0.0, heartbeats_per_sec=2.0, heartbeat_start_delay_s=1.0, beacon_s=0.1)
GARBAGE = encode(Beacon(), 0, 0)[:-1]


def beacon(member: Member = N2, number: int = 0) -> bytes:
    return encode(Beacon(), 1000 + member.pid, number)


def heard(sparse: Sparse, at: float, sender: Member = N2, data: bytes | None = None) -> list[float]:
    """When what is recorded now happened."""
    entries = sparse.inputs("on_message", (sender, beacon(sender) if data is None else data, at))
    return [entry.at for entry in entries]


@pytest.fixture
def sparse() -> Sparse:
    made = Sparse()
    made.begin(N1)
    return made


def test_of_the_beacons_of_another_one_a_second_is_recorded(sparse: Sparse) -> None:
    recorded = [at for number in range(100) for at in heard(sparse, 10 + number / 10)]
    assert len(recorded) == pytest.approx(10 / SPARSE_S, abs=1)


def test_own_ones_and_other_messages_are_all_recorded(sparse: Sparse) -> None:
    assert [heard(sparse, at, N1) for at in (1.0, 1.1)] == [[1.0], [1.1]]
    assert [heard(sparse, at, N2, b"\x00") for at in (1.0, 1.1)] == [[1.0], [1.1]]
    assert [e.name for e in sparse.inputs("on_timer", (1.2,))] == ["on_timer"]


def test_the_last_one_before_a_silence_is_recorded_when_it_is_a_second_old(sparse: Sparse) -> None:
    assert heard(sparse, 10.0) == [10.0]
    assert heard(sparse, 10.9) == []
    assert [e.at for e in sparse.inputs("on_timer", (10.9 + SPARSE_S - 0.1,))] == [pytest.approx(11.8)]
    assert [e.at for e in sparse.inputs("on_timer", (10.9 + SPARSE_S,))] == [10.9, pytest.approx(11.9)]


def test_what_could_set_it_back_or_forget_it_comes_after_it(sparse: Sparse) -> None:
    assert heard(sparse, 10.0) == [10.0]
    assert heard(sparse, 10.1) == []
    assert heard(sparse, 10.2, N2, b"a message") == [10.1, 10.2]
    assert heard(sparse, 10.3) == []
    assert heard(sparse, 10.4, N3, b"a message") == [10.4]
    assert [e.at for e in sparse.inputs("on_view", (view(N1), 10.5))] == [10.3, 10.5]


def test_what_only_looks_like_a_beacon_replaces_none(sparse: Sparse) -> None:
    assert heard(sparse, 10.0) == [10.0]
    assert heard(sparse, 10.1) == []
    assert heard(sparse, 10.2, N2, GARBAGE) == [10.1, 10.2]


def test_a_snapshot_knows_of_all_that_was_kept_back(sparse: Sparse) -> None:
    heard(sparse, 10.0)
    heard(sparse, 10.5)
    sparse.saved()
    assert [e.at for e in sparse.inputs("on_timer", (20.0,))] == [20.0]


class Tape:
    """What a recorder writes."""

    def __init__(self) -> None:
        self.entries: list[Entry] = [Opened("n1", "test", 1000.0, 0.0)]
        self._sparse = Sparse()

    def started(self, machine: DuraVip) -> None:
        self._sparse.begin(machine.local)
        self.entries.append(flight.snapshot(machine, is_new=True))

    def took(self, machine: DuraVip, name: str, arguments: tuple[Any, ...]) -> None:
        self.entries += self._sparse.inputs(name, arguments)

    def did(self, effects: list[Effect]) -> None:
        self.entries.append(Did(tuple(effects)))


class Watcher:
    """n1, recorded, which hears n2 as long as that lives."""

    def __init__(self) -> None:
        self.tape = Tape()
        definition = Definition(V1, frozenset({"esmtp"}), (), claim=False)
        self.machine = RecordedDuraVip(self.tape, Identity("n1", "198.18.0.1", 1), N1, [definition], WATCHED)
        other = DuraVip(Identity("n2", "198.18.0.2", 1000 + N2.pid), N2, [definition], WATCHED)
        both = view(N1, N2, joined=[N1, N2])
        other.on_view(both, 0.0)
        self.machine.on_view(both, 0.0)
        for data in sent(other.effects()):
            self.machine.on_message(N2, data, 0.0)
        self.echo(0.0)

    def echo(self, now: float) -> list[Multicast]:
        said = []
        while effects := self.machine.effects():
            said += [effect for effect in effects if isinstance(effect, Multicast)]
            for data in sent(effects):
                self.machine.on_message(N1, data, now)
        return said

    def run(self, last_beacon: float, until: float) -> float | None:
        """n2 sends until then; when it was suspected."""
        for tick in range(1, int(until * 10) + 1):
            now = tick / 10
            if now <= last_beacon:
                self.machine.on_message(N2, beacon(N2, tick), now - 0.03)
            self.machine.on_timer(now)
            if any(isinstance(message(effect.data).message, Suspect) for effect in self.echo(now)):
                return now
        return None


@pytest.mark.parametrize("last_beacon", [3.0, 3.3, 3.6, 3.9])
def test_a_suspicion_falls_on_the_same_step(last_beacon: float) -> None:
    """Whenever the silence begins: a recording that was behind would suspect up to a second too early."""
    watcher = Watcher()
    suspected = watcher.run(last_beacon, 20.0)
    assert suspected == pytest.approx(last_beacon + LEAST_SILENCE_S, abs=0.11)
    steps = list(Replay().steps(watcher.tape.entries))
    assert [step.differences for step in steps if step.differences] == []
    beacons = [e for e in watcher.tape.entries if isinstance(e, Input) and e.name == "on_message"]
    assert len([e for e in beacons if e.arguments[0] == N2 and e.arguments[1].startswith(b"\x96\x01\xa6BEACON")]) < 10


def test_without_what_was_kept_back_the_replay_would_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sparse, "_due", lambda *_: [])
    watcher = Watcher()
    watcher.run(3.9, 20.0)
    assert any(step.differences for step in Replay().steps(watcher.tape.entries))
