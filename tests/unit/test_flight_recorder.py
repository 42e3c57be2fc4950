"""The recorder's files: bounded, readable after a kill and after damage, never in the way of the loop."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.duravip import flight, recorder
from momentum_node.duravip.flight import Entry, FlightError, Input, Note, Opened, Snapshot
from momentum_node.duravip.recorded import INPUTS, RecordedDuraVip
from momentum_node.duravip.recorder import FlightRecorder, segments
from momentum_node.duravip.replay import Replay
from momentum_node.duravip.vip import Definition, Identity, Policy

ME = Member(1, 10)
ALONE = ViewChanged((ME,), frozenset({ME}), frozenset(), frozenset({1}))
VIP = ip_address("198.18.0.41")
ROOT = Path(__file__).parents[2]


def machine_on(tap: FlightRecorder) -> RecordedDuraVip:
    definition = Definition(VIP, frozenset({"esmtp"}), (), claim=False)
    return RecordedDuraVip(tap, Identity("n1", "198.18.0.1", 7), ME, (definition,), Policy(failback_delay_s=0.0))


def run(machine: RecordedDuraVip) -> None:
    """Alone in the world: it becomes mature and takes the address."""
    machine.on_view(ALONE, 1.0)
    for now in (1.1, 1.2, 7.0, 7.1):
        machine.on_timer(now)
        for effect in machine.effects():
            if (data := getattr(effect, "data", None)) is not None:
                machine.on_message(ME, data, now)
    machine.effects()


def read(folder: Path) -> list[Entry]:
    return [entry for path in segments(folder) for entry in flight.entries(path.read_bytes())]


def wait_for(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_recording_tells_who_decided_what_and_why(tmp_path: Path) -> None:
    tap = FlightRecorder(tmp_path, "n1")
    run(machine_on(tap))
    tap.close()
    replay = Replay()
    steps = list(replay.steps(read(tmp_path)))
    assert [step.differences for step in steps if step.differences] == []
    assert steps[0].what == "joining with an empty table"
    assert "n1 owns 198.18.0.41" in replay.owners()[VIP].reason
    assert any(decision.owner == "n1" for step in steps for decision in step.decisions)


def test_every_input_of_the_machine_is_tapped() -> None:
    assert {"on_view", "on_message", "on_timer", "on_plumbed", "on_usable"} <= set(INPUTS)
    assert all(name in vars(RecordedDuraVip) for name in INPUTS)


def test_the_files_stay_within_their_bounds_and_begin_anywhere(tmp_path: Path) -> None:
    limit = 200_000
    tap = FlightRecorder(tmp_path, "n1", limit_bytes=limit, segment_bytes=20_000)
    machine = machine_on(tap)
    run(machine)
    for number in range(4000):
        machine.on_message(ME, os.urandom(300), 8.0 + number / 100)  # not understood, and does not compress
        if number % 50 == 0:
            wait_for(lambda: not tap._writer.queued)
    tap.close()
    files = segments(tmp_path)
    assert sum(path.stat().st_size for path in files) <= limit
    assert int(files[0].stem) > 1, "the oldest was removed"
    replay = Replay()
    steps = list(replay.steps(read(tmp_path)))
    assert steps[0].what == "the recording begins here"
    assert [step.differences for step in steps if step.differences] == []
    assert replay.owners()[VIP].owner == "n1"


def test_a_restarted_core_goes_on_in_a_new_file(tmp_path: Path) -> None:
    for _ in range(2):
        tap = FlightRecorder(tmp_path, "n1")
        run(machine_on(tap))
        tap.close()
    assert [path.stem for path in segments(tmp_path)] == ["00000001", "00000002"]


def test_a_killed_process_leaves_all_but_the_last_instant(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from tests.unit.test_flight_recorder import FlightRecorder, ME, machine_on
        machine = machine_on(FlightRecorder(Path({str(tmp_path)!r}), "n1"))
        for number in range(10**9):
            machine.on_message(ME, b"?", float(number))
            print(number, flush=True)
            time.sleep(0.001)
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = 0
        while told < 500:
            told = int(process.stdout.readline())
        time.sleep(0.5)  # more than the recorder holds back
        process.send_signal(signal.SIGKILL)
        process.wait()
    taken = [entry.at for entry in read(tmp_path) if isinstance(entry, Input)]
    assert taken == [float(number) for number in range(len(taken))]
    assert len(taken) > told


@pytest.mark.parametrize("damage", ["cut", "flipped", "garbage"])
def test_a_damaged_tail_is_passed_over(tmp_path: Path, damage: str) -> None:
    tap = FlightRecorder(tmp_path, "n1")
    machine = machine_on(tap)
    run(machine)
    wait_for(lambda: not tap._writer.queued and segments(tmp_path))
    tap.note("after it")
    tap.close()
    path = segments(tmp_path)[0]
    whole = list(flight.entries(path.read_bytes()))
    assert isinstance(whole[-1], Note)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        del data[-3:]
    elif damage == "flipped":
        data[-3] ^= 1
    else:
        data += b"\0\0\1\0garbage"
    kept = list(flight.entries(bytes(data)))
    assert kept == (whole if damage == "garbage" else whole[:-1])
    assert not flight.is_whole(bytes(data))
    assert flight.is_whole(path.read_bytes())


def test_a_disk_that_stands_still_costs_records_and_never_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standing = True

    def stand(self: object, records: bytes, *, write: Callable[..., None] = recorder._Writer._write) -> None:
        while standing:
            time.sleep(0.01)
        write(self, records)

    monkeypatch.setattr(recorder._Writer, "_write", stand)
    tap = FlightRecorder(tmp_path, "n1", queue_bytes=20_000)
    machine = machine_on(tap)
    began = time.monotonic()
    for number in range(500):
        machine.on_message(ME, os.urandom(100), float(number))
    assert time.monotonic() - began < 2.0
    standing = False
    wait_for(lambda: not tap._writer.queued)
    run(machine)
    tap.close()
    entries = read(tmp_path)
    assert any(isinstance(entry, Note) and "records are missing" in entry.text for entry in entries)
    assert [step.differences for step in Replay().steps(entries) if step.differences] == []


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("a file")
    tap = FlightRecorder(tmp_path / "taken", "n1")
    run(machine_on(tap))
    tap.close()
    assert "the flight recorder cannot write" in "".join(capsys.readouterr())


def test_a_recording_cannot_make_anything_but_plain_values() -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("true",)

    stream = flight.encode(Note(0.0, Evil()))  # type: ignore[arg-type]
    assert list(flight.entries(flight.MAGIC + flight.Packer().chunk(stream))) == []
    with pytest.raises(FlightError, match=r"system has no place"):
        flight.restore(Snapshot(stream[4:], is_new=True))


def test_what_may_come_out_of_a_file_is_defined_by_modules_without_io() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    pure = {name.rpartition(".")[2] for name in contracts[0]["source_modules"] if ".duravip." in name}
    modules = {path.stem for path in (ROOT / "node/momentum_node/duravip").glob("*.py")} - {"__init__"}
    assert modules - flight.DRIVERS <= pure, "name it in pyproject.toml as pure, or in DRIVERS"
    with pytest.raises(FlightError, match=r"flight\.io has no place"):
        flight.restore(Snapshot(b"cmomentum_node.duravip.flight\nio\n.", is_new=True))


def test_what_is_no_recording_is_said_to_be_none() -> None:
    with pytest.raises(FlightError, match="does not begin"):
        list(flight.entries(b"#!/bin/sh\n"))


def test_a_segment_names_its_node_and_version(tmp_path: Path) -> None:
    tap = FlightRecorder(tmp_path, "n1")
    tap.close()
    opened = read(tmp_path)[0]
    assert isinstance(opened, Opened)
    assert (opened.node, bool(opened.version)) == ("n1", True)
