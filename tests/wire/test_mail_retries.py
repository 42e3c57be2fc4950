"""How often a message was tried, and when it is to be tried again, outlives a worker that is killed."""

import os
import signal
import time
from pathlib import Path

import pytest

from momentum_node.spool_command import spool_list
from tests.support.mailnode import MailNode
from tests.support.nexthop import next_hop

pytestmark = pytest.mark.timeout(150)
INTERVAL_S = 12
REFUSALS = 9


async def test_a_message_is_tried_as_often_as_it_may_be_although_its_worker_is_killed(tmp_path: Path) -> None:
    async with next_hop() as (hop, gateway):
        hop.first_answers = ["450 4.2.0 not now"] * REFUSALS
        terms = f"Retry_Interval = {INTERVAL_S} Max_Retry_Interval = {INTERVAL_S} Max_Retries = 1"
        node = MailNode(tmp_path / "node", gateway, more=f"{terms} Generate_Bounces = false")
        await node.start()
        try:
            began = time.monotonic()
            await node.submit("tried once")
            await node.until(lambda: [one.retries for one in spool_list(node.spool)] == [1])
            for pid in node.worker_pids():
                os.kill(pid, signal.SIGKILL)
            assert len(hop.first_answers) == REFUSALS - 1

            await node.until(lambda: not list(spool_list(node.spool)), 60)
            assert time.monotonic() - began > INTERVAL_S, "it was tried before its time"
        finally:
            await node.stop()
        assert len(hop.first_answers) == REFUSALS - 2, "the first try was forgotten"
