"""`momentum-node replay`, as a person uses it at 9 o'clock."""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from momentum_node.__main__ import main
from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.duravip import flight
from momentum_node.duravip.flight import Did, Input, Opened
from momentum_node.duravip.messages import State
from momentum_node.duravip.recorded import RecordedDuraVip
from momentum_node.duravip.vip import Definition, Effect, Identity, Policy

ME, OTHER = Member(1, 10), Member(2, 20)
VIPS = [ip_address("198.18.0.41"), ip_address("198.18.0.42")]
NIGHT = datetime(2026, 1, 31, 3, 12, 0, tzinfo=UTC)
DEATH_S = 100.0


class Tape:
    """A tap that keeps records."""

    def __init__(self) -> None:
        self.records = flight.encode(Opened("n1", "test", NIGHT.timestamp() - DEATH_S, 0.0))

    def started(self, machine: object) -> None:
        assert isinstance(machine, RecordedDuraVip)
        self.records += flight.encode(flight.snapshot(machine, is_new=True))

    def took(self, machine: object, name: str, arguments: tuple[object, ...]) -> None:
        now = arguments[-1]
        assert isinstance(now, float)
        self.records += flight.encode(Input(now, name, arguments))

    def did(self, effects: list[Effect]) -> None:
        self.records += flight.encode(Did(tuple(effects)))


class Pair:
    """Two members on one bus; n1 is recorded."""

    def __init__(self) -> None:
        self.tape = Tape()
        declared = tuple(Definition(vip, frozenset({"esmtp"}), (), claim=False) for vip in VIPS)
        policy = Policy(view_mature_time_s=1.0, failback_delay_s=0.0)
        tapped = RecordedDuraVip(self.tape, Identity("n1", "198.18.0.1", 7), ME, declared, policy)
        other = RecordedDuraVip(Tape(), Identity("n2", "198.18.0.2", 8), OTHER, declared, policy)
        self.machines = {ME: tapped, OTHER: other}

    def view(self, joined: set[Member], left: set[Member], now: float) -> None:
        members = tuple(sorted(self.machines))
        for machine in self.machines.values():
            machine.on_view(ViewChanged(members, frozenset(joined), frozenset(left), frozenset({1, 2})), now)
        self.settle(now)

    def tick(self, now: float) -> None:
        for machine in self.machines.values():
            machine.on_timer(now)
        self.settle(now)

    def settle(self, now: float) -> None:
        while True:
            done = [(member, effect) for member, machine in self.machines.items() for effect in machine.effects()]
            if not done:
                return
            for sender, effect in done:
                if (data := getattr(effect, "data", None)) is not None:
                    for machine in list(self.machines.values()):
                        machine.on_message(sender, data, now)
                elif type(effect).__name__ == "Plumb":
                    self.machines[sender].on_plumbed((effect.vip,), now)  # type: ignore[union-attr]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """n1 and n2 share two addresses; at 03:12:00 n2 dies."""
    pair = Pair()
    pair.view({ME, OTHER}, set(), 1.0)
    for now in (1.5, 3.0, 4.0):
        pair.tick(now)
    del pair.machines[OTHER]
    pair.view(set(), {OTHER}, DEATH_S)
    path = tmp_path / "00000001.flight"
    path.write_bytes(flight.MAGIC + flight.Packer().chunk(pair.tape.records))
    return path


def test_the_night_is_told_with_its_reasons(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(recording)]) == 0
    told = capsys.readouterr().out
    assert "03:12:00.000  view of n1/10; left: n2/20" in told
    assert "198.18.0.42: n2 -> n1: n1 owns 198.18.0.42: the least loaded when it had no owner" in told
    assert "do: plumb 198.18.0.42 (ask the wire first)" in told
    assert told.rstrip().endswith("every step is as recorded")


def test_one_address_at_one_time_as_json(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = (NIGHT + timedelta(seconds=5)).isoformat()
    code = main(["replay", str(recording.parent), "--vip", "198.18.0.42", "--at", at, "--format", "json"])
    steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert [(step["time"], step["effects"]) for step in steps] == [
        ("2026-01-31T03:12:00.000Z", ["plumb 198.18.0.42 (ask the wire first)"])
    ]
    assert steps[0]["decisions"][0]["from"] == "n2"


def test_quiet_steps_are_shown_on_request(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["replay", str(recording)])
    few = len(capsys.readouterr().out.splitlines())
    main(["replay", str(recording), "--every"])
    assert len(capsys.readouterr().out.splitlines()) > few


def test_a_changed_recording_is_found_out(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = list(flight.entries(recording.read_bytes()))
    changed = [Did(entry.effects[:-1]) if isinstance(entry, Did) else entry for entry in entries]
    stream = b"".join(map(flight.encode, changed))
    recording.write_bytes(flight.MAGIC + flight.Packer().chunk(stream))
    assert main(["replay", str(recording)]) == 1
    assert "DIFFERS: recorded: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vip", "198.18.0"], "'198.18.0' does not appear to be an IPv4 or IPv6 address"),
        (["--at", "at night"], "--at at night: use 03:12"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    recording: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(recording), *words]) == 2
    assert said in capsys.readouterr().err


def test_no_recording_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path / "none")]) == 1
    assert "no flight recording (set MOMENTUM_FLIGHT" in capsys.readouterr().err


def test_a_damaged_file_is_named_and_the_next_one_read(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recording.parent / "00000000.flight").write_bytes(b"nothing of ours")
    assert main(["replay", str(recording.parent)]) == 0
    said = capsys.readouterr()
    assert "00000000.flight: passed over: it does not begin as a flight recording does" in said.err
    assert "n2 -> n1" in said.out
    assert State.__name__.upper() in said.out
