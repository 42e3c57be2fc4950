"""Mail and an address that comes and goes: accepted on it, sent from it, never sent without it."""

import asyncio
import json
import os
import tempfile
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode, hand_over
from tests.support.nexthop import next_hop
from tests.support.ownnetwork import in_own_network, ip

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a network namespace"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
ADDRESS = "198.18.0.9"
MORE = f"""
Binding "moving" {{ Bind_Address = "{ADDRESS}" Enable_Duravip = true }}
Cluster {{ Topology "198.18.0.0/24" {{ CidrMask = "32" Interface = "lo" }} }}
"""


async def waits_and_leaves_from_its_address() -> None:
    ip("address", "add", f"{ADDRESS}/32", "dev", "lo")
    with tempfile.TemporaryDirectory() as folder:
        async with next_hop() as (hop, gateway):
            node = MailNode(Path(folder), gateway, more=MORE, address=ADDRESS)
            await node.start()
            try:
                await node.submit("before the address is ours")
                (entry,) = map(json.loads, node.listed().splitlines())
                assert entry["binding"] == "moving"
                assert hop.content == []

                await node.core.start(node.local, [])
                await node.until(lambda: hop.peers == [ADDRESS])

                await hand_over(node.core, node.local, 5.0)  # returns when the worker has released it
                node.listen_again()
                await node.submit("while it is elsewhere")
                await node.until(lambda: len(node.listed().splitlines()) == 1)
                assert hop.peers == [ADDRESS]

                ip("address", "del", f"{ADDRESS}/32", "dev", "lo")  # announced as ours, and yet not on the host
                await node.core.start(node.local, [])
                await asyncio.sleep(1)
                (entry,) = map(json.loads, node.listed().splitlines())
                assert (entry["retries"], hop.peers) == (0, [ADDRESS])

                ip("address", "add", f"{ADDRESS}/32", "dev", "lo")
                await node.until(lambda: hop.peers == [ADDRESS, ADDRESS])
            finally:
                await node.stop()


async def greeting(node: MailNode) -> bytes:
    """What a new client hears first."""
    reader, writer = await asyncio.open_connection(ADDRESS, node.port)
    said = await reader.readline()
    writer.close()
    return said


async def serves_clients_while_a_delivery_ends() -> None:
    ip("address", "add", f"{ADDRESS}/32", "dev", "lo")
    with tempfile.TemporaryDirectory() as folder:
        async with next_hop() as (hop, gateway):
            hop.may_end.clear()
            node = MailNode(Path(folder), gateway, workers=2, more=MORE, address=ADDRESS)
            await node.start()
            try:
                await node.core.start(node.local, [])
                await node.submit("in hand")
                await node.until(lambda: hop.in_hand == 1)
                stopping = asyncio.create_task(hand_over(node.core, node.local, 60.0))
                for _ in range(20):  # of both workers
                    assert (await greeting(node)).startswith(b"220 ")
                    await asyncio.sleep(0.02)
                assert not stopping.done()
                hop.may_end.set()
                await asyncio.wait_for(stopping, 10)
                assert hop.subjects() == {"in hand": 1}
            finally:
                hop.may_end.set()
                await node.stop()


async def takes_back_a_delivery_that_does_not_end() -> None:
    ip("address", "add", f"{ADDRESS}/32", "dev", "lo")
    with tempfile.TemporaryDirectory() as folder:
        async with next_hop() as (hop, gateway):
            hop.may_end.clear()
            node = MailNode(Path(folder), gateway, more=MORE, address=ADDRESS)
            await node.start()
            try:
                await node.core.start(node.local, [])
                await node.submit("in hand")
                await node.until(lambda: hop.in_hand == 1)
                await asyncio.wait_for(hand_over(node.core, node.local, 1.0), 10)
                (entry,) = map(json.loads, node.listed().splitlines())
                assert entry["retries"] == 0  # it is nobody's fault
                hop.may_end.set()
                await node.core.start(node.local, [])
                await node.until(lambda: node.core.report()["delivered"] == 1)
            finally:
                hop.may_end.set()
                await node.stop()


async def tells_new_clients_to_come_back() -> None:
    ip("address", "add", f"{ADDRESS}/32", "dev", "lo")
    with tempfile.TemporaryDirectory() as folder:
        async with next_hop() as (_, gateway):
            node = MailNode(Path(folder), gateway, more=MORE, address=ADDRESS)
            await node.start()
            try:
                await node.core.start(node.local, [])
                reader, writer = await asyncio.open_connection(ADDRESS, node.port)
                await reader.readline()
                writer.write(b"HELO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n")
                for _ in range(4):
                    await reader.readline()
                stopping = asyncio.create_task(hand_over(node.core, node.local, 8.0))
                assert (await greeting(node)).startswith(b"220 ")
                async with asyncio.timeout(15):  # half of the time is over, and the client still sends
                    while not (await greeting(node)).startswith(b"421 4.3.2 "):
                        await asyncio.sleep(0.1)
                assert not stopping.done()  # the message in hand gets the other half too
                writer.write(b"Subject: in hand\r\n\r\nhi\r\n.\r\n")
                assert (await reader.readline()).startswith(b"250 ")
                await asyncio.wait_for(stopping, 5)
                writer.close()
            finally:
                await node.stop()


def test_while_deliveries_end_new_clients_are_served() -> None:
    in_own_network(serves_clients_while_a_delivery_ends)


def test_a_delivery_that_does_not_end_before_its_address_leaves_counts_no_try() -> None:
    in_own_network(takes_back_a_delivery_that_does_not_end)


def test_while_an_address_leaves_new_clients_are_told_to_come_back() -> None:
    in_own_network(tells_new_clients_to_come_back)


def test_mail_waits_for_its_address_and_leaves_from_it() -> None:
    in_own_network(waits_and_leaves_from_its_address)
