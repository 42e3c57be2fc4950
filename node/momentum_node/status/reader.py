"""Reading the core's report from its status socket: the services process, and `momentum-node status`."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

from momentum_node.status.diagnosis import diagnose, verdict
from momentum_node.status.report import Report, TakeoverReport

MAX_REPORT_BYTES = 16 << 20  # 10,240 addresses need about 2 MiB
RETRY_S = 0.2


async def reports(path: Path) -> AsyncIterator[Report]:
    """The newest report, then each newer one. Ends when the core is gone; raises `OSError` when it is not there."""
    reader, writer = await asyncio.open_unix_connection(path, limit=MAX_REPORT_BYTES)
    with contextlib.closing(writer):
        while line := await reader.readline():
            yield json.loads(line)


async def follow(path: Path) -> AsyncIterator[Report | None]:
    """As `reports`, for ever: None each time the core is gone, then its reports again."""
    while True:
        with contextlib.suppress(OSError):
            async for report in reports(path):
                yield report
        yield None
        await asyncio.sleep(RETRY_S)


def show(path: Path, as_json: bool) -> int:
    """Print the report of the node on this machine. Exit code 1 when no core answers."""
    report = _newest(path)
    if report is None:
        return 1
    print(json.dumps(report, indent=2) if as_json else describe(report))  # noqa: T201
    return 0


def examine(path: Path, as_json: bool) -> int:
    """Print a verdict on the node of this machine and its reasons. Exit code 1 when something is not well."""
    report = _newest(path)
    if report is None:
        return 1
    findings = diagnose(report)
    if as_json:
        print(json.dumps({"verdict": verdict(findings), "findings": [asdict(finding) for finding in findings]}))  # noqa: T201
    else:
        print("\n".join([verdict(findings), *(f"  {finding.text}" for finding in findings)]))  # noqa: T201
    return 1 if findings else 0


def _newest(path: Path) -> Report | None:
    """None, and a line on standard error, when nobody answers."""
    try:
        return asyncio.run(_first(path))
    except OSError as error:
        print(f"no node answers at {path}: {error.strerror}; is it running, and are you root?", file=sys.stderr)  # noqa: T201
        return None


async def _first(path: Path) -> Report:
    async for report in reports(path):
        return report
    raise ConnectionResetError(104, "the core stopped")


def describe(report: Report) -> str:
    """The report in plain words, one fact a line."""
    node, mail = report["node"], report["mail"]
    quorum = f"{report['quorum']} nodes on the bus ({'quorate' if report['quorate'] else 'NOT quorate'})"
    lines = [
        f"{node['name']} ({node['address']}, bus id {node['id']}): {report['state']}, {quorum}",
        "members: " + ", ".join(m["name"] + ("" if m["mature"] else " (immature)") for m in report["members"]),
        f"mail: {mail['workers']} workers, {mail['sessions']} sessions, {mail['queued']} queued, "
        f"{mail['received']} received, {mail['delivered']} delivered",
    ]
    for vip in report["vips"]:
        here = " [on this node]" if vip["held"] else ""
        problem = f" PROBLEM: {vip['problem']}" if vip["problem"] else ""
        lines.append(
            f"{vip['address']}: {vip['owner'] or 'no owner'}{here} since {vip['since']}: {vip['reason']}{problem}"
        )
    if measured := report.get("takeovers"):
        lines += [_takeover(one) for one in measured["recent"]]
    lines += [f"configuration: {error}" for error in report["configuration"]["errors"]]
    lines += [f"notice: {notice}" for notice in report["notices"]]
    return "\n".join(lines)


def _takeover(one: TakeoverReport) -> str:
    silent = f"silent for {one['silentSeconds']:.3f} s before, " if one["silentSeconds"] else ""
    many = f"{one['addresses']} address{'' if one['addresses'] == 1 else 'es'}"
    served = (
        f"the first served after {one['firstServedSeconds']:.3f} s, the last after {one['lastServedSeconds']:.3f} s"
    )
    if not one["served"]:
        served = "none served yet"
    elif one["served"] < one["addresses"]:
        served += f", {one['addresses'] - one['served']} not"
    return f"{one['at']} {one['what']}, {many} came here: {silent}agreed after {one['agreedSeconds']:.3f} s, {served}"
