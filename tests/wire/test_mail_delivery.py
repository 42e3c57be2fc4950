"""The mail role as processes on loopback, with Postfix's client and a real next hop: accepted, kept, delivered."""

import asyncio
import os
import random
import shutil
import signal
import smtplib
import subprocess
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode
from tests.support.nexthop import NextHop, next_hop

pytestmark = pytest.mark.timeout(120)
needs_postfix = pytest.mark.skipif(
    shutil.which("smtp-source") is None, reason="smtp-source (package postfix) is missing"
)


@pytest.fixture
async def hop() -> AsyncIterator[tuple[NextHop, str]]:
    async with next_hop() as started:
        yield started


@pytest.fixture
async def node(hop: tuple[NextHop, str], tmp_path: Path) -> AsyncIterator[MailNode]:
    made = MailNode(tmp_path, hop[1], more='Retry_Interval = "1"')
    await made.start()
    yield made
    await made.stop()


async def source(node: MailNode, *arguments: str) -> int:
    """Postfix's load generator."""
    command = ["smtp-source", *arguments, "-f", "a@x.test", "-t", "b@y.test", f"127.0.0.1:{node.port}"]
    return (await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True)).returncode


@needs_postfix
async def test_postfix_hands_over_and_the_next_hop_gets_all(hop: tuple[NextHop, str], node: MailNode) -> None:
    assert await source(node, "-s", "10", "-m", "300", "-l", "2048") == 0
    await node.until(lambda: len(hop[0].content) >= 300)
    assert len(hop[0].content) == 300
    assert b"(momentum-cluster " in hop[0].content[0]
    await node.until(lambda: node.core.report()["queued"] == 0)


async def test_a_large_message_takes_the_way_through_a_file(hop: tuple[NextHop, str], node: MailNode) -> None:
    body = "\r\n".join(f".{number:070d}" for number in range(60_000))
    await node.submit("large", body=body)
    await node.until(lambda: len(hop[0].content) == 1)
    assert hop[0].content[0].endswith(body.encode() + b"\r\n")
    folder = node.spool / "shard-00" / "bodies"
    await node.until(lambda: not list(folder.iterdir()))


async def test_refused_for_now_then_delivered(hop: tuple[NextHop, str], node: MailNode) -> None:
    hop[0].answer = "450 4.2.0 not now"
    await node.submit("patience")
    await node.until(lambda: '"retries": 1' in node.listed())
    hop[0].answer = "250 ok"
    await node.until(lambda: len(hop[0].content) == 1)
    await node.until(lambda: node.listed() == "")


async def test_what_is_refused_for_good_bounces_and_a_bounce_never_does(
    hop: tuple[NextHop, str], node: MailNode
) -> None:
    hop[0].answer = "550 5.1.1 nobody here"
    await node.submit("doomed")
    await node.until(lambda: node.core.report()["failed"] == 2)
    await node.until(lambda: node.listed() == "")
    assert node.core.report()["failed"] == 2  # the message, and its bounce, which has the null sender
    assert hop[0].content == []


async def test_a_bounce_tells_what_happened(hop: tuple[NextHop, str], node: MailNode) -> None:
    hop[0].first_answers = ["550 5.1.1 nobody here"]
    await node.submit("doomed")
    await node.until(lambda: len(hop[0].content) == 1)
    bounce = message_from_bytes(hop[0].content[0])
    assert hop[0].senders == ["<>"]
    assert bounce.get_content_type() == "multipart/report"
    whole = hop[0].content[0].decode()
    assert "550 5.1.1 nobody here" in whole
    assert "Final-Recipient: rfc822; b@y.test\r\nAction: failed\r\nStatus: 5.1.1\r\n" in whole
    assert [part.get_content_type() for part in bounce.walk()][-1] == "text/rfc822-headers"
    assert "Subject: doomed" in whole


async def test_mail_waits_for_the_core_and_sessions_do_not(hop: tuple[NextHop, str], node: MailNode) -> None:
    """The core dies: a session in progress goes on; with the core back, everything is as before."""
    with smtplib.SMTP("127.0.0.1", node.port, timeout=30) as client:
        client.ehlo()
        node.core_dies()
        await asyncio.to_thread(client.sendmail, "a@x.test", ["b@y.test"], "Subject: orphan\r\n\r\nhi\r\n")
        assert '"orphan' not in node.listed()
        assert len(node.listed().splitlines()) == 1
        node.core_returns()
        await node.until(lambda: len(hop[0].content) == 1)
    await node.until(node.core.are_accepting)
    await node.submit("again")
    await node.until(lambda: len(hop[0].content) == 2)


async def test_at_the_end_of_a_pod_workers_go_on_until_the_core_has_handed_over(
    hop: tuple[NextHop, str], node: MailNode
) -> None:
    """All containers get their SIGTERM at once; addresses that are still here need somebody who accepts."""
    assert node.manager is not None
    node.manager.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.5)
    assert node.core.are_accepting()
    await node.submit("late")
    node.core_dies()
    assert await asyncio.to_thread(node.manager.wait, 10) == 0
    assert len(node.listed().splitlines()) + len(hop[0].content) == 1


async def test_nothing_acknowledged_is_lost_when_workers_are_killed(hop: tuple[NextHop, str], tmp_path: Path) -> None:
    """kill -9 under load, again and again; every subject that got its 250 arrives."""
    node = MailNode(tmp_path, hop[1], workers=2, more='Retry_Interval = "1"')
    await node.start()
    acknowledged: set[str] = set()
    is_over = False

    async def client(name: int) -> None:
        number = 0
        while not is_over:
            number += 1
            subject = f"{name}-{number}"
            try:
                await node.submit(subject)
            except (OSError, smtplib.SMTPException):
                continue
            acknowledged.add(subject)

    clients = [asyncio.create_task(client(name)) for name in range(6)]
    chance = random.Random(5)  # noqa: S311
    for _ in range(10):
        await asyncio.sleep(0.7 + chance.random() / 2)
        for pid in chance.sample(node.worker_pids(), k=min(1, len(node.worker_pids()))):
            os.kill(pid, signal.SIGKILL)
    try:
        await node.until(lambda: len(acknowledged) > 50, limit_s=30)
        is_over = True
        await asyncio.gather(*clients)
        await node.until(lambda: acknowledged <= set(hop[0].subjects()), limit_s=30)
    finally:
        is_over = True
        await node.stop()
    twice = sum(count - 1 for count in hop[0].subjects().values())
    print(f"{len(acknowledged)} acknowledged, {twice} delivered twice")


async def test_a_shard_whose_worker_is_gone_is_adopted(hop: tuple[NextHop, str], tmp_path: Path) -> None:
    hop[0].answer = "450 4.2.0 not now"
    before = MailNode(tmp_path, hop[1], workers=2, more='Retry_Interval = "1"')
    await before.start()
    for number in range(20):
        await before.submit(str(number))
    await before.stop()
    assert len(list((tmp_path / "spool").glob("shard-*"))) == 2

    hop[0].answer = "250 ok"
    after = MailNode(tmp_path, hop[1], workers=1, more='Retry_Interval = "1"')
    await after.start()
    await after.until(lambda: len(hop[0].content) == 20)
    await after.stop()
