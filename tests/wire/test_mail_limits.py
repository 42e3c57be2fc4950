"""What costs one session and not the worker: silence, garbage, a full disk, clients that vanish."""

import asyncio
import errno
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from momentum_node.spool.disk import File, RealDisk, RealFile
from momentum_node.spool.message import Envelope, Message, Outcome, Recipient, Result, Stored, Transaction
from momentum_node.spool.store import Store
from tests.support.mailnode import MailNode
from tests.support.nexthop import NextHop, next_hop

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[tuple[MailNode, NextHop]]:
    async with next_hop() as (hop, gateway):
        made = MailNode(tmp_path, gateway, listener="Idle_Time = 1")
        await made.start()
        yield made, hop
        await made.stop()


async def test_a_silent_client_is_told_and_closed(node: tuple[MailNode, NextHop]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node[0].port)
    assert (await reader.readline()).startswith(b"220 ")
    assert (await reader.readline()).startswith(b"421 4.4.2")
    assert await reader.read() == b""
    writer.close()


async def test_garbage_and_vanishing_clients_leave_the_worker_alone(node: tuple[MailNode, NextHop]) -> None:
    opening = b"EHLO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nSubject: cut\r\n\r\n"
    for said in (b"", b"\0" * 10_000, b"x" * 1_000_000, opening, opening + b"y" * 500_000, opening[:40]):
        _, writer = await asyncio.open_connection("127.0.0.1", node[0].port)
        writer.write(said)
        await asyncio.wait_for(writer.drain(), 5)
        writer.transport.abort()
    await node[0].submit("still here")
    await node[0].until(lambda: node[1].subjects() == {"still here": 1})
    await node[0].until(lambda: not list((node[0].spool / "shard-00" / "bodies").iterdir()))


class FullFile(RealFile):
    """Writes while there is room."""

    def __init__(self, descriptor: int, disk: "FullDisk") -> None:
        super().__init__(descriptor)
        self._disk = disk

    def pwritev(self, parts: Sequence[bytes], offset: int) -> None:
        if self._disk.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().pwritev(parts, offset)


class FullDisk(RealDisk):
    """A disk that is full while the test says so."""

    is_full = False

    def create(self, path: str) -> RealFile:
        made = super().create(path)
        return FullFile(made.detach(), self)


def transaction(store: Store) -> Transaction:
    id_ = store.new_id()
    return Transaction(Envelope(0.0, "a@x.test", 2), (Recipient(id_, "b@y.test", "default", "y.test"),), b"hi")


async def keep(store: Store, one: Transaction, body: File | None = None) -> Stored | None:
    told: asyncio.Future[Stored | None] = asyncio.get_running_loop().create_future()
    store.keep(one, body, told.set_result)
    return await told


async def test_a_full_disk_refuses_new_mail_and_forgets_nothing(tmp_path: Path) -> None:
    disk = FullDisk()
    store = Store(disk, str(tmp_path / "shard-00"), 0, on_unreadable=lambda found: pytest.fail(str(found)))
    await store.open(1)
    first = transaction(store)
    assert await keep(store, first) is not None
    disk.is_full = True
    assert await keep(store, transaction(store)) is None
    assert store.failure is not None
    disk.is_full = False
    second = transaction(store)
    assert await keep(store, second) is not None
    await store.close()

    again = Store(disk, str(tmp_path / "shard-00"), 0, on_unreadable=lambda found: pytest.fail(str(found)))
    await again.open(1)
    found: list[str] = []
    assert await again.recover(lambda message: found.append(message.id)) == []
    assert sorted(found) == sorted([first.recipients[0].id, second.recipients[0].id])
    await again.close()


async def test_ends_are_offered_again_when_the_disk_has_room(tmp_path: Path) -> None:
    disk = FullDisk()
    store = Store(disk, str(tmp_path / "shard-00"), 0, on_unreadable=lambda found: pytest.fail(str(found)))
    await store.open(1)
    assert await keep(store, transaction(store)) is not None
    await store.close()
    store = Store(disk, str(tmp_path / "shard-00"), 0, on_unreadable=lambda found: pytest.fail(str(found)))
    await store.open(1)
    waiting: list[Message] = []
    await store.recover(waiting.append)
    disk.is_full = True
    store.record(waiting[0], Outcome(waiting[0].id, Result.DELIVERED))
    await asyncio.sleep(0.1)
    disk.is_full = False
    await store.close()

    last = Store(disk, str(tmp_path / "shard-00"), 0, on_unreadable=lambda found: pytest.fail(str(found)))
    await last.open(1)
    assert await last.recover(lambda message: pytest.fail(f"{message.id} came back")) == []
    await last.close()
