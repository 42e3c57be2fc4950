"""`count`: open connections by blocks of addresses, over real sessions and deliveries of several workers."""

import asyncio
import json
import os
import signal
import socket
from argparse import Namespace
from ipaddress import ip_network
from pathlib import Path

import pytest

from momentum_node.count_command import run_count
from momentum_node.limits.questions import SOCKET, Questions
from tests.support.mailnode import MailNode
from tests.support.nexthop import next_hop
from tests.support.talk import Talk

pytestmark = pytest.mark.timeout(120)

OTHER = 'Binding other { Bind_Address = "127.0.0.1" Match_Domain = ( "other.test" ) } Idle_Timeout = 1'


def counts(node: MailNode) -> list[int]:
    """Connections to anybody, to the one that takes them, and of these by binding."""
    tree, hop = node.core.desk.tree, ip_network("127.0.0.5/32")
    by_binding = [tree(f"outbound/{binding}").sum(hop) for binding in ("default", "other")]
    return [tree("outbound").sum(ip_network("0.0.0.0/0")), tree("outbound").sum(hop), *by_binding]


async def test_connections_count_by_the_address_that_took_them_and_by_binding(tmp_path: Path) -> None:
    async with next_hop("127.0.0.5") as (hop, gateway):
        with socket.create_server(("127.0.0.6", 0)) as free:
            closed = f"127.0.0.6:{free.getsockname()[1]}"
        more = f'Routes = ( "{closed}" "{gateway}" ) {OTHER}'
        node = MailNode(tmp_path, "", workers=2, more=more)
        await node.start()
        try:
            hop.may_end.clear()
            await asyncio.gather(*(node.submit(str(number)) for number in range(6)))
            await node.submit("of the other binding", sender="a@other.test")
            await node.until(
                lambda: hop.in_hand >= 3 and counts(node) == [hop.in_hand, hop.in_hand, hop.in_hand - 1, 1]
            )

            node.core_dies()
            assert counts(node) == [0, 0, 0, 0]
            node.core_returns()
            await node.until(lambda: counts(node) == [hop.in_hand, hop.in_hand, hop.in_hand - 1, 1])

            for pid in node.worker_pids():
                os.kill(pid, signal.SIGKILL)
            hop.may_end.set()
            await node.until(lambda: len(hop.subjects()) == 7)
            await node.until(lambda: counts(node) == [0, 0, 0, 0])  # Idle_Timeout
        finally:
            await node.stop()


async def test_the_command_prints_sessions_of_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = MailNode(tmp_path, "127.0.0.1:9", workers=2)
    run = Path(node.environment["MOMENTUM_RUN"])
    monkeypatch.setenv("MOMENTUM_RUN", str(run))
    await node.start()
    desk = Questions(node.core.desk, dict, frozenset({os.getuid()}))

    async def count(service: str, block: str, form: str = "text") -> int:
        return await asyncio.to_thread(run_count, Namespace(service=service, block=block, format=form))

    try:
        assert await count("SMTP", "24") == 1
        await desk.listen(run / SOCKET)
        sources = ("127.0.0.7", "127.0.0.7", "127.0.0.8", "127.0.1.9")
        talks = [await Talk.to(node.port, source=source) for source in sources]
        await node.until(lambda: len(node.core.desk.sessions) == len(sources))
        capsys.readouterr()
        assert await count("SMTP", "24") == 0
        assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
            ["3", "127.0.0.0/24"],
            ["1", "127.0.1.0/24"],
        ]
        assert await count("smtp", "127.0.0.0/16", "json") == 0
        assert json.loads(capsys.readouterr().out) == {
            "counts": [{"block": "127.0.0.0/16", "connections": 4}],
            "more": 0,
        }
        assert await count("outbound", "0-32") == 0
        assert capsys.readouterr().out == ""
        assert await count("ECStream", "24") == 3
        assert "ask for SMTP, outbound or outbound/BINDING" in capsys.readouterr().err
        for talk in talks:
            talk.close()
        await node.until(lambda: not node.core.desk.sessions.tree)
    finally:
        desk.close()
        await node.stop()
