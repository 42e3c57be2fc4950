"""Workers that hang: the manager kills them, others serve meanwhile, and their mail goes on."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode
from tests.support.nexthop import next_hop

pytestmark = pytest.mark.timeout(180)


async def test_a_worker_that_hangs_is_killed_and_its_mail_is_delivered(tmp_path: Path) -> None:
    async with next_hop() as (hop, gateway):
        hop.answer = "450 4.2.0 not now"
        node = MailNode(tmp_path, gateway, workers=2, more='Retry_Interval = "1"')
        await node.start()
        try:
            for number in range(12):
                await node.submit(str(number))
            hung, other = node.worker_pids()
            os.kill(hung, signal.SIGSTOP)
            hop.answer = "250 ok"
            await node.until(lambda: hung not in node.worker_pids() and len(node.worker_pids()) == 2, 90.0)
            await node.until(lambda: len(hop.subjects()) == 12, 60.0)
            assert other in node.worker_pids()
            await node.until(lambda: node.core.report()["workers"] == 2 and node.core.are_accepting())
            await node.submit("afterwards")
        finally:
            await node.stop()
