"""One suite for all engines: the network in memory, the embedded hub, and real Corosync in network namespaces."""

import statistics
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from momentum_node.bus.contract import Lost, Member
from momentum_node.bus.sendqueue import MAX_MESSAGES
from momentum_node.errors import BusError
from tests.support.busstage import BYSTANDER, CorosyncStage, EmbeddedStage, MemoryStage, Party, Stage
from tests.support.corosync import Ring, corosync_ring

NODES = {1: "n1", 2: "n2", BYSTANDER: "n3"}


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ring]:
    """Real Corosync, profile Fast."""
    with corosync_ring(tmp_path_factory.mktemp("ring"), NODES) as ring:
        yield ring


def stage_on(ring: Ring) -> CorosyncStage:
    return CorosyncStage(ring.daemons, {number: host.namespace for number, host in ring.hosts.items()})


@pytest.fixture(params=["memory", "embedded", pytest.param("corosync", marks=pytest.mark.netns)])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """Each engine in turn, with nodes 1, 2 and the bystander."""
    made: Stage
    if request.param == "memory":
        made = MemoryStage(seed=1)
    elif request.param == "embedded":
        made = EmbeddedStage(tmp_path)
        await made.prepare()
    else:
        made = stage_on(request.getfixturevalue("ring"))
    yield made
    await made.close()


@pytest.fixture
def group(request: pytest.FixtureRequest) -> str:
    """A group of its own for each test."""
    return str(request.node.name)[:100]


async def two(stage: Stage, group: str) -> tuple[Party, Party]:
    """Members on nodes 1 and 2 who see each other and the whole ring."""
    one, other = await stage.enter(1, group), await stage.enter(2, group)

    def are_together() -> bool:
        return all(party.sees(one, other) and party.views[-1].reachable == set(NODES) for party in (one, other))

    await stage.until(are_together)
    return one, other


async def test_who_joins_is_seen_by_all_and_sees_all(stage: Stage, group: str) -> None:
    one = await stage.enter(1, group)
    await stage.until(lambda: one.sees(one))
    assert one.views[0].joined == {one.local}
    other = await stage.enter(2, group)
    await stage.until(lambda: one.sees(one, other) and other.sees(one, other))
    assert one.views[-1].joined == {other.local}
    assert other.views[0].joined == {one.local, other.local}
    assert list(one.views[-1].members) == sorted(one.views[-1].members)


async def test_who_leaves_is_gone_and_its_last_words_are_heard(stage: Stage, group: str) -> None:
    one, other = await two(stage, group)
    seen = len(one.views)
    await other.send(b"good-bye")
    await other.leave()
    await stage.until(lambda: one.sees(one))
    assert one.messages == [(other.local, b"good-bye")]
    assert (one.views[seen].left, one.views[seen].joined) == (frozenset({other.local}), frozenset())


async def test_who_crashes_is_gone_at_once(stage: Stage, group: str) -> None:
    one, other = await two(stage, group)
    seen = len(one.views)
    await other.crash()
    await stage.until(lambda: one.sees(one))
    assert one.views[seen].left == {other.local}


async def test_a_quick_restart_is_left_and_joined(stage: Stage, group: str) -> None:
    one, other = await two(stage, group)
    seen = len(one.views)
    await other.crash()
    again = await stage.enter(2, group)
    await stage.until(lambda: one.sees(one, again) and again.sees(one, again))
    news = one.views[seen:]
    assert frozenset[Member]().union(*(view.left for view in news)) == {other.local}
    assert frozenset[Member]().union(*(view.joined for view in news)) == {again.local}


async def test_all_deliver_the_same_order_their_own_included(stage: Stage, group: str) -> None:
    one, other = await two(stage, group)
    third = await stage.enter(BYSTANDER, group)
    parties = (one, other, third)
    await stage.until(lambda: all(party.sees(*parties) for party in parties))
    for _ in range(5):
        for party in parties:
            await party.flood(20)
    await stage.until(lambda: all(len(party.messages) == 300 for party in parties))
    assert one.messages == other.messages == third.messages
    for party in parties:  # first in, first out for each sender
        assert [data for sender, data in one.messages if sender == party.local] == [b"%d" % n for n in range(20)] * 5


async def test_large_messages_go_through_and_larger_ones_are_refused(stage: Stage, group: str) -> None:
    one, other = await two(stage, group)
    await one.send(b"x" * 60_000)
    await stage.until(lambda: bool(other.messages))
    assert other.messages == [(one.local, b"x" * 60_000)]
    with pytest.raises(BusError, match="split it"):
        await one.send(b"x" * 60_001)


async def test_a_stuck_engine_fills_the_queue_and_nothing_is_lost(stage: Stage, group: str) -> None:
    one, _ = await two(stage, group)
    await stage.freeze()
    with pytest.raises(BusError, match="try again later"):
        await one.flood(MAX_MESSAGES + 1)
    await stage.thaw()
    await stage.until(lambda: len(one.messages) == MAX_MESSAGES)
    assert [data for _, data in one.messages] == [b"%d" % n for n in range(MAX_MESSAGES)]


async def test_what_is_sent_while_the_ring_forms_is_delivered_afterwards(stage: Stage, group: str) -> None:
    one, other = await two(stage, group)
    await stage.lose_bystander()
    await one.flood(200)
    await other.flood(200)
    await stage.until(lambda: len(one.messages) == len(other.messages) == 400)
    assert one.messages == other.messages


async def test_a_dead_engine_is_lost_at_once_and_for_good(stage: Stage, group: str) -> None:
    one, _ = await two(stage, group)
    await stage.kill_engine(1)
    await stage.until(lambda: one.is_lost)
    assert isinstance(one.seen[-1][1], Lost)
    with pytest.raises(BusError):
        await one.send(b"into the void")


async def test_a_change_of_the_ring_alone_is_a_view(stage: Stage, group: str) -> None:
    one, other = await two(stage, group)
    await stage.lose_bystander()
    await stage.until(lambda: all(party.views[-1].reachable == {1, 2} for party in (one, other)))
    for party in (one, other):
        assert party.sees(one, other)
        assert (party.views[-1].left, party.views[-1].joined) == (frozenset(), frozenset())


async def test_groups_do_not_hear_each_other(stage: Stage, group: str) -> None:
    one, other = await two(stage, group)
    stranger = await stage.enter(2, f"{group}.s"[-100:])
    await stage.until(lambda: stranger.sees(stranger))
    await stranger.send(b"elsewhere")
    await one.send(b"here")
    await stage.until(lambda: bool(other.messages) and bool(stranger.messages))
    assert (other.messages, stranger.messages) == ([(one.local, b"here")], [(stranger.local, b"elsewhere")])


# -- the embedded engine alone


async def test_members_of_a_dead_hub_find_together_again(tmp_path: Path) -> None:
    stage = EmbeddedStage(tmp_path)
    one = await stage.enter(1, "g")
    await stage.kill_engine(1)
    await stage.until(lambda: one.is_lost)
    again, other = await stage.enter(1, "g"), await stage.enter(2, "g")
    await stage.until(lambda: again.sees(again, other) and other.sees(again, other))
    await stage.close()


async def test_one_process_is_in_an_embedded_group_once(tmp_path: Path) -> None:
    stage = EmbeddedStage(tmp_path)
    party = await stage.start(1)
    await party.connect("g")
    with pytest.raises(BusError, match="already"):
        await party.do("twice", spec=stage.spec(), group="g")
    await stage.close()


# -- Corosync alone


@pytest.fixture
async def rings_stage(ring: Ring) -> AsyncIterator[CorosyncStage]:
    stage = stage_on(ring)
    yield stage
    await stage.close()


@pytest.mark.netns
async def test_one_process_is_in_a_group_once(rings_stage: CorosyncStage, group: str) -> None:
    party = await rings_stage.start(1)
    await party.connect(group)
    with pytest.raises(BusError, match=r"CS_ERR_EXIST.*already"):
        await party.do("twice", spec="cpg:", group=group)


@pytest.mark.netns
async def test_a_corosync_with_another_node_id_is_refused(rings_stage: CorosyncStage, group: str) -> None:
    party = await rings_stage.start(1, bus_node_id=2)
    with pytest.raises(BusError, match="node id 1, the node list says 2"):
        await party.connect(group)


@pytest.mark.netns
async def test_without_corosync_the_error_says_what_to_check(rings_stage: CorosyncStage, group: str) -> None:
    await rings_stage.kill_engine(1)
    party = await rings_stage.start(1)
    with pytest.raises(BusError, match="no Corosync answers here"):
        await party.connect(group)


@pytest.mark.netns
async def test_a_frozen_corosync_does_not_hold_up_the_loop(rings_stage: CorosyncStage, group: str) -> None:
    party = await rings_stage.start(1)
    await rings_stage.freeze()
    started = time.monotonic()
    with pytest.raises(BusError, match="does not answer within 5 s"):
        await party.connect(group)
    assert time.monotonic() - started < 6
    await rings_stage.thaw()
    await party.crash()


@pytest.mark.netns
async def test_a_cut_node_is_missed_by_the_others_and_misses_them(ring: Ring, group: str) -> None:
    stage = stage_on(ring)
    parties = [await stage.enter(number, group) for number in NODES]
    one, _, cut_off = parties
    whole = frozenset(NODES)
    detected = []
    for _ in range(3):
        await stage.until(lambda: all(p.sees(*parties) and p.views[-1].reachable == whole for p in parties), 30)
        before = time.monotonic()
        ring.lab.cut("n3")
        await stage.until(lambda: one.views[-1].reachable == {1, 2} and cut_off.views[-1].reachable == {BYSTANDER})
        detected.append(one.seen[-1][0] - before)
        assert one.views[-1].left == {cut_off.local}
        assert cut_off.views[-1].left == {one.local, parties[1].local}
        ring.lab.heal("n3")
        await stage.until(lambda: one.sees(*parties) and cut_off.sees(*parties))
        assert cut_off.views[-1].joined == {one.local, parties[1].local}
    milliseconds = sorted(round(1000 * seconds) for seconds in detected)
    print(f"profile Fast, link cut: detected after {milliseconds} ms, median {statistics.median(milliseconds)}")
    assert milliseconds[0] < 1000
    await stage.close()
