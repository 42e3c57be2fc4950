"""What is told of a message that moves to another node: X where it was, R of `xfer` where it is, then its delivery."""

import os
import smtplib
import tempfile
from asyncio import to_thread
from functools import partial
from pathlib import Path

import pytest

from momentum_node.logs.events import Delivered, Moved, Received
from tests.support.movingnodes import moving_nodes
from tests.support.nexthop import next_hop
from tests.support.ownnetwork import in_own_network
from tests.support.tellingnode import TellingNode

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(120),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a network namespace"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def bring(node: TellingNode) -> None:
    with smtplib.SMTP(str(node.local), node.port, timeout=30) as client:
        client.sendmail("a@moving.test", ["b@y.test", "c@y.test"], "Subject: x\r\n\r\nhello\r\n")


async def a_message_moves() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with next_hop() as (_, gateway), moving_nodes(Path(folder), gateway, kind=TellingNode) as nodes:
            first, second = nodes.nodes
            assert isinstance(first, TellingNode)
            assert isinstance(second, TellingNode)
            await to_thread(bring, first)
            await nodes.give(second)
            await first.until(lambda: sum(isinstance(one, Moved) for one in first.told) == 2)
            await second.until(lambda: sum(isinstance(one, Delivered) for one in second.told) == 2)

            moved = [one for one in first.told if isinstance(one, Moved)]
            arrived = [one for one in second.told if isinstance(one, Received)]
            assert {one.remote for one in moved} == {second.name}
            assert {one.protocol for one in arrived} == {"xfer"}
            assert {one.id for one in arrived} == {one.id for one in moved}
            assert len({one.batch for one in (*moved, *arrived)}) == 1
            assert not any(isinstance(one, Delivered) for one in first.told)


async def a_message_that_may_stay(cluster: str, peer: str) -> None:
    """Since it came a rule was written that gives it to a binding that is here."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            next_hop() as (hop, gateway),
            moving_nodes(Path(folder), gateway, cluster=cluster, kind=TellingNode) as nodes,
        ):
            first, second = nodes.nodes
            assert isinstance(first, TellingNode)
            await to_thread(bring, first)
            text = (first.folder / "ecelerity.conf").read_text()
            first.replace(text + '\nregex_binding2 "rules" { default = "mailfrom =~ \'moving\'" }\n')
            first.core.reload("2")
            await first.until(lambda: first.worker.admission.generation == 2)
            assert hop.content == []
            await nodes.give(second)
            await first.until(lambda: hop.recipients == [["b@y.test", "c@y.test"]])
            assert hop.peers == [peer]


async def mail_of_a_node_that_stands_still() -> None:
    """Suspend_Delivery of the global scope stops moves too, until it is lifted."""
    with tempfile.TemporaryDirectory() as folder:
        async with next_hop() as (hop, gateway), moving_nodes(Path(folder), gateway, kind=TellingNode) as nodes:
            first, second = nodes.nodes
            assert isinstance(first, TellingNode)
            text = (first.folder / "ecelerity.conf").read_text()
            first.replace(f"Suspend_Delivery = true\n{text}")
            first.core.reload("2")
            await first.until(lambda: first.worker.admission.generation == 2)
            await to_thread(bring, first)
            await nodes.give(second)
            mover, queues = first.worker._mover, first.worker._delivery.schedule
            await first.until(lambda: queues.count() == 2 and not mover.moving)
            mover.tick()
            assert (mover._dialling, mover._sessions, mover.moving) == ({}, {}, 0)  # nobody was called
            assert hop.content == []
            first.replace(text)
            first.core.reload("3")
            await first.until(lambda: hop.recipients == [["b@y.test", "c@y.test"]])
            assert hop.peers == ["198.18.0.9"]


async def mail_of_a_node_that_stands_still_for_long() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with next_hop() as (hop, gateway), moving_nodes(Path(folder), gateway, kind=TellingNode) as nodes:
            first, second = nodes.nodes
            assert isinstance(first, TellingNode)
            text = (first.folder / "ecelerity.conf").read_text()
            first.replace(f"Suspend_Delivery = true Message_Expiration = 2 Generate_Bounces = false\n{text}")
            first.core.reload("2")
            await first.until(lambda: first.worker.admission.generation == 2)
            await nodes.give(second)
            await to_thread(bring, first)
            await first.until(lambda: first.core.report()["failed"] == 2)
            assert hop.content == []


def test_mail_that_does_not_move_by_order_grows_old() -> None:
    in_own_network(mail_of_a_node_that_stands_still_for_long)


def test_mail_does_not_move_from_a_node_that_stands_still() -> None:
    in_own_network(mail_of_a_node_that_stands_still)


def test_a_message_stays_that_is_assigned_to_a_binding_here_now() -> None:
    in_own_network(partial(a_message_that_may_stay, "", "127.0.0.1"))


def test_a_message_keeps_its_binding_when_it_is_told_to() -> None:
    in_own_network(partial(a_message_that_may_stay, "unconditional_rebind = false", "198.18.0.9"))


def test_a_message_that_moves_is_told_on_both_nodes() -> None:
    in_own_network(a_message_moves)
