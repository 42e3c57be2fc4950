"""Mail goes where its address goes: real workers, real TLS between nodes, spools on the disk."""

import asyncio
import os
import smtplib
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from tests.support.mailnode import MailNode
from tests.support.movingnodes import ADDRESS, Nodes, moving_nodes
from tests.support.nexthop import NextHop, next_hop
from tests.support.ownnetwork import in_own_network

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a network namespace"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

LIMIT_S = 120.0  # of one step, on a busy machine


def bring(node: MailNode, subjects: list[str], body: str = "hello") -> None:
    """Hand messages to a node in one session."""
    with smtplib.SMTP(str(node.local), node.port, timeout=30) as client:
        for subject in subjects:
            client.sendmail("a@moving.test", ["b@y.test"], f"Subject: {subject}\r\n\r\n{body}\r\n")


@asynccontextmanager
async def stage(
    count: int = 2, workers: Sequence[int] = (1, 1, 1), cluster: str = ""
) -> AsyncIterator[tuple[NextHop, Nodes]]:
    """A next hop, and nodes that reach it."""
    with tempfile.TemporaryDirectory() as folder:
        async with next_hop() as (hop, gateway), moving_nodes(Path(folder), gateway, count, workers, cluster) as nodes:
            yield hop, nodes


def waiting(node: MailNode) -> int:
    return len(node.listed().splitlines())


def has_some(node: MailNode) -> bool:
    return bool(node.core.figures()["arrived"] or node.core.report()["queued"])


async def hop_has(hop: NextHop, messages: int, limit_s: float = LIMIT_S) -> None:
    async with asyncio.timeout(limit_s):
        while len(hop.content) < messages:
            await asyncio.sleep(0.02)


def arrived_once(hop: NextHop, subjects: list[str]) -> None:
    assert sorted(hop.subjects().elements()) == sorted(subjects)
    assert set(hop.peers) == {str(ADDRESS)}


async def ten_thousand_messages_follow_their_address() -> None:
    async with stage(workers=(2, 2)) as (hop, nodes):
        first, second = nodes.nodes
        subjects = [[f"message {client} {number}" for number in range(500)] for client in range(20)]
        await asyncio.gather(*(asyncio.to_thread(bring, first, some) for some in subjects))
        await nodes.give(second)
        await hop_has(hop, 10_000, 300.0)
        await first.until(lambda: waiting(first) == 0, LIMIT_S)
        await second.until(lambda: waiting(second) == 0, LIMIT_S)
        arrived_once(hop, [subject for some in subjects for subject in some])


async def queued_mail_follows_its_address() -> None:
    subjects = [f"message {number}" for number in range(200)]
    async with stage(workers=(2, 1)) as (hop, nodes):  # both of the giver's workers have some, and the taker has one
        first, second = nodes.nodes
        bring(first, subjects[:100])
        bring(first, subjects[100:])
        bring(first, ["a large one"], body=("x" * 70 + "\r\n") * 5000)
        await nodes.give(second)
        await hop_has(hop, 201)
        await first.until(lambda: waiting(first) == 0, LIMIT_S)
        await second.until(lambda: waiting(second) == 0, LIMIT_S)
        arrived_once(hop, [*subjects, "a large one"])
        assert max(map(len, hop.content)) > 300_000
        await second.until(lambda: second.core.report()["delivered"] == 201, LIMIT_S)
        await first.until(lambda: first.core.figures()["moved"] == 201, LIMIT_S)


async def mail_brought_to_the_wrong_node_moves_slowly() -> None:
    subjects = [f"message {number}" for number in range(30)]
    async with stage(cluster="Mmove_Throttle_Messages = 10") as (hop, nodes):
        first, second = nodes.nodes
        await nodes.give(second)
        began = monotonic()
        bring(first, subjects)
        await hop_has(hop, 30)
        assert monotonic() - began > 1.5  # ten at once, twenty more in two seconds
        arrived_once(hop, subjects)


async def mail_waits_for_a_node_that_cannot_be_reached_and_comes_home() -> None:
    async with stage() as (hop, nodes):
        first, second = nodes.nodes
        await nodes.unserve(second)
        bring(first, ["one", "two"])
        await nodes.give(second)
        await first.until(lambda: first.core.report()["queued"] == 2, LIMIT_S)
        assert waiting(first) == 2
        assert hop.content == []

        await nodes.give(first)
        await hop_has(hop, 2)
        arrived_once(hop, ["one", "two"])
        assert waiting(second) == 0


async def mail_for_a_node_that_is_never_reached_comes_back_at_its_end() -> None:
    """The bounce does not wait for the address that the message waited for."""
    async with stage() as (hop, nodes):
        first, second = nodes.nodes
        await nodes.unserve(second)
        await nodes.give(second)
        bring(first, ["in vain"])
        await first.until(lambda: first.core.report()["queued"] == 1, LIMIT_S)
        first.replace((first.folder / "ecelerity.conf").read_text() + "\nMessage_Expiration = 1\n")
        first.core.reload("2")
        await hop_has(hop, 1)
        assert hop.recipients == [["a@moving.test"]]
        assert b"[internal] exceeded max time without delivery" in hop.content[0]
        assert b"Subject: in vain" in hop.content[0]
        await first.until(lambda: waiting(first) == 0, LIMIT_S)


async def a_stopping_node_lets_its_mail_go() -> None:
    subjects = [f"message {number}" for number in range(50)]
    async with stage() as (hop, nodes):
        first, second = nodes.nodes
        bring(first, subjects)
        await nodes.give(second)
        assert await first.core.moved_all(LIMIT_S) == 0
        assert waiting(first) == 0
        await hop_has(hop, 50)
        arrived_once(hop, subjects)


async def killed_between_steps(rounds: int = 4) -> None:
    """A → B → A → B, and each time a node is killed while mail moves."""
    subjects = [f"message {number}" for number in range(300)]
    async with stage() as (hop, nodes):
        first, second = nodes.nodes
        bring(first, subjects)
        giver, taker = first, second
        for round_ in range(rounds):
            await nodes.give(taker, is_served=False)
            await taker.until(partial(has_some, taker), LIMIT_S)
            victim = (giver, taker)[round_ % 2]
            await nodes.kill(victim)
            await nodes.start(victim)
            giver, taker = taker, giver
        await nodes.give(second)
        await hop_has(hop, 300)
        await first.until(lambda: waiting(first) == 0, LIMIT_S)
        await second.until(lambda: waiting(second) == 0, LIMIT_S)
        arrived_once(hop, subjects)


STORIES = [
    queued_mail_follows_its_address,
    mail_brought_to_the_wrong_node_moves_slowly,
    mail_waits_for_a_node_that_cannot_be_reached_and_comes_home,
    mail_for_a_node_that_is_never_reached_comes_back_at_its_end,
    a_stopping_node_lets_its_mail_go,
    killed_between_steps,
]


LONG_STORIES = [ten_thousand_messages_follow_their_address, partial(killed_between_steps, 20)]


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("story", LONG_STORIES, ids=["ten thousand", "killed twenty times"])
def test_mail_moves_for_long(story: Callable[[], Coroutine[object, object, None]]) -> None:
    in_own_network(story)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_mail_moves(story: Callable[[], Coroutine[object, object, None]]) -> None:
    in_own_network(story)
