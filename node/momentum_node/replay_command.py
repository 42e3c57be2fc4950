"""`momentum-node replay`: what a node decided, step by step, from its flight recording."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from momentum_node.config.model import Address
    from momentum_node.duravip.flight import Entry
    from momentum_node.duravip.replay import Replay, Step

DEFAULT_FOLDER: Final = "/var/lib/momentum/flight"
WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which steps to show. `at`: seconds since the epoch, or None for all."""

    vip: "Address | None"
    at: float | None
    within_s: float
    every: bool

    def covers(self, step: "Step") -> bool:
        """Whether its time is asked for."""
        return self.at is None or abs(step.wall - self.at) <= self.within_s

    def narrow(self, step: "Step") -> "Step":
        """Only what concerns the address."""
        if self.vip is None:
            return step
        return replace(
            step,
            decisions=[decision for decision in step.decisions if decision.address == self.vip],
            effects=[effect for effect in step.effects if _concerns(effect, self.vip)],
        )

    def shows(self, step: "Step") -> bool:
        """Whether a step that is in time has anything to say."""
        if self.every or step.differences:
            return True
        if self.vip is not None:
            return bool(step.decisions or step.effects)
        return not step.is_quiet or step.what.startswith(("view", "note"))


def _concerns(effect: object, vip: "Address") -> bool:
    return getattr(effect, "vip", None) == vip or vip in getattr(effect, "vips", ())


def run_replay(arguments: argparse.Namespace) -> int:
    """Print the steps; 0, or 1 when nothing can be read or a step is not what was recorded."""
    from momentum_node.duravip.replay import Replay  # noqa: PLC0415 - the command line must not pay for it

    path = Path(arguments.file)
    files = _files(path)
    if not files:
        return _complain(f"{path}: no flight recording (set MOMENTUM_FLIGHT or name a file or folder)")
    try:
        wanted = Wanted(
            vip=ip_address(arguments.vip) if arguments.vip else None,
            at=_moment(arguments.at, files[-1]) if arguments.at else None,
            within_s=arguments.within,
            every=arguments.every,
        )
    except ValueError as error:
        return _complain(str(error)) + 1
    told = _Json() if arguments.format == "json" else _Text()
    replay, shown, differences = Replay(), 0, 0
    for step in replay.steps(_entries(files)):
        differences += len(step.differences)
        narrow = wanted.narrow(step)
        if wanted.covers(step) and wanted.shows(narrow):
            shown += 1
            print("\n".join(told.step(narrow)))  # noqa: T201
    for line in told.end(replay, wanted, differences):
        print(line)  # noqa: T201
    if not shown:
        _complain("no step matches; --every shows the quiet ones too")
    return 1 if differences else 0


def _files(path: Path) -> list[Path]:
    from momentum_node.duravip.recorder import segments  # noqa: PLC0415

    return segments(path) if path.is_dir() else [path] if path.exists() else []


def _entries(files: Iterable[Path]) -> Iterator["Entry"]:
    """All entries in order. A damaged tail is named on standard error; the next segment goes on with a snapshot."""
    from momentum_node.duravip import flight  # noqa: PLC0415

    for path in files:
        try:
            data = path.read_bytes()
            yield from flight.entries(data)
        except (OSError, flight.FlightError) as error:
            _complain(f"{path}: passed over: {error}")
            continue
        if not flight.is_whole(data):
            _complain(f"{path}: its end is missing or damaged and was passed over")


def _moment(text: str, last: Path) -> float:
    """Seconds since the epoch of a time of day (UTC, the last one before the recording's end) or a date and time."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        pass
    try:
        hours, minutes, *seconds = text.split(":")
        end = datetime.fromtimestamp(last.stat().st_mtime, UTC)
        moment = end.replace(hour=int(hours), minute=int(minutes), second=0, microsecond=0)
        moment += timedelta(seconds=float(seconds[0]) if seconds else 0.0)
    except ValueError:
        raise ValueError(f"--at {text}: use 03:12, 03:12:07 or 2026-01-31T03:12:07Z (UTC)") from None
    return (moment if moment <= end else moment - timedelta(days=1)).timestamp()


class _Text:
    """For people."""

    def step(self, step: "Step") -> Iterator[str]:
        from momentum_node.duravip.narration import tell_effect  # noqa: PLC0415

        yield f"{_clock(step.wall)}  {step.what}" + (f"  [{step.state}]" if step.state else "")
        for decision in step.decisions:
            move = "" if decision.before == decision.owner else f"{decision.before or '-'} -> {decision.owner or '-'}: "
            yield f"              {decision.address}: {move}{decision.reason}"
        for effect in step.effects:
            yield f"              do: {tell_effect(effect)}"
        for difference in step.differences:
            yield f"              DIFFERS: {difference}"

    def end(self, replay: "Replay", wanted: Wanted, differences: int) -> Iterator[str]:
        yield "at the end of the recording:"
        for address, placement in replay.owners().items():
            if wanted.vip in {None, address}:
                yield f"  {address}: {placement.reason}"
        yield f"{differences} steps differ from what was recorded" if differences else "every step is as recorded"


class _Json:
    """One object a line."""

    def step(self, step: "Step") -> Iterator[str]:
        from momentum_node.duravip.narration import tell_effect  # noqa: PLC0415

        decisions = [
            {"address": str(d.address), "from": d.before, "to": d.owner, "reason": d.reason} for d in step.decisions
        ]
        yield json.dumps(
            {
                "time": _rfc3339(step.wall),
                "monotonic": step.at,
                "what": step.what,
                "state": step.state,
                "decisions": decisions,
                "effects": [tell_effect(effect) for effect in step.effects],
                "differences": step.differences,
            },
            ensure_ascii=False,
        )

    def end(self, _replay: "Replay", _wanted: Wanted, _differences: int) -> Iterator[str]:
        return iter(())


def _clock(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%H:%M:%S.%f")[:-3]


def _rfc3339(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _complain(text: str) -> int:
    print(text, file=sys.stderr)  # noqa: T201 - a command for people
    return 1


def add_arguments(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `replay` to the command line."""
    replay = commands.add_parser("replay", help="show what a node decided, and why, from its flight recording")
    replay.add_argument(
        "file",
        nargs="?",
        default=os.environ.get("MOMENTUM_FLIGHT", DEFAULT_FOLDER),
        help="a recording's folder or one of its files (default: MOMENTUM_FLIGHT, else %(default)s)",
    )
    replay.add_argument("--vip", help="only what concerns this address")
    replay.add_argument("--at", metavar="TIME", help="only the steps around this time, e.g. 03:12 (UTC)")
    replay.add_argument("--within", type=float, default=WITHIN_S, metavar="SECONDS", help="how far around --at (30)")
    replay.add_argument("--every", action="store_true", help="also the steps that changed nothing")
    replay.add_argument("--format", choices=("text", "json"), default="text")
    replay.set_defaults(command=run_replay)
