"""The bus key of a running cluster is replaced in stages; which one is next, and what it waits for. Pure.

    annotation rotate-bus-key      distribute ──▶ install ──▶ switch ──▶ over
    gets another value                 │             │           │
                      everybody published   everybody's file   everybody's Corosync was reloaded,
                      the next key          holds it           and each ring and link is whole

No stage is entered on hope: a node that reloads with an older file is lost to the others. Who counts is who is on any
node's ring, and who has a pod on a node that is well. Nothing here knows a key: only fingerprints.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from momentum_node.status.report import BusKeyReport, Report

ARBITER_STAGE_S: Final = 150.0
"""The arbiter reports nothing. So long after the kubelet was told of a file, it has mounted it (60 to 90 s)."""
GIVE_UP_S: Final = 900.0
"""Before anything was installed a rotation that cannot go on is given up: it holds back changes of the node list."""


class Step(StrEnum):
    """What is done to the Secret."""

    BEGIN = "distribute"
    INSTALL = "install"
    SWITCH = "switch"
    FINISH = "finish"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class BusKey:
    """What the Secret says. `wish`: the annotation's value that is served, or was last; `since`: of the stage."""

    current: str
    next: str | None = None
    stage: str = ""
    wish: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """The next step, or (None) what it waits for; both empty: nothing is wanted."""

    step: Step | None = None
    waits: tuple[str, ...] = ()


def course(
    key: BusKey | None, wish: str, expected: Iterable[str], reports: Mapping[str, Report], has_arbiter: bool, now: str
) -> Course:
    """What to do now. `wish`: the annotation's value, empty without one; `expected`: names of nodes that should run."""
    if key is None or (not key.stage and wish in {"", key.wish}):
        return Course()
    seen = {node for report in reports.values() for node in report["bus"]["ring"] if not node.isdecimal()}
    nodes = sorted({*expected, *seen})
    if not nodes:
        return Course(None, ("no node reports yet",))
    if key.stage == Step.BEGIN and (wish != key.wish or _age(key, now) > GIVE_UP_S):
        return Course(Step.ABANDON)
    step = _NEXT[key.stage]
    waits = list(_lacking(nodes, reports, step, key))
    if step in {Step.BEGIN, Step.FINISH}:
        waits += _broken(nodes, reports)
    elif has_arbiter and (young := ARBITER_STAGE_S - _age(key, now)) > 0:
        waits.append(f"the arbiter reports nothing: {young:.0f} s more for its files")
    return Course(None, tuple(waits)) if waits else Course(step)


_NEXT: Final = {"": Step.BEGIN, "distribute": Step.INSTALL, "install": Step.SWITCH, "switch": Step.FINISH}


# -- what each node must have published ------------------------------------------------------------


Asked = Callable[[BusKeyReport, BusKey], bool]

_ASKED: Final[Mapping[Step, tuple[Asked, str]]] = {
    Step.BEGIN: (lambda told, key: told["inForce"] == told["file"] == key.current, "does not have the present key yet"),
    Step.INSTALL: (lambda told, key: told["next"] == key.next, "has not seen the next key yet"),
    Step.SWITCH: (lambda told, key: told["file"] == key.next, "has not installed the next key yet"),
    Step.FINISH: (lambda told, key: told["inForce"] == key.next, "does not use the next key yet"),
}
"""Before each step: what every node must have published, and what to say of one that has not."""


def _lacking(nodes: Iterable[str], reports: Mapping[str, Report], step: Step, key: BusKey) -> Iterable[str]:
    has, lack = _ASKED[step]
    for name in nodes:
        report = reports.get(name)
        if report is None:
            yield f"{name} does not report"
        elif (told := report["bus"].get("key")) is None:
            yield f"{name} publishes no key: its pod is of an older template, or has just started"
        elif not has(told, key):
            yield f"{name} {lack}"


def _broken(nodes: list[str], reports: Mapping[str, Report]) -> Iterable[str]:
    """Whether all hear all, by every node's word."""
    for name in nodes:
        if (report := reports.get(name)) is None:
            continue
        if away := [other for other in nodes if other not in report["bus"]["ring"]]:
            yield f"{name} does not have {', '.join(away)} on its ring"
        if cut := [link["node"] for link in report["bus"]["links"] if not link["connected"] and link["node"] in nodes]:
            yield f"{name} has no link to {', '.join(cut)}"


def _age(key: BusKey, now: str) -> float:
    try:
        return (datetime.fromisoformat(now) - datetime.fromisoformat(key.since)).total_seconds()
    except ValueError:
        return 0.0
