"""Mail workers run on the configuration that the core had compiled: none before it, and never an older one."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MailNode]:
    found = MailNode(tmp_path, "127.0.0.1:9")
    try:
        await found.start()
        yield found
    finally:
        await found.stop()


async def greeting(node: MailNode) -> str:
    reader, writer = await asyncio.open_connection(str(node.local), node.port)
    try:
        return (await reader.readline()).decode()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def until_greeted_by(node: MailNode, name: str) -> None:
    async with asyncio.timeout(30):
        while f" {name} " not in await greeting(node):
            await asyncio.sleep(0.05)


def renamed(node: MailNode, name: str) -> str:
    return (node.folder / "ecelerity.conf").read_text().replace('Hostname = "mx.test"', f'Hostname = "{name}"')


async def test_what_changed_while_the_core_was_away_is_in_force_when_it_greets(node: MailNode) -> None:
    await until_greeted_by(node, "mx.test")
    node.core_dies()
    node.replace(renamed(node, "mx2.test"))
    node.core_returns()

    await until_greeted_by(node, "mx2.test")


async def test_a_worker_needs_no_text(node: MailNode) -> None:
    (node.folder / "ecelerity.conf").write_text("this text has an (error")
    (worker,) = node.worker_pids()
    os.kill(worker, signal.SIGKILL)
    await node.until(lambda: worker not in node.worker_pids() and node.core.are_accepting(), 30)

    await until_greeted_by(node, "mx.test")
