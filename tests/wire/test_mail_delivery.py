"""The mail role as processes on loopback, with Postfix's client and a real next hop: accepted, kept, delivered."""

import asyncio
import json
import os
import random
import shutil
import signal
import smtplib
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.mailnode import MailNode

pytestmark = pytest.mark.timeout(120)
needs_postfix = pytest.mark.skipif(
    shutil.which("smtp-source") is None, reason="smtp-source (package postfix) is missing"
)


class NextHop:
    """A server that takes mail; `answer` decides for each recipient."""

    def __init__(self) -> None:
        self.content: list[bytes] = []
        self.senders: list[str] = []
        self.answer = "250 ok"
        self.first_answers: list[str] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name and shape
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.first_answers.pop(0) if self.first_answers else self.answer
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.content.append(envelope.content)
        self.senders.append(envelope.mail_from or "")
        return "250 taken"

    def subjects(self) -> Counter[str]:
        """How often each subject arrived."""
        return Counter(str(message_from_bytes(one)["Subject"]) for one in self.content)


@pytest.fixture
async def hop() -> AsyncIterator[tuple[NextHop, str]]:
    handler = NextHop()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="hop.test", enable_SMTPUTF8=True, data_size_limit=1 << 28, loop=loop),
        "127.0.0.1",
        0,
    )
    yield handler, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
async def node(hop: tuple[NextHop, str], tmp_path: Path) -> AsyncIterator[MailNode]:
    made = MailNode(tmp_path, hop[1], more='Retry_Interval = "1"')
    await made.start()
    yield made
    await made.stop()


async def submit(node: MailNode, subject: str, *, sender: str = "a@x.test", body: str = "hello") -> None:
    """One message by Python's own client."""

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", node.port, timeout=30) as client:
            client.sendmail(sender, ["b@y.test"], f"Subject: {subject}\r\nFrom: <{sender}>\r\n\r\n{body}\r\n")

    await asyncio.to_thread(send)


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
    await submit(node, "large", body=body)
    await node.until(lambda: len(hop[0].content) == 1)
    assert hop[0].content[0].endswith(body.encode() + b"\r\n")
    folder = node.spool / "shard-00" / "bodies"
    await node.until(lambda: not list(folder.iterdir()))


async def test_refused_for_now_then_delivered(hop: tuple[NextHop, str], node: MailNode) -> None:
    hop[0].answer = "450 4.2.0 not now"
    await submit(node, "patience")
    await node.until(lambda: '"retries": 1' in listed(node))
    hop[0].answer = "250 ok"
    await node.until(lambda: len(hop[0].content) == 1)
    await node.until(lambda: listed(node) == "")


def listed(node: MailNode) -> str:
    """What `momentum-node spool list` prints."""
    code = (
        "import argparse, sys; from momentum_node import spool_command as c; p = argparse.ArgumentParser();"
        " c.add_arguments(p.add_subparsers()); a = p.parse_args(sys.argv[1:]); sys.exit(a.command(a))"
    )
    command = [sys.executable, "-c", code, "spool", "list", "--format", "json", "--spool", str(node.spool)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def test_what_is_refused_for_good_bounces_and_a_bounce_never_does(
    hop: tuple[NextHop, str], node: MailNode
) -> None:
    hop[0].answer = "550 5.1.1 nobody here"
    await submit(node, "doomed")
    await node.until(
        lambda: [json.loads(line)["sender"] for line in listed(node).splitlines()] in (["a@x.test"], [""], [])
    )
    await node.until(lambda: node.core.report()["failed"] == 2)
    await node.until(lambda: listed(node) == "")
    assert node.core.report()["failed"] == 2  # the message, and its bounce, which has the null sender
    assert hop[0].content == []


async def test_a_bounce_tells_what_happened(hop: tuple[NextHop, str], node: MailNode) -> None:
    hop[0].first_answers = ["550 5.1.1 nobody here"]
    await submit(node, "doomed")
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
        assert '"orphan' not in listed(node)
        assert len(listed(node).splitlines()) == 1
        node.core_returns()
        await node.until(lambda: len(hop[0].content) == 1)
    await node.until(node.core.are_accepting)
    await submit(node, "again")
    await node.until(lambda: len(hop[0].content) == 2)


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
                await submit(node, subject)
            except (OSError, smtplib.SMTPException):
                continue
            acknowledged.add(subject)

    clients = [asyncio.create_task(client(name)) for name in range(6)]
    chance = random.Random(5)  # noqa: S311
    for _ in range(10):
        await asyncio.sleep(0.7 + chance.random() / 2)
        for pid in chance.sample(node.worker_pids(), k=min(1, len(node.worker_pids()))):
            os.kill(pid, signal.SIGKILL)
    is_over = True
    await asyncio.gather(*clients)
    try:
        await node.until(lambda: acknowledged <= set(hop[0].subjects()), limit_s=30)
    finally:
        await node.stop()
    assert len(acknowledged) > 50
    twice = sum(count - 1 for count in hop[0].subjects().values())
    print(f"{len(acknowledged)} acknowledged, {twice} delivered twice")


async def test_a_shard_whose_worker_is_gone_is_adopted(hop: tuple[NextHop, str], tmp_path: Path) -> None:
    hop[0].answer = "450 4.2.0 not now"
    before = MailNode(tmp_path, hop[1], workers=2, more='Retry_Interval = "1"')
    await before.start()
    for number in range(20):
        await submit(before, str(number))
    await before.stop()
    assert len(list((tmp_path / "spool").glob("shard-*"))) == 2

    hop[0].answer = "250 ok"
    after = MailNode(tmp_path, hop[1], workers=1, more='Retry_Interval = "1"')
    await after.start()
    await after.until(lambda: len(hop[0].content) == 20)
    await after.stop()


async def test_a_duravip_binding_delivers_only_while_the_address_is_here(
    hop: tuple[NextHop, str], tmp_path: Path
) -> None:
    """Mail accepted on an address leaves from it, and waits while it is elsewhere."""
    more = 'Binding "moving" { Bind_Address = "127.0.0.9" Enable_Duravip = true }'
    node = MailNode(tmp_path, hop[1], more=more, address="127.0.0.9")
    await node.start()
    await submit_to(node, "127.0.0.9", "first")
    assert json.loads(listed(node).splitlines()[0])["binding"] == "moving"
    await asyncio.sleep(0.7)
    assert hop[0].content == []
    await node.core.start(node.local, [])
    await node.until(lambda: len(hop[0].content) == 1)

    began = asyncio.get_running_loop().time()
    await node.core.stop(node.local, 5.0)
    assert asyncio.get_running_loop().time() - began < 2
    await node.stop()


async def submit_to(node: MailNode, address: str, subject: str) -> None:
    def send() -> None:
        with smtplib.SMTP(address, node.port, timeout=30) as client:
            client.sendmail("a@x.test", ["b@y.test"], f"Subject: {subject}\r\n\r\nhi\r\n")

    await asyncio.to_thread(send)
