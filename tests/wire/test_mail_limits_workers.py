"""Limits over real workers: shared exactly, passed on in turn, kept by throttles, explained."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from momentum_node.limits.counters import Counter
from momentum_node.limits.desk import Desk
from momentum_node.limits.questions import SOCKET, Questions
from momentum_node.limits.rules import LimitRules
from tests.support.configuration import loaded
from tests.support.mailnode import MailNode

pytestmark = pytest.mark.timeout(100)


class CountingHop:
    """A next hop of a few lines: counts its open connections and notes when each MAIL FROM came."""

    def __init__(self) -> None:
        self.open = 0
        self.most = 0
        self.connections = 0
        self.mails: list[float] = []
        self.taken = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.connections += 1
        self.most = max(self.most, self.open)
        try:
            await self._talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop\r\n")
        in_data = False
        while line := await reader.readline():
            if in_data:
                if line == b".\r\n":
                    in_data = False
                    self.taken += 1
                    await asyncio.sleep(0.02)  # long enough for connections to be there at the same time
                    writer.write(b"250 taken\r\n")
                continue
            word = line[:4].upper()
            if word == b"MAIL":
                self.mails.append(time.monotonic())
            in_data = word == b"DATA"
            writer.write(b"354 go\r\n" if in_data else b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


@asynccontextmanager
async def counting_hop() -> AsyncIterator[tuple[CountingHop, str]]:
    hop = CountingHop()
    server = await asyncio.start_server(hop.serve, "127.0.0.1", 0)
    yield hop, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def submitted(node: MailNode, count: int) -> None:
    await asyncio.gather(*(node.submit(f"number {number}") for number in range(count)))


@asynccontextmanager
async def running(folder: Path, gateway: str, more: str, workers: int) -> AsyncIterator[MailNode]:
    node = MailNode(folder, gateway, workers=workers, more=more)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


async def all_taken(node: MailNode, hop: CountingHop, count: int) -> None:
    await node.until(lambda: hop.taken == count, 60)


async def test_two_workers_share_a_limit_exactly_and_both_get_their_turn(tmp_path: Path) -> None:
    async with counting_hop() as (hop, gateway), running(tmp_path, gateway, "Max_Outbound_Connections = 2", 2) as node:
        await submitted(node, 120)
        await all_taken(node, hop, 120)
        assert hop.most <= 2
        await node.until(lambda: hop.open == 0)  # Idle_Timeout
        await node.until(lambda: node.core.desk.authority.here(Counter()) == 0)


async def test_a_killed_worker_gives_its_connections_back(tmp_path: Path) -> None:
    async with counting_hop() as (hop, gateway), running(tmp_path, gateway, "Max_Outbound_Connections = 1", 1) as node:
        await submitted(node, 5)
        await node.until(lambda: node.core.desk.authority.here(Counter()) == 1)
        os.kill(node.worker_pids()[0], signal.SIGKILL)
        await node.until(lambda: node.core.desk.authority.here(Counter()) == 0 or hop.connections > 1)
        await node.until(lambda: hop.taken >= 5, 60)
        assert hop.most <= 1


async def test_a_message_throttle_holds_over_workers_and_loses_nothing(tmp_path: Path) -> None:
    throttle = 'Outbound_Throttle_Messages = "5/1"'
    async with counting_hop() as (hop, gateway), running(tmp_path, gateway, throttle, 2) as node:
        await submitted(node, 20)
        await all_taken(node, hop, 20)
    gaps = [last - first for first, last in zip(hop.mails, hop.mails[5:], strict=False)]
    assert min(gaps) >= 0.95  # seconds on our clock, and the hop notes a moment later than the node sends


async def test_it_is_explained_from_the_running_node(tmp_path: Path) -> None:
    text = "Max_Outbound_Connections = 1"
    async with counting_hop() as (hop, gateway), running(tmp_path, gateway, text, 1) as node:
        await submitted(node, 60)
        told = node.core.desk.explain("default", "y.test", None)
        binding = next(one for one in told.standings if one.option == "Max_Outbound_Connections")
        assert (binding.value, binding.place.split(":")[0]) == ("1", str(tmp_path / "ecelerity.conf"))
        await all_taken(node, hop, 60)


async def test_the_command_asks_the_core(tmp_path: Path) -> None:
    desk = Desk(lambda _link, _frame: None)
    generation = loaded("Max_Outbound_Connections = 0")
    desk.configure(LimitRules(generation.tree, generation.sources.place))
    questions = Questions(desk, dict, frozenset({os.getuid()}))
    await questions.listen(tmp_path / SOCKET)

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "momentum_node", "spool", "explain", "default", "y.test"),
        env={**os.environ, "MOMENTUM_RUN": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    questions.close()

    assert process.returncode == 3
    assert b"because Max_Outbound_Connections = 0 at main.conf:1:" in said


async def test_figures_arrive_from_the_workers(tmp_path: Path) -> None:
    async with counting_hop() as (hop, gateway), running(tmp_path, gateway, "", 1) as node:
        await submitted(node, 3)
        await all_taken(node, hop, 3)
        await node.until(lambda: node.core.figures()["commits"] >= 1)
        assert node.core.figures()["commit_seconds"] > 0
