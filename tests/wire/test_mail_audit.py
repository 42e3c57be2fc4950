"""`inbound_audit` over real sessions and several workers: every connection, reception and rejection counts once."""

import asyncio
import json
import os
import signal
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from momentum_node.audit.windows import Counts
from momentum_node.inbound_audit_command import run_show_ip
from momentum_node.limits import questions
from momentum_node.limits.questions import SOCKET, Questions
from tests.support.mailnode import MailNode
from tests.support.nexthop import next_hop
from tests.support.talk import Talk

pytestmark = pytest.mark.timeout(120)

DAY = 'inbound_audit { Monitors = ( "86400,1" ) }'  # no window passes in a test but at midnight: both are added up
EVERYBODY = "127.0.0.0/8"


@asynccontextmanager
async def running(folder: Path, more: str = DAY, listener: str = "") -> AsyncIterator[MailNode]:
    async with next_hop("127.0.0.5") as (_, gateway):
        node = MailNode(folder, gateway, workers=3, more=more, listener=listener)
        await node.start()
        try:
            yield node
        finally:
            await node.stop()


async def counts(node: MailNode, block: str) -> Counts:
    """Of the two windows of a day together."""
    answer = await node.core.desk.audit.answer(ip_network(block))
    assert answer is not None
    rows = [(one["connections"], one["receptions"], one["rejections"]) for one in answer["windows"]]
    return Counts(*map(sum, zip(*rows, strict=True)))


async def are(node: MailNode, block: str, expected: Counts) -> None:
    """As soon as the workers have told; and not more a moment later."""
    async with asyncio.timeout(40):
        while sum(await counts(node, block)) < sum(expected):
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)
    assert await counts(node, block) == expected


async def session(node: MailNode, source: str, messages: int, refusals: int) -> None:
    """One connection that sends so many messages, and is refused so often."""
    talk = await Talk.to(node.port, source=source)
    await talk.offers()
    for number in range(messages):
        assert (await talk.begins())[-1].startswith("354")
        assert (await talk.ends(str(number))).startswith("250")
    for _ in range(refusals):
        assert (await talk.say("RCPT TO:<b@y.test>")).startswith("503")
    assert (await talk.say("QUIT")).startswith("221")
    talk.close()


async def test_counts_are_exact_over_all_workers(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        here = [session(node, "127.0.0.7", number % 3, number % 2) for number in range(24)]
        there = [session(node, "127.0.1.8", 2, 1) for _ in range(8)]
        await asyncio.gather(*here, *there)
        await are(node, "127.0.0.7/32", Counts(24, 24, 12))
        await are(node, "127.0.1.8/32", Counts(8, 16, 8))
        await are(node, EVERYBODY, Counts(32, 40, 20))
        await are(node, "127.0.1.0/24", Counts(8, 16, 8))
        await are(node, "::/0", Counts())


async def test_a_message_counts_for_each_recipient_and_a_client_that_is_turned_away_counts_too(tmp_path: Path) -> None:
    async with running(tmp_path, listener="Max_Inbound_Connections = 1") as node:
        inside = await Talk.to(node.port, source="127.0.0.7")
        refused = await Talk.to(node.port, source="127.0.0.7")
        assert refused.greeting.startswith("421")
        await inside.offers()
        for line in ("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA"):
            await inside.say(line)
        assert (await inside.ends("two recipients")).startswith("250")
        await are(node, EVERYBODY, Counts(connections=2, receptions=2, rejections=1))
        inside.close()
        refused.close()


async def test_a_proxy_counts_for_whom_it_speaks(tmp_path: Path) -> None:
    trusted = 'Peer "127.0.0.9" { SMTP_Extensions = ( "XCLIENT" ) }'
    async with running(tmp_path, listener=trusted) as node:
        talk = await Talk.to(node.port, source="127.0.0.9")
        await talk.offers()
        assert (await talk.say("XCLIENT ADDR=127.0.3.3")).startswith("220")
        await talk.offers()
        await talk.begins()
        assert (await talk.ends("for somebody else")).startswith("250")
        await are(node, "127.0.0.9", Counts(connections=1))
        await are(node, "127.0.3.3", Counts(connections=1, receptions=1))
        talk.close()


async def test_a_dead_worker_takes_no_count_with_it_and_a_reload_begins_and_ends_counting(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        await asyncio.gather(*(session(node, "127.0.0.7", 1, 0) for _ in range(6)))
        await are(node, EVERYBODY, Counts(6, 6))
        os.kill(node.worker_pids()[0], signal.SIGKILL)
        await node.until(lambda: node.core.report()["workers"] == 2)
        assert await counts(node, EVERYBODY) == Counts(6, 6)

        node.configure("127.0.0.1:9")
        node.core.reload("none")
        assert await node.core.desk.audit.answer(ip_network(EVERYBODY)) is None


async def test_the_command_asks_the_running_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path) as node:
        run = Path(node.environment["MOMENTUM_RUN"])
        monkeypatch.setenv("MOMENTUM_RUN", str(run))
        assert await asyncio.to_thread(run_show_ip, Namespace(block="127.0.0.7", format="text")) == 1
        assert "no node answers at" in capsys.readouterr().err
        desk = Questions(node.core.desk, dict, frozenset({os.getuid()}))
        await desk.listen(run / SOCKET)
        try:
            await session(node, "127.0.0.7", 2, 1)
            await are(node, EVERYBODY, Counts(1, 2, 1))
            told = await asyncio.to_thread(questions.audited, run / SOCKET, "127.0.0.0/24")
            assert told is not None
            assert told["block"] == "127.0.0.0/24"
            assert await asyncio.to_thread(run_show_ip, Namespace(block="127.0.0.7/32", format="text")) == 0
            lines = capsys.readouterr().out.splitlines()
            assert [line.partition(": ")[0] for line in lines] == [
                f"{kind} 86400/{window}" for kind in ("Connections", "Receptions", "Rejections") for window in (0, 1)
            ]
            assert [sum(int(line.rpartition(" ")[2]) for line in lines[at : at + 2]) for at in (0, 2, 4)] == [1, 2, 1]
            assert await asyncio.to_thread(run_show_ip, Namespace(block="127.0.0.8/32", format="json")) == 0
            assert not any(window["receptions"] for window in json.loads(capsys.readouterr().out)["windows"])
            node.core.desk.audit.configure(None)
            assert await asyncio.to_thread(run_show_ip, Namespace(block="127.0.0.7/32", format="text")) == 1
            assert 'add `inbound_audit { Monitors = ( "300,6" ) }`' in capsys.readouterr().err
        finally:
            desk.close()
