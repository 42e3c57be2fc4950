"""What workers know of a domain, and what that is together: hosts, how they behave, queues."""

import json
from dataclasses import dataclass

import pytest

from momentum_node.smtp.hosts import Hosts
from momentum_node.smtp.paces import MOST, Pace, Paces
from momentum_node.smtp.reply import reply
from momentum_node.smtp.routes import LOOKUP_FAILED, NoRoute, Target
from momentum_node.spool.knowledge import MOST_CHARACTERS, Known, described, together, told, word
from momentum_node.spool.schedule import Key, Queue

BEST, WORSE = Target("192.0.2.1", 25, "mx1.y.test", 10), Target("192.0.2.2", 25, "mx2.y.test", 20)
REFUSED = reply(451, "4.4.1", "[internal] 192.0.2.1: Connection refused")


@dataclass
class Line:
    """A queue, and what was looked up for it."""

    queue: Queue
    found: list[Target] | NoRoute | None = None


def queue(binding: str, connections: int = 0) -> Queue:
    return Queue(Key(binding, "y.test"), connections=connections)


def told_by(open_: int, *, rests: bool = False, times: tuple[float, ...] = ()) -> Known:
    """Of a worker that has so many connections to the worse host, and may have failed with the better one."""
    hosts, paces = Hosts(), Paces()
    if rests:
        hosts.failed(BEST.address, REFUSED, rest_s=77, now=100, counted=3)
    for _ in range(open_):
        hosts.opened(WORSE.address)
    for took_s in times:
        paces.of(WORSE.address).delivered(took_s)
    return told([Line(queue("default", open_), [BEST, WORSE])], hosts, paces, now=100)


def test_workers_know_more_together() -> None:
    known = together([told_by(2, rests=True, times=(0.1,)), told_by(1, times=(0.3,)), told_by(0)])
    best, worse = known["hosts"]
    assert (best["host"], best["rests_s"], best["failures"], best["why"]) == ("mx1.y.test", 77, 3, REFUSED.text)
    assert (worse["open"], worse["delivery_ms"], worse["connect_ms"]) == (3, 200, None)
    assert known["queues"] == [{"binding": "default", "active": 0, "delayed": 0, "connections": 3}]
    assert known["lookup"] is None


def test_the_next_choice_and_a_host_that_rests_are_marked() -> None:
    lines = described("y.test", together([told_by(1, rests=True, times=(0.1,))])).splitlines()
    assert lines[0] == "y.test"
    assert lines[2].split() == ["*", "10", "mx1.y.test", "192.0.2.1:25", "0", "-", "-"]
    assert lines[3].strip() == f"rests 77 s, 3 in a row: {REFUSED.text}"
    assert lines[4].split() == ["=>", "20", "mx2.y.test", "192.0.2.2:25", "1", "-", "100", "ms"]
    assert lines[-1].split() == ["default", "0", "0", "1"]


def test_a_name_that_is_not_told_is_told() -> None:
    known = together([told([Line(queue("default"), NoRoute(LOOKUP_FAILED, 1))], Hosts(), Paces(), now=0)])
    assert known["hosts"] == []
    assert described("y.test", known).startswith(f"y.test: {LOOKUP_FAILED.text}\n")


def test_two_queues_of_one_domain_have_the_same_hosts() -> None:
    lines = [Line(queue("one"), [BEST]), Line(queue("two"), [BEST, WORSE]), Line(queue("three"))]
    known = together([told(lines, Hosts(), Paces(), now=0)])
    assert [row["host"] for row in known["hosts"]] == ["mx1.y.test", "mx2.y.test"]
    assert [row["binding"] for row in known["queues"]] == ["one", "three", "two"]


def test_averages_follow_slowly() -> None:
    pace = Pace()
    pace.connected(0.8)
    assert pace.connect_s == 0.8
    pace.connected(1.6)
    assert pace.connect_s == pytest.approx(0.9)
    assert pace.delivery_s is None


def test_the_oldest_address_is_forgotten_when_there_are_too_many() -> None:
    paces = Paces()
    paces.of("first").connected(1.0)
    paces.of("second").connected(2.0)
    for number in range(MOST - 1):
        paces.of(str(number))
    assert paces.of("second").connect_s == 2.0
    assert paces.of("first").connect_s is None


def test_a_word_fits_into_one_frame_whatever_there_is_to_say() -> None:
    hosts, targets = Hosts(), [Target(f"192.0.2.{number}", 25, "mx.y.test", 10) for number in range(200)]
    for target in targets:
        hosts.failed(target.address, reply(451, "", "später " * 100), rest_s=10, now=0)
    text = word(told([Line(queue("default"), targets)], hosts, Paces(), now=0))
    assert len(text) <= MOST_CHARACTERS
    assert json.loads(text)["hosts"][0]["address"] == "192.0.2.0"
