"""`spool refresh`: a running node asks the DNS again, and mail that rests goes out at once."""

import os
from argparse import Namespace
from asyncio import to_thread
from pathlib import Path

import pytest

from momentum_node.limits.questions import SOCKET, Questions
from momentum_node.logs.events import Delayed
from momentum_node.refresh_command import run_refresh
from momentum_node.smtp.resolver import Resolver
from tests.support.nameserver import name_server
from tests.support.nexthop import next_hop
from tests.support.tellingnode import TellingNode

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("asked", ["y.test", "all"])
async def test_a_domain_whose_host_is_another_one_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: str
) -> None:
    async with (
        name_server({("y.test.", "A"): ["127.0.0.99"]}) as (server, port),
        next_hop("127.0.0.5") as (hop, gateway),
    ):
        monkeypatch.setattr("momentum_node.worker.Resolver", lambda: Resolver(["127.0.0.1"], port))
        rests = "Host_Failure_Retry = 9999 Connect_Timeout_To_Delay = 0 Retry_Interval = 1"
        node = TellingNode(tmp_path, "", more=f"Remote_SMTP_Port = {gateway.partition(':')[2]} {rests}")
        await node.start()
        desk = Questions(node.core.desk, dict, frozenset({os.getuid()}), refresh=node.core.refresh)
        run = Path(node.environment["MOMENTUM_RUN"])
        monkeypatch.setenv("MOMENTUM_RUN", str(run))
        await desk.listen(run / SOCKET)
        try:
            await node.submit("waits")
            await node.heard(Delayed)  # the host that was named takes no connection, and rests
            server.zone = {("y.test.", "A"): ["127.0.0.5"]}
            assert await to_thread(run_refresh, Namespace(domain=asked)) == 0
            await node.until(lambda: hop.content)
        finally:
            desk.close()
            await node.stop()
    assert capsys.readouterr().out.startswith(f"{asked}: 1 mail workers look it up again\n")
