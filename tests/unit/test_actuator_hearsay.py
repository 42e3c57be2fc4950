"""What the actuator does with what other members hear on the wire (failover F15). Virtual time."""

import asyncio
import errno
from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest

from momentum_node.bus.contract import Member
from momentum_node.duravip.vip import Contest, Plumb, Unplumb, Witness
from tests.support.orderednode import MEMBER, STRANGER, UP, VIP, Node, ordered_node

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with ordered_node() as made:
        yield made


def hears(mac: str) -> Contest:
    """Another member's word."""
    return Contest(VIP, Member(2, 1), bytes.fromhex(mac.replace(":", "")))


async def test_what_another_member_hears_counts_as_heard(node: Node) -> None:
    """The old owner's answer does not reach us: silence here, and a witness that says otherwise."""
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.01)
    node.actuator.perform(hears(MEMBER))
    for _ in range(8):
        await asyncio.sleep(0.2)
        node.actuator.perform(hears(MEMBER))
    assert node.told() == ["probe"]
    assert MEMBER in node.actuator.problems()[VIP]
    node.actuator.perform(hears(""))
    await asyncio.sleep(0.15)  # a question may be under way: 40 ms
    assert [what for what in node.told() if what != "probe"] == UP
    assert node.actuator.problems() == {}


async def test_a_witness_that_says_no_more_is_not_waited_for_for_ever(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.01)
    node.actuator.perform(hears(MEMBER))
    await asyncio.sleep(1.2)
    assert node.told() == ["probe", *UP]


async def test_a_word_about_a_host_that_we_hear_ourselves_costs_no_time(node: Node) -> None:
    """A killed core: its supervisor removes the address 5 ms later, and we hear that as soon as the witness does."""
    node.answers = MEMBER
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.005)
    node.answers = None
    node.actuator.perform(hears(MEMBER))
    await asyncio.sleep(0.06)
    assert node.told() == ["probe", *UP]


async def test_a_stranger_that_only_others_hear_is_not_pushed_aside(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=False))
    for _ in range(120):
        await asyncio.sleep(0.03)
        node.actuator.perform(hears(STRANGER))
    assert node.told() == ["probe", "unplumb 192.0.2.41", "FAILED in use by 02"]


async def test_what_was_released_is_plumbed_whatever_was_heard_before(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.01)
    node.actuator.perform(hears(MEMBER))
    await asyncio.sleep(0.1)
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.02)
    assert node.told() == ["probe", *UP]


async def test_a_word_that_comes_while_listeners_are_opened_is_not_too_late(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.0415)
    assert node.log[-1] == "listen 25"
    node.actuator.perform(hears(MEMBER))
    await asyncio.sleep(0.5)
    assert node.told() == ["probe", "listen 25", "probe"]
    node.actuator.perform(hears(""))
    await asyncio.sleep(0.15)
    assert [what for what in node.told() if what != "probe"] == UP[1:]


async def test_nothing_is_plumbed_while_the_ring_stands_still(node: Node) -> None:
    """A witness's word may be under way: what we say ourselves does not come back either."""
    node.round_trip_takes_s = 0.3
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.2)
    assert node.told() == ["probe", "listen 25"]
    node.actuator.perform(hears(MEMBER))
    await asyncio.sleep(0.2)
    assert "plumb eth0 192.0.2.41/32" not in node.told(), "the word came before the round trip ended"
    node.round_trip_takes_s = 0.001
    node.actuator.perform(hears(""))
    await asyncio.sleep(0.5)
    assert [what for what in node.told() if what != "probe"] == UP[1:]


async def test_what_was_released_needs_no_word_to_come_back(node: Node) -> None:
    node.round_trip_takes_s = 30.0
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.1)
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.01)
    assert node.told() == ["probe", *UP]


async def test_a_listener_that_cannot_be_opened_leaves_no_address(node: Node) -> None:
    node.refuses["listen"] = errno.EMFILE
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    assert node.told() == [*UP[:3], "unplumb 192.0.2.41", "FAILED listen 25"]


async def test_a_late_word_changes_nothing_and_is_forgotten(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.1)
    node.actuator.perform(hears(MEMBER))
    await asyncio.sleep(0.2)
    assert node.told() == ["probe", *UP]
    node.actuator.perform(Unplumb(VIP, 0.0))
    await asyncio.sleep(0.1)
    node.told()
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.06)
    assert node.told() == ["probe", *UP]


@pytest.mark.parametrize("answer", [MEMBER, None])
async def test_for_others_it_asks_the_wire_and_does_no_more(node: Node, answer: str | None) -> None:
    node.answers = answer
    node.actuator.perform(Witness((VIP, ip_address("203.0.113.9"))))  # the second one is on no link of this node
    await asyncio.sleep(0.1)
    assert node.told() == ["probe", f"HEARD {answer or 'nobody'}"]
    assert node.actuator.held() == frozenset()


async def test_a_wire_that_cannot_be_asked_says_nothing(node: Node) -> None:
    node.refuses["probe"] = errno.ENETDOWN
    node.actuator.perform(Witness((VIP,)))
    await asyncio.sleep(0.1)
    assert node.told() == ["probe"]
