"""What the actuator does with the machine's orders, against a supervisor that is a list of calls. Virtual time."""

import asyncio
import errno
from collections.abc import AsyncIterator

import pytest

from momentum_node.config.model import Address
from momentum_node.duravip.actuator import CLAIMED_S, VipPlan
from momentum_node.duravip.link import SupervisorEvent
from momentum_node.duravip.plumbing import GOING_AT_ONCE, State
from momentum_node.duravip.vip import Announce, Plumb, Unplumb
from tests.support.orderednode import MEMBER, STRANGER, UP, VIP, Node, ordered_node

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with ordered_node() as made:
        yield made


async def test_acquire_asks_the_wire_listens_plumbs_announces_and_serves(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.1)
    assert node.told() == ["probe", *UP]
    assert node.actuator.held() == {VIP}
    assert node.actuator.state(VIP) is State.SERVING


async def test_a_planned_move_does_not_ask(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.01)
    assert node.told() == UP


async def test_the_wire_is_told_without_waiting_for_the_kernels_answer(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.0005)  # each answer takes 1 ms: nobody has answered yet
    assert node.told() == ["listen 25", "plumb eth0 192.0.2.41/32", "announce"]


async def test_release_lets_sessions_end_and_answers_after_the_kernel(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()
    node.release_takes_s = 2.0
    node.actuator.perform(Unplumb(VIP, 5.0))
    await asyncio.sleep(1.9)
    assert node.told() == ["leave 5", "stop 5"]
    await asyncio.sleep(0.2)
    assert node.told() == ["stopped", "unplumb 192.0.2.41", "UNPLUMBED"]
    assert node.actuator.held() == frozenset()


@pytest.mark.parametrize(("number", "at_once"), [(100, GOING_AT_ONCE), (1280, 20)])
async def test_of_many_that_leave_a_few_at_a_time_are_without_an_answer(node: Node, number: int, at_once: int) -> None:
    vips = [VIP + further for further in range(number)]
    node.actuator.set_plans({vip: VipPlan("eth0", 32) for vip in vips})
    for vip in vips:
        node.actuator.perform(Plumb(vip, planned=True))
    await asyncio.sleep(1)
    away: set[Address] = set()
    most = 0

    async def stop(address: Address, grace_s: float) -> None:
        nonlocal most
        away.add(address)
        most = max(most, len(away))
        await asyncio.sleep(0.01)

    node.stop, node.on_unplumbed = stop, lambda vip, now: away.discard(vip)  # type: ignore[method-assign]
    for vip in vips:
        node.actuator.perform(Unplumb(vip, 5.0))
    await asyncio.sleep(1)
    assert not any(node.actuator.state(vip) is not State.IDLE for vip in vips)
    assert most == at_once


async def test_workers_that_hang_do_not_hold_an_address(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()

    async def hang(address: Address, grace_s: float) -> None:
        await asyncio.sleep(3600)

    node.leave = node.stop = hang  # type: ignore[method-assign]
    node.actuator.perform(Unplumb(VIP, 5.0))
    await asyncio.sleep(6.1)
    assert node.told() == ["unplumb 192.0.2.41", "UNPLUMBED"]


async def test_without_grace_the_address_goes_first(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()
    node.actuator.perform(Unplumb(VIP, 0.0))
    await asyncio.sleep(0.1)
    assert node.told() == ["unplumb 192.0.2.41", "stop 0", "UNPLUMBED"]


async def test_a_supervisor_that_is_gone_may_have_left_the_address_in_the_kernel(node: Node) -> None:
    """It was killed: until the lease is over the address answers, so nobody may be told that it is free (S8)."""
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()
    node.refuses["unplumb"] = 0
    node.actuator.perform(Unplumb(VIP, 0.0))
    await asyncio.sleep(2.3)
    assert "UNPLUMBED" not in node.told()
    await asyncio.sleep(0.5)
    assert node.told()[-1] == "UNPLUMBED"


async def test_contested_until_the_old_owner_falls_silent(node: Node) -> None:
    node.answers = MEMBER
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(1.0)
    assert node.told() == ["probe"]
    assert MEMBER in node.actuator.problems()[VIP]
    assert node.actuator.held() == frozenset()
    node.answers = None
    await asyncio.sleep(0.2)
    assert node.told() == ["probe", *UP]
    assert node.actuator.problems() == {}


async def test_contested_until_it_was_released(node: Node) -> None:
    """RELEASED makes the machine say that nobody will answer any more: no further question."""
    node.answers = MEMBER
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(1.05)
    node.told()
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.01)
    assert [what for what in node.told() if what != "probe"] == UP


async def test_a_stranger_is_never_pushed_aside(node: Node) -> None:
    node.answers = STRANGER
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(2.9)
    assert node.told() == ["probe"]
    await asyncio.sleep(0.3)
    assert node.told() == ["probe", "unplumb 192.0.2.41", "FAILED in use by 02"]
    assert STRANGER in node.actuator.problems()[VIP]
    await asyncio.sleep(30 + 60)
    assert node.told() == ["probe"], "still there"
    node.answers = None
    await asyncio.sleep(120)
    assert node.told() == ["probe", "CLEARED"]


async def test_a_member_that_left_with_the_address_is_named(node: Node) -> None:
    node.answers = MEMBER
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(1.0)
    assert node.actuator.problems() == {VIP: f"contested: n3 ({MEMBER}) still answers for it"}
    await asyncio.sleep(2.5)
    assert "that node left without giving it up" in node.actuator.problems()[VIP]
    assert f"n3 ({MEMBER})" in node.actuator.problems()[VIP]


async def test_another_member_that_serves_it_meanwhile_is_no_stranger(node: Node) -> None:
    node.answers = STRANGER
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(4)
    node.told()
    node.answers = MEMBER
    await asyncio.sleep(31)
    assert node.told() == ["probe", "CLEARED"]


async def test_the_ticket_is_asked_for_immediately_before_the_kernel(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.02)
    node.granted = False
    await asyncio.sleep(0.2)
    assert node.told() == ["probe", "listen 25", "unplumb 192.0.2.41"], "listeners go again; nothing was plumbed"
    node.granted = True
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.2)
    assert node.told() == ["probe", *UP]


async def test_an_unplumb_ends_a_plumb_that_is_under_way(node: Node) -> None:
    node.answers = MEMBER
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(0.5)
    node.told()
    node.actuator.perform(Unplumb(VIP, 5.0))
    await asyncio.sleep(0.1)
    assert node.told() == ["unplumb 192.0.2.41", "UNPLUMBED"]
    await asyncio.sleep(10)
    assert node.told() == []


@pytest.mark.parametrize("milliseconds", range(0, 50, 1))
async def test_whatever_it_interrupts_an_unplumb_leaves_nothing_and_is_answered_once(
    node: Node, milliseconds: int
) -> None:
    node.actuator.perform(Plumb(VIP, planned=False))
    await asyncio.sleep(milliseconds / 1000)
    node.actuator.perform(Unplumb(VIP, 0.0))
    await asyncio.sleep(1)
    log = node.told()
    assert log.count("UNPLUMBED") == 1
    assert "unplumb 192.0.2.41" in log[-3:]
    assert log[-1] == "UNPLUMBED"
    assert node.actuator.state(VIP) is State.IDLE
    assert "plumb eth0 192.0.2.41/32" not in log[log.index("unplumb 192.0.2.41") :]


async def test_an_unplumb_of_what_was_never_here_is_answered(node: Node) -> None:
    node.actuator.perform(Unplumb(VIP, 5.0))
    await asyncio.sleep(0.1)
    assert node.told() == ["unplumb 192.0.2.41", "UNPLUMBED"]


async def test_a_plumb_during_a_release_waits_for_it(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()
    node.release_takes_s = 1.0
    node.actuator.perform(Unplumb(VIP, 5.0))
    await asyncio.sleep(0.5)
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(1)
    assert node.told() == ["leave 5", "stop 5", "stopped", "unplumb 192.0.2.41", "UNPLUMBED", *UP]


async def test_a_plumb_of_what_is_served_is_answered_again(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()
    node.actuator.perform(Plumb(VIP, planned=False))
    assert node.told() == ["PLUMBED"]


@pytest.mark.parametrize("step", ["listen", "plumb", "announce"])
async def test_a_step_that_fails_is_undone_told_and_tried_again_ever_more_rarely(node: Node, step: str) -> None:
    node.refuses[step] = errno.EADDRINUSE
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    log = node.told()
    assert log[-2] == "unplumb 192.0.2.41"
    assert log[-1].startswith(f"FAILED {step}")
    await asyncio.sleep(30)
    assert node.told() == ["CLEARED"]
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(59)
    assert "CLEARED" not in node.told()
    await asyncio.sleep(2)
    assert node.told() == ["CLEARED"]


async def test_a_delete_that_the_kernel_refuses_is_repeated_before_it_is_told(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()
    node.refuses["unplumb"] = errno.EPERM
    node.actuator.perform(Unplumb(VIP, 0.0))
    await asyncio.sleep(1.2)
    assert set(node.told()) == {"unplumb 192.0.2.41"}
    node.refuses.clear()
    await asyncio.sleep(0.6)
    assert node.told()[-1] == "UNPLUMBED"


async def test_flush_hurries_a_graceful_release(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()
    node.release_takes_s = 4.0
    node.actuator.perform(Unplumb(VIP, 5.0))
    await asyncio.sleep(1)
    await asyncio.wait_for(node.actuator.flush(), 0.1)
    assert node.told() == ["leave 5", "stop 5", "unplumb 192.0.2.41", "stop 0", "UNPLUMBED"]


async def test_an_order_from_before_an_isolation_ends_without_an_answer(node: Node) -> None:
    node.refuses["plumb"] = errno.ESTALE
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(1)
    assert node.told() == ["listen 25", "plumb eth0 192.0.2.41/32", "announce", "unplumb 192.0.2.41"]


async def test_an_address_without_topology_fails_with_a_reason(node: Node) -> None:
    node.actuator.set_plans({})
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    assert node.told() == ["unplumb 192.0.2.41", "FAILED no Topology entry of this node covers it"]


async def test_a_new_generation_moves_the_address_or_its_ports(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()
    node.actuator.set_plans({VIP: VipPlan("eth0", 32, ((587, 100),))})
    await asyncio.sleep(0.1)
    assert node.told() == ["close 25", "listen 587", "serve [587]"]
    node.actuator.set_plans({VIP: VipPlan("eth1", 32, ((587, 100),))})
    await asyncio.sleep(0.1)
    assert node.told() == [
        "unplumb 192.0.2.41", "stop 0", "listen 587", "plumb eth1 192.0.2.41/32", "announce", "serve [587]", "PLUMBED",
    ]  # fmt: skip


async def test_a_conflict_is_answered_by_announcing_again(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()
    node.actuator.on_event(SupervisorEvent("conflict", "eth0", VIP, STRANGER))
    await asyncio.sleep(0.1)
    node.actuator.perform(Announce((VIP,)))
    await asyncio.sleep(0.1)
    assert node.told() == ["announce", "announce"]
    node.actuator.perform(Announce((VIP,), is_known=True))
    assert node.told() == ["announce 192.0.2.41 again"]


async def test_a_conflict_is_answered_although_a_gather_ended_the_ticket(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.granted = False
    node.told()
    node.actuator.on_event(SupervisorEvent("conflict", "eth0", VIP, STRANGER))
    await asyncio.sleep(0.1)
    assert node.told() == ["announce"]


async def test_an_address_that_cannot_be_put_back_is_given_up(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(0.1)
    node.told()
    node.actuator.on_event(SupervisorEvent("vanished", "eth0", VIP, detail="No such device"))
    await asyncio.sleep(0.1)
    assert node.told()[-1].startswith("FAILED somebody removed it")


async def test_what_is_held_is_compared_with_the_kernel_every_interval(node: Node) -> None:
    node.refuses["look"] = 0  # the supervisor is gone: the next look may find another one
    checking = asyncio.create_task(node.actuator.keep_checking())
    await asyncio.sleep(29.9)
    assert node.told() == []
    await asyncio.sleep(60.0)
    assert node.told() == ["look", "look"]
    node.actuator.configure(5.0, None)
    await asyncio.sleep(35.5)
    assert node.told() == ["look"] * 8
    checking.cancel()


async def test_what_happens_to_addresses_is_counted(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(1)
    for kind in ("restored", "conflict", "conflict"):
        node.actuator.on_event(SupervisorEvent(kind, "eth0", VIP, mac=STRANGER))
    node.actuator.perform(Unplumb(VIP, 0.0))
    await asyncio.sleep(1)
    node.refuses["plumb"] = errno.ENODEV
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(1)
    node.actuator.perform(Unplumb(VIP, 0.0))  # nothing was there
    await asyncio.sleep(1)
    assert node.actuator.counts == {"plumbed": 1, "restored": 1, "conflict": 2, "released": 1, "failed": 1}


async def test_a_stranger_that_claims_what_is_served_is_named_for_a_while(node: Node) -> None:
    node.actuator.perform(Plumb(VIP, planned=True))
    await asyncio.sleep(1)
    node.actuator.on_event(SupervisorEvent("conflict", "eth0", VIP, mac=MEMBER))  # a merge: one of us lets go
    assert node.actuator.problems() == {}
    node.actuator.on_event(SupervisorEvent("conflict", "eth0", VIP, mac=STRANGER))
    told = {VIP: f"claimed by {STRANGER} too: that host is no member of this cluster; find and stop it"}
    await asyncio.sleep(CLAIMED_S - 0.1)
    assert node.actuator.problems() == told
    await asyncio.sleep(0.2)
    assert node.actuator.problems() == {}
    node.actuator.on_event(SupervisorEvent("conflict", "eth0", VIP, mac=STRANGER))
    node.actuator.perform(Unplumb(VIP, 0.0))
    await asyncio.sleep(1)
    assert node.actuator.problems() == {}, "it is not here any more"
