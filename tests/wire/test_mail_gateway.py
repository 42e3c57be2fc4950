"""A gateway is the routing domain of the mail that goes through it: one queue, its options, and what a reload does."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from momentum_node.logs.events import Delayed, Delivered, Received
from tests.support.nexthop import NextHop, next_hop
from tests.support.tellingnode import TellingNode

pytestmark = pytest.mark.timeout(60)


class World:
    """A node whose mail goes through a gateway, and that gateway."""

    def __init__(self, node: TellingNode, hop: NextHop, gateway: str) -> None:
        self.node, self.hop, self.gateway = node, hop, gateway

    async def submit(self, *recipients: str) -> None:
        def run() -> None:
            with smtplib.SMTP("127.0.0.1", self.node.port, timeout=30) as client:
                client.sendmail("a@x.test", recipients, "Subject: x\r\n\r\nhello\r\n")

        await asyncio.to_thread(run)

    def use(self, text: str) -> None:
        """Reload with this text; `{gateway}` in it is ours."""
        self.node.configure("", more=text.replace("{gateway}", self.gateway))
        self.node.core.reload("2")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        hop, gateway = await stack.enter_async_context(next_hop())
        more = f'Gateway = "{gateway}" Retry_Interval = 3600 Domain "y.test" {{ Never_Retry = true }}'
        node = TellingNode(tmp_path, "", more=more)
        await node.start()
        stack.push_async_callback(node.stop)
        yield World(node, hop, gateway)


async def test_mail_for_all_domains_shares_a_queue_and_a_transaction(world: World) -> None:
    await world.submit("ann@y.test", "bob@z.test")
    await world.node.until(lambda: world.hop.recipients)
    assert world.hop.recipients == [["ann@y.test", "bob@z.test"]]
    await world.node.until(lambda: sum(isinstance(one, Delivered) for one in world.node.told) == 2)
    told = [one for one in world.node.told if isinstance(one, Received | Delivered)]
    assert {one.domain for one in told} == {world.gateway}


async def test_options_of_the_domain_do_not_count(world: World) -> None:
    """mta §8: the domain's own options are ignored; those of the gateway count, by its name."""
    world.hop.answer = "450 4.2.0 later"
    await world.submit("ann@y.test")  # whose domain says Never_Retry
    delayed = await world.node.heard(Delayed)
    assert delayed.domain == world.gateway


async def test_a_reload_leads_the_mail_of_one_domain_elsewhere(world: World) -> None:
    """What waits in the gateway's queue, now or later, is sorted by its own domain again."""
    world.use('Gateway = "{gateway}" Suspend_Delivery = true')
    await world.node.until(lambda: world.node.worker.admission.generation == 2)
    await world.submit("ann@y.test", "bob@z.test", "eve@y.test")
    assert world.hop.recipients == []
    async with next_hop() as (other, there):
        world.use(f'Gateway = "{{gateway}}" Domain "z.test" {{ Gateway = "" Routes = ( "{there}" ) }}')
        await world.node.until(lambda: other.recipients and world.hop.recipients)
        assert other.recipients == [["bob@z.test"]]
        assert world.hop.recipients == [["ann@y.test", "eve@y.test"]]
        await world.node.until(lambda: world.node.core.report()["delivered"] == 3)
        assert world.node.core.report()["queued"] == 0


async def test_a_gateway_takes_over_the_queue_of_a_domain(world: World) -> None:
    world.use('Routes = ( "127.0.0.2:1" ) Retry_Interval = 1 Connect_Timeout_To_Delay = 0')
    await world.node.until(lambda: world.node.worker.admission.generation == 2)
    await world.submit("ann@y.test")
    await world.node.heard(Delayed)  # it waits for its next attempt
    world.use('Gateway = "{gateway}"')
    await world.node.until(lambda: world.hop.recipients)
    assert world.hop.recipients == [["ann@y.test"]]
