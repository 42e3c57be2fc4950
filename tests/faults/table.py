"""What the fault suite found, as a table for people and as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.catalogue import in_order
from tests.faults.fault import Absent, Fault
from tests.faults.judge import Run

HEAD = f"{'fault':<44}{'runs':>5}{'min':>7}{'median':>8}{'max':>7}{'limit':>7}{'by two':>8}{'moves':>7}  verdict"
UNITS = f"{'':<44}{'':>5}{'ms':>7}{'ms':>8}{'ms':>7}{'ms':>7}{'ms':>8}"


def row(fault: Fault, runs: Sequence[Run]) -> str:
    """One line, and one below it for each kind of problem."""
    outages = [1000 * run.outage_s for run in runs]
    limit = "-" if fault.outage_s is None else f"{1000 * fault.outage_s:.0f}"
    numbers = f"{min(outages):>7.0f}{statistics.median(outages):>8.0f}{max(outages):>7.0f}{limit:>7}"
    double = 1000 * max(run.double_s for run in runs)
    moves = "-".join(str(count) for count in sorted({run.moves for run in runs}))
    lines = [f"{fault!s:<44}{len(runs):>5}{numbers}{double:>8.0f}{moves:>7}  {verdict(fault, runs)}"]
    problems = sorted({problem for run in runs for problem in run.judged(fault)})
    lines += [f"     {problem}" for problem in problems]
    return "\n".join(lines)


def verdict(fault: Fault, runs: Sequence[Run]) -> str:
    """One word or two."""
    failed = sum(1 for run in runs if run.judged(fault))
    return f"FAILED {failed} of {len(runs)}" if failed else "passed"


def absent_row(entry: Absent) -> str:
    """A fault that was not run, and why."""
    why = f": {entry.why}" if entry.why else ""
    return f"{f'{entry.number} {entry.name}':<44}{'':>49}  {entry.verdict}{why}"


def machine() -> str:
    """Where it was measured."""
    return f"{os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}"


def markdown(results: Mapping[Fault, Sequence[Run]]) -> str:
    """The table of docs/failover.md."""
    lines = [
        "| fault | runs | min | median | max | allowed | answered by two | moves | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for entry in in_order():
        if isinstance(entry, Fault) and entry in results:
            lines.append(_measured(entry, results[entry]))
        elif isinstance(entry, Fault):
            lines.append(f"| {entry} | | | | | | | | not run |")
        else:
            why = f": {entry.why}" if entry.why else ""
            lines.append(f"| {entry.number} {entry.name} | | | | | | | | {entry.verdict}{why} |")
    return "\n".join(lines) + "\n"


def _measured(fault: Fault, runs: Sequence[Run]) -> str:
    outages = [1000 * run.outage_s for run in runs]
    allowed = "away" if not fault.is_served else "-" if fault.outage_s is None else f"{1000 * fault.outage_s:.0f}"
    figures = [f"{figure:.0f}" for figure in (min(outages), statistics.median(outages), max(outages))]
    double = f"{1000 * max(run.double_s for run in runs):.0f}"
    moves = "-".join(str(count) for count in sorted({run.moves for run in runs}))
    substitute = f" ({fault.substitute})" if fault.substitute else ""
    problems = "; ".join(sorted({problem for run in runs for problem in run.judged(fault)}))
    said = verdict(fault, runs) + (f": {problems}" if problems else "")
    return f"| {fault}{substitute} | {len(runs)} | {' | '.join(figures)} | {allowed} | {double} | {moves} | {said} |"


def write_json(path: Path, results: Mapping[Fault, Sequence[Run]]) -> None:
    """The machine-readable copy."""
    rows = [
        {
            "fault": fault.number,
            "name": fault.name,
            "allowed_ms": None if fault.outage_s is None else round(1000 * fault.outage_s),
            "outages_ms": [round(1000 * run.outage_s) for run in runs],
            "answered_by_two_ms": [round(1000 * run.double_s) for run in runs],
            "moves": [run.moves for run in runs],
            "status_agrees_after_ms": [round(1000 * run.status_s) for run in runs],
            "verdict": verdict(fault, runs),
            "problems": [run.judged(fault) for run in runs],
        }
        for fault, runs in results.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), "faults": rows}, indent=2) + "\n")
