"""The doctor's verdict on a node, and the numbers of Corosync it reads."""

import copy
from typing import Any, cast

import pytest

from momentum_node.bus.ring import Link, ring_status
from momentum_node.status.diagnosis import Finding, diagnose, verdict
from momentum_node.status.report import Report

WELL: dict[str, Any] = {
    "state": "RUN",
    "quorate": True,
    "quorum": "3/3",
    "bus": {
        "ring": ["n1", "n2", "n3"],
        "links": [{"node": "n2", "connected": True, "timesDown": 1}, {"node": "n3", "connected": True, "timesDown": 1}],
        "problem": None,
        "silentSeconds": 0,
    },
    "vips": [{"address": "198.18.0.41", "owner": "n1", "reason": "n1 is preferred", "problem": None}],
    "mail": {"accepting": True},
    "configuration": {"errors": []},
}


def examined(*path: str | int, value: object) -> list[Finding]:
    """The findings when one thing in the report of a well node is different."""
    report = copy.deepcopy(WELL)
    place: Any = report
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return diagnose(cast("Report", report))


def test_a_well_node_has_no_finding() -> None:
    assert diagnose(cast("Report", WELL)) == []
    assert verdict([]).startswith("well")


@pytest.mark.parametrize(
    ("path", "value", "is_broken", "says"),
    [
        (("state",), "GATHER", True, "in state GATHER"),
        (("quorate",), False, True, "no majority"),
        (("bus", "problem"), "Corosync does not answer within 3 s", True, "does not answer within 3 s"),
        (("bus", "silentSeconds"), 4, True, "nothing of ours came back from the bus for 4 s"),
        (("bus", "links", 0, "connected"), False, False, "no link to n2, which is on the ring through others"),
        (("vips", 0, "problem"), "answered by a stranger", False, "198.18.0.41: answered by a stranger"),
        (("vips", 0, "owner"), None, False, "198.18.0.41 has no owner: n1 is preferred"),
        (("mail", "accepting"), False, True, "no mail worker accepts"),
        (("configuration", "errors"), ["a.conf:3:1: no", "b"], False, "a.conf:3:1: no (and 1 more)"),
    ],
)
def test_each_trouble_is_named(path: tuple[str | int, ...], value: object, is_broken: bool, says: str) -> None:
    (finding,) = examined(*path, value=value)
    assert finding.is_broken == is_broken
    assert says in finding.text
    assert verdict([finding]).startswith("BROKEN" if is_broken else "attention")


def test_what_is_broken_comes_first() -> None:
    report = copy.deepcopy(WELL)
    report["vips"][0]["problem"] = "no topology"
    report["mail"]["accepting"] = False
    findings = diagnose(cast("Report", report))
    assert [finding.is_broken for finding in findings] == [True, False]
    assert verdict(findings).endswith("(and 1 more)")


def test_corosyncs_keys_become_members_and_links() -> None:
    status = ring_status(
        {
            "runtime.members.1.status": "joined",
            "runtime.members.2.status": "joined",
            "runtime.members.3.status": "left",
            "stats.knet.node1.link0.connected": 1,
            "stats.knet.node2.link0.connected": 0,
            "stats.knet.node2.link0.down_count": 2,
            "stats.knet.node3.link0.connected": 0,
            "stats.knet.node3.link1.connected": 1,
            "stats.srp.gather_entered": 7,
        },
        own_id=1,
    )
    assert status.members == {1, 2}
    assert status.links == (Link(2, 0, False, 2), Link(3, 0, False, 0), Link(3, 1, True, 0))
    assert (status.gathers, status.token_losses, status.send_failed) == (7, 0, False)
    assert status.unreachable() == {2}
