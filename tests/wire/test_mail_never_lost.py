"""What was acknowledged arrives: workers, core and node are killed, the disk fills up, the next hop misbehaves."""

import asyncio
import os
import tempfile
from pathlib import Path

import pytest

from tests.support.hardship import OPTIONS, Hardship, small_disk
from tests.support.mailnode import MailNode
from tests.support.nexthop import next_hop

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk"),
]
CLIENTS = 4


@pytest.mark.parametrize("kills", [100, pytest.param(1000, marks=pytest.mark.long)])
async def test_every_message_that_was_acknowledged_arrives(kills: int) -> None:
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name) / "disk", "768m") as disk:
        async with next_hop() as (hop, gateway):
            node = MailNode(disk / "node", gateway, workers=2, more=OPTIONS)
            await node.start()
            hardship = Hardship(node, hop, disk, seed=kills)
            clients = [asyncio.create_task(hardship.client(number)) for number in range(CLIENTS)]
            try:
                await hardship.goes_on(kills)
                await hardship.ends(300.0)
                await asyncio.gather(*clients)
                await hardship.ends(60.0)
            finally:
                for client in clients:
                    client.cancel()
                await node.stop()
    twice = sum(count - 1 for count in hardship.arrivals().values())
    print(f"{dict(hardship.kills)}: {len(hardship.acknowledged)} acknowledged, {hardship.refused} refused or in doubt, "
          f"{twice} delivered again")  # fmt: skip
    assert hardship.acknowledged
    assert hardship.kills.total() == kills
