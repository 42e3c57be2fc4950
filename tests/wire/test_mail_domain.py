"""`spool domain`: what the workers of a running node know of a domain."""

import os
import socket
from argparse import Namespace
from asyncio import to_thread
from pathlib import Path

import pytest

from momentum_node.domain_command import run_domain
from momentum_node.limits import questions
from momentum_node.limits.questions import SOCKET, Questions
from tests.support.mailnode import MailNode
from tests.support.nexthop import next_hop

pytestmark = pytest.mark.timeout(60)


async def test_the_hosts_of_a_domain_and_how_they_behave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with next_hop("127.0.0.5") as (_, gateway):
        with socket.create_server(("127.0.0.6", 0)) as free:
            closed = f"127.0.0.6:{free.getsockname()[1]}"
        node = MailNode(tmp_path, "", workers=2, more=f'Routes = ( "{closed}" "{gateway}" ) Idle_Timeout = 60')
        desk = Questions(node.core.desk, dict, frozenset({os.getuid()}), known_of=node.core.known_of)
        run = Path(node.environment["MOMENTUM_RUN"])
        monkeypatch.setenv("MOMENTUM_RUN", str(run))
        await node.start()
        await desk.listen(run / SOCKET)
        try:
            await node.submit("one")
            await node.until(lambda: node.core.report()["delivered"] == 1)
            words = await to_thread(questions.known_of, run / SOCKET, "Y.test")
            assert await to_thread(run_domain, Namespace(domain="y.test", format="text")) == 0
            assert await to_thread(run_domain, Namespace(domain="z.test", format="json")) == 3
        finally:
            desk.close()
            await node.stop()
    assert len(words) == 2
    (known,) = (word for word in words if word["queues"])
    resting, used = known["hosts"]
    assert (resting["address"], resting["failures"], resting["why"].endswith("Connection refused")) == (
        "127.0.0.6",
        1,
        True,
    )
    assert (used["address"], used["open"], used["rests_s"]) == ("127.0.0.5", 1, 0)
    assert used["connect_ms"] > 0
    assert used["delivery_ms"] > 0
    assert known["queues"] == [{"binding": "default", "active": 0, "delayed": 0, "connections": 1}]
    assert "\n=>    1 127.0.0.5 " in capsys.readouterr().out
