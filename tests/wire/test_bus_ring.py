"""What a node says of its ring and links, read from real Corosync."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.corosync import Ring, corosync_ring

pytestmark = pytest.mark.netns

PATIENCE_S = 20.0
WATCH_ONCE = """
import asyncio, json, sys
from momentum_node.bus.ringwatch import RingWatch

async def main():
    watch = RingWatch(1, lambda: None)
    task = asyncio.create_task(watch.run())
    while watch.status is None and watch.problem is None:
        await asyncio.sleep(0.01)
    status = watch.status
    seen = {"members": sorted(status.members), "cut": sorted(status.unreachable())} if status else {}
    print(json.dumps({**seen, "problem": watch.problem}))

asyncio.run(main())
"""


@pytest.fixture
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ring]:
    with corosync_ring(tmp_path_factory.mktemp("ring"), {1: "n1", 2: "n2", 3: "n3"}) as ring:
        yield ring


def seen_by_the_first(ring: Ring) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(ring.hosts[1].run(sys.executable, "-c", WATCH_ONCE))
    return answer


def wait_until_seen(ring: Ring, wanted: dict[str, Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (seen := seen_by_the_first(ring)) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)


def test_a_cut_cable_and_a_frozen_daemon_are_seen(ring: Ring) -> None:
    wait_until_seen(ring, {"members": [1, 2, 3], "cut": [], "problem": None})
    ring.lab.cut("n3")
    wait_until_seen(ring, {"members": [1, 2], "cut": [3], "problem": None})
    ring.daemons[1].freeze()
    assert "Corosync does not answer within 3 s" in seen_by_the_first(ring)["problem"]
    ring.daemons[1].kill()
    assert "does Corosync run here" in seen_by_the_first(ring)["problem"]
