"""The test network keeps the promises of the contract, whatever happens to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from momentum_node.bus.contract import BusEvent, BusFull, Delivered, Lost, Member, ViewChanged
from momentum_node.bus.sendqueue import MAX_MESSAGES
from momentum_node.errors import BusError
from tests.support.network import Endpoint, Network

GROUP = "g"


@dataclass
class Process:
    """An endpoint that writes down what it sees, with the ring it saw it in."""

    endpoint: Endpoint
    seen: list[tuple[int, BusEvent]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)

    def on_event(self, event: BusEvent) -> None:
        self.seen.append((self.endpoint.ring_serial, event))

    def send(self, data: bytes) -> None:
        self.endpoint.send(data)
        self.sent.append(data)

    @property
    def views(self) -> list[ViewChanged]:
        return [event for _, event in self.seen if isinstance(event, ViewChanged)]

    @property
    def messages(self) -> list[bytes]:
        return [event.data for _, event in self.seen if isinstance(event, Delivered)]

    def rings(self) -> list[int]:
        return list(dict.fromkeys(serial for serial, _ in self.seen))

    def messages_in(self, ring: int) -> list[bytes]:
        return [event.data for serial, event in self.seen if serial == ring and isinstance(event, Delivered)]


def start(network: Network, node_id: int, pid: int = 1) -> Process:
    process = Process(network.attach(node_id, pid))
    process.endpoint.connect(GROUP, process.on_event)
    return process


def members(*node_ids: int) -> tuple[Member, ...]:
    return tuple(Member(node_id, 1) for node_id in node_ids)


def test_a_node_that_starts_is_alone_first_and_then_merges() -> None:
    network = Network(1, nodes=(1, 2))
    one = start(network, 1)
    network.settle()
    three = start(network, 3)
    network.settle()
    assert [view.members for view in three.views] == [members(3), members(1, 3)]
    assert three.views[0].reachable == {3}
    assert one.views[-1].joined == {Member(3, 1)}
    assert one.views[-1].reachable == {1, 2, 3}


def test_each_side_of_a_partition_sees_the_other_leave_after_the_detection_time() -> None:
    network = Network(2, nodes=(1, 2, 3))
    one, _two, three = (start(network, n) for n in (1, 2, 3))
    network.settle()
    cut_at = network.now
    network.partition([{1}, {2, 3}])
    network.run_until(cut_at + 0.6)
    assert one.views[-1].members == members(1, 2, 3)
    network.settle()
    assert (one.views[-1].members, one.views[-1].reachable) == (members(1), frozenset({1}))
    assert (three.views[-1].members, three.views[-1].left) == (members(2, 3), frozenset({Member(1, 1)}))
    network.merge()
    network.settle()
    assert one.views[-1].joined == set(members(2, 3))
    assert three.views[-1].members == members(1, 2, 3)


def test_what_waits_while_a_ring_forms_is_delivered_in_the_new_view() -> None:
    network = Network(3, nodes=(1, 2))
    one, _two = start(network, 1), start(network, 2)
    network.settle()
    network.partition([{1}, {2}])
    one.send(b"meant for both")
    network.settle()
    assert [type(event) for _, event in one.seen[-2:]] == [ViewChanged, Delivered]
    assert one.views[-1].members == members(1)


def test_a_crashed_process_is_seen_at_once_and_its_restart_is_left_and_joined() -> None:
    network = Network(4, nodes=(1, 2))
    one, two = start(network, 1), start(network, 2)
    network.settle()
    network.crash(two.endpoint.local)
    start(network, 2)
    network.run_until(network.now + 0.02)
    assert [(set(v.left), set(v.joined)) for v in one.views[-2:]] == [({Member(2, 1)}, set()), (set(), {Member(2, 1)})]


def test_a_restart_within_the_detection_time_is_left_and_joined_of_one_view() -> None:
    network = Network(5, nodes=(1, 2, 3))
    one, _ = start(network, 1), start(network, 2)
    network.settle()
    network.crash_node(2)
    again = start(network, 2)
    network.settle()
    assert one.views[-1].left == one.views[-1].joined == {Member(2, 1)}
    assert again.views[-1].members == members(1, 2)


def test_a_killed_engine_is_lost_at_once() -> None:
    network = Network(6, nodes=(1, 2))
    one = start(network, 1)
    network.settle()
    network.kill_engine(1)
    network.step()
    assert one.seen[-1][1] == Lost("the engine died")
    with pytest.raises(BusError):
        one.send(b"")


def test_a_change_of_the_ring_alone_is_a_view() -> None:
    network = Network(7, nodes=(1, 2, 3))
    one = start(network, 1)
    network.settle()
    network.crash_node(3)
    network.settle()
    assert one.views[-1] == ViewChanged(members(1), frozenset(), frozenset(), frozenset({1, 2}))


def test_the_queue_of_a_stuck_ring_is_bounded() -> None:
    network = Network(8, nodes=(1, 2))
    one = start(network, 1)
    network.settle()
    network.crash_node(2)
    for _ in range(MAX_MESSAGES):
        one.send(b"x")
    with pytest.raises(BusFull):
        one.send(b"x")
    network.settle()
    assert len(one.messages) == MAX_MESSAGES


def test_the_same_seed_gives_the_same_run() -> None:
    assert _story(11) == _story(11)
    assert _story(11) != _story(12)


def _story(seed: int) -> list[tuple[float, BusEvent]]:
    network = Network(seed, nodes=(1, 2, 3))
    log: list[tuple[float, BusEvent]] = []
    for node_id in (1, 2, 3):
        endpoint = network.attach(node_id, 1)
        endpoint.connect(GROUP, lambda event: log.append((network.now, event)))
        endpoint.send(b"hello")
    network.partition([{1, 3}])
    network.settle()
    return log


# -- whatever happens: Hypothesis chooses the faults, the network's seed the delays


class Chaos:
    """Processes on up to five nodes, and everything that can happen to them."""

    def __init__(self, seed: int, node_count: int) -> None:
        self.network = Network(seed, nodes=range(1, node_count + 1))
        self.all: list[Process] = []
        self.serial = 0
        for node_id in range(1, node_count + 1):
            self.start(node_id)

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.all if process.endpoint.is_up]

    def start(self, node_id: int) -> None:
        """Start the process of a node that has none (or only a dead one): the same pid again."""
        if all(process.endpoint.local.node_id != node_id for process in self.alive):
            self.all.append(start(self.network, node_id))

    def send(self, which: int) -> None:
        for process in self.alive[which % 5 : which % 5 + 1]:
            for _ in range(3):
                self.serial += 1
                process.send(b"%d" % self.serial)

    def crash(self, which: int) -> None:
        for process in self.alive[which % 5 : which % 5 + 1]:
            self.network.crash(process.endpoint.local)

    def leave(self, which: int) -> None:
        for process in self.alive[which % 5 : which % 5 + 1]:
            process.endpoint.leave()

    def stall(self, which: int) -> None:
        for process in self.alive[which % 5 : which % 5 + 1]:
            self.network.stall(process.endpoint.local, 0.4)

    def kill_engine(self, which: int) -> None:
        for process in self.alive[which % 5 : which % 5 + 1]:
            self.network.kill_engine(process.endpoint.local.node_id)

    def split(self, which: int) -> None:
        self.network.partition([{node for node in range(1, 6) if which >> node & 1}])

    def merge(self, _: int) -> None:
        self.network.merge()

    def short(self, which: int) -> None:
        self.network.run_until(self.network.now + which / 20_000)

    def long(self, which: int) -> None:
        self.network.run_until(self.network.now + which / 100)


ACTIONS: Sequence[Callable[[Chaos, int], None]] = (
    Chaos.send, Chaos.send, Chaos.send, Chaos.crash, Chaos.leave, Chaos.stall, Chaos.kill_engine, Chaos.split,
    Chaos.merge, Chaos.short, Chaos.short, Chaos.long, lambda chaos, which: chaos.start(which % 5 + 1),
)  # fmt: skip

STORIES = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 99)), max_size=40)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), node_count=st.integers(1, 5), story=STORIES)
def test_order_and_virtual_synchrony_hold(
    seed: int, node_count: int, story: list[tuple[Callable[[Chaos, int], None], int]]
) -> None:
    chaos = Chaos(seed, node_count)
    for action, which in story:
        action(chaos, which)
    chaos.network.merge()
    chaos.network.settle()

    for process in chaos.all:
        views_follow_from_each_other(process)
    for process in chaos.alive:
        assert [data for data in process.messages if data in set(process.sent)] == process.sent  # self-delivery, FIFO
        assert process.views[-1].members == tuple(sorted(p.endpoint.local for p in chaos.alive))
    for one in chaos.all:
        for other in chaos.all:
            order_is_agreed(one, other)
            those_who_go_together_saw_the_same(one, other)


def views_follow_from_each_other(process: Process) -> None:
    """Members = members before, less those who left, and those who joined; only members speak; nobody twice."""
    current: frozenset[Member] = frozenset()
    for _, event in process.seen:
        if isinstance(event, ViewChanged):
            assert event.left <= current
            assert frozenset(event.members) == current - event.left | event.joined
            assert {member.node_id for member in event.members} <= event.reachable
            current = frozenset(event.members)
        elif isinstance(event, Delivered):
            assert event.sender in current
    assert len(set(process.messages)) == len(process.messages)


def order_is_agreed(one: Process, other: Process) -> None:
    common = set(one.messages) & set(other.messages)
    assert [m for m in one.messages if m in common] == [m for m in other.messages if m in common]


def those_who_go_together_saw_the_same(one: Process, other: Process) -> None:
    """From ring to ring: the later one to join the group saw the end of what the other saw."""
    for ring, following in zip(one.rings(), one.rings()[1:], strict=False):
        if (ring, following) in zip(other.rings(), other.rings()[1:], strict=False):
            shorter, longer = sorted((one.messages_in(ring), other.messages_in(ring)), key=len)
            assert longer[len(longer) - len(shorter) :] == shorter
