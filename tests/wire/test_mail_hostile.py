"""Peers that cost one session, not the worker: they close at every possible point, never end a line, name everybody."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest

from tests.support.mailnode import MailNode
from tests.support.nexthop import NextHop, next_hop
from tests.support.talk import Talk

pytestmark = pytest.mark.timeout(300)

MIB = 1 << 20
PATIENCE_S = 60.0
HELO = b"EHLO pc7\r\n"
TO_DATA = HELO + b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n"
MESSAGE = TO_DATA + b"Subject: cut\r\n\r\nhello\r\n.\r\n"


class Victim:
    """A node with one worker, and what is behind it."""

    def __init__(self, node: MailNode, hop: NextHop) -> None:
        self.node, self.hop = node, hop
        (self.pid,) = node.worker_pids()

    def memory(self) -> int:
        """The most bytes that the worker ever had in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) << 10

    async def is_unharmed(self) -> None:
        """The same worker, with nobody in it, takes mail and delivers it."""
        await self.node.until(lambda: len(self.node.core.desk.sessions) == 0)
        await self.node.submit("still here")
        await self.node.until(lambda: "still here" in self.hop.subjects())
        assert self.node.worker_pids() == [self.pid]
        bodies = self.node.spool / "shard-00" / "bodies"
        await self.node.until(lambda: not list(bodies.iterdir()))


@pytest.fixture
async def victim(tmp_path: Path) -> AsyncIterator[Victim]:
    async with next_hop() as (hop, gateway):
        node = MailNode(tmp_path, gateway, listener=f"Max_Message_Size = {MIB}")
        await node.start()
        yield Victim(node, hop)
        await node.stop()


async def leave_after(victim: Victim, said: bytes, *, resets: bool) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", victim.node.port)
    writer.write(said)
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    if resets:
        writer.transport.abort()
    else:
        writer.close()


@pytest.mark.parametrize("resets", [False, True])
async def test_a_peer_that_closes_at_every_possible_point(victim: Victim, resets: bool) -> None:
    chunked = TO_DATA[:-6] + b"BDAT 20 LAST\r\nSubject: cut\r\n\r\nhell"
    for dialogue in (MESSAGE + b"QUIT\r\n", chunked):
        for start in range(0, len(dialogue), 25):
            ends = range(start, min(start + 25, len(dialogue) + 1))
            await asyncio.gather(*(leave_after(victim, dialogue[:end], resets=resets) for end in ends))
    await victim.is_unharmed()
    assert all(re.search(rb"\r\n\r\nhello?(\r\n)?\Z", one) for one in victim.hop.content)


@pytest.mark.parametrize(
    ("beginning", "says"),
    [(HELO, b"500 5.5.2 command line too long"), (TO_DATA, b"552 5.3.4"), (TO_DATA + b"Subject: x\r\n\r\n", b"552"),
     (TO_DATA[:-6] + b"BDAT 1073741824 LAST\r\n", b"552 5.3.4")],
    ids=["command", "header", "body", "chunk"],
)  # fmt: skip
@pytest.mark.parametrize("size", [64 * MIB, pytest.param(1024 * MIB, marks=pytest.mark.long)], ids=["64 MiB", "1 GiB"])
async def test_a_line_without_end(victim: Victim, beginning: bytes, says: bytes, size: int) -> None:
    if b"BDAT" in beginning:
        beginning = beginning.replace(b"1073741824", str(size).encode())
    reader, writer = await asyncio.open_connection("127.0.0.1", victim.node.port)
    before, piece = victim.memory(), b"x" * MIB
    writer.write(beginning)
    for _ in range(size // MIB):
        writer.write(piece)
        await asyncio.wait_for(writer.drain(), PATIENCE_S)
    writer.write(b"\r\n.\r\n" if b"BDAT" not in beginning else b"")
    async with asyncio.timeout(PATIENCE_S):
        while says not in (line := await reader.readline()):
            assert line
    writer.close()
    assert victim.memory() - before < 16 * MIB
    await victim.is_unharmed()


async def test_a_peer_that_names_a_hundred_thousand_recipients(victim: Victim) -> None:
    """As many as there may be in one transaction are taken; others are served meanwhile."""
    other = await Talk.to(victim.node.port)
    reader, writer = await asyncio.open_connection("127.0.0.1", victim.node.port)
    longest = 0.0

    async def name_them() -> None:
        writer.write(HELO + b"MAIL FROM:<a@x.test>\r\n")
        for start in range(0, 100_000, 1000):
            writer.write(b"".join(b"RCPT TO:<u%d@y.test>\r\n" % number for number in range(start, start + 1000)))
            await writer.drain()
        writer.write(b"DATA\r\nSubject: all\r\n\r\nhello\r\n.\r\nQUIT\r\n")

    async def look() -> None:
        nonlocal longest
        while True:
            asked = monotonic()
            assert (await other.say("NOOP")).startswith("250")
            longest = max(longest, monotonic() - asked)
            await asyncio.sleep(0.05)

    naming, looking = asyncio.create_task(name_them()), asyncio.create_task(look())
    said = await asyncio.wait_for(reader.read(), 3 * PATIENCE_S)
    await naming
    looking.cancel()
    writer.close()
    other.close()
    assert said.count(b"\r\n250 2.1.5 ") == 50_000
    assert said.count(b"\r\n452 4.5.3 ") == 50_000
    assert b"\r\n250 2.0.0 OK " in said
    print(f"others waited {longest:.2f} s at most")
    assert longest < PATIENCE_S / 2
    await victim.node.until(lambda: sum(map(len, victim.hop.recipients)) == 50_000, 2 * PATIENCE_S)
    await victim.is_unharmed()


async def test_a_flood_of_tiny_commands_lets_others_have_their_turn(victim: Victim) -> None:
    """What one packet brings is not worked on in one go, and is answered in order."""
    other = await Talk.to(victim.node.port)
    flood, rounds = b"NOOP\r\n" * 5000 + b"RSET\r\n", 40
    reader, writer = await asyncio.open_connection("127.0.0.1", victim.node.port)
    answers = 0

    async def say() -> None:
        writer.write(HELO)
        for _ in range(rounds):
            writer.write(flood)
            await writer.drain()
        writer.write(b"QUIT\r\n")

    async def hear() -> bytes:
        said = b""
        while piece := await reader.read(MIB):
            said += piece
        return said

    saying, hearing = asyncio.create_task(say()), asyncio.create_task(asyncio.wait_for(hear(), PATIENCE_S))
    while not hearing.done():
        assert (await other.say("NOOP")).startswith("250")
        answers += 1
    said = (await hearing).splitlines()
    await saying
    writer.close()
    other.close()
    assert [line[:3] for line in said[-2:]] == [b"250", b"221"]
    assert sum(line.startswith(b"250 2.0.0") for line in said) == rounds * 5001
    print(f"another session was answered {answers} times meanwhile")
    assert answers > rounds  # more than once for each time that the flood is read
    await victim.is_unharmed()
