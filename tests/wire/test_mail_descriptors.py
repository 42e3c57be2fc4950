"""A mail worker that runs out of descriptors turns clients away, and goes on with its work."""

import asyncio
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode
from tests.support.nexthop import next_hop

pytestmark = pytest.mark.timeout(90)

MOST = 256
REFUSED = b"421 4.4.5 Service unavailable, concurrency limit reached\r\n"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def greeted(port: int) -> tuple[bytes, Stream]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    return await reader.readline(), (reader, writer)


async def say(stream: Stream, *lines: bytes) -> bytes:
    """The last answer, each line answered before the next."""
    answer = b""
    for line in lines:
        stream[1].write(line + b"\r\n")
        while (answer := await stream[0].readline())[3:4] == b"-":
            pass
    return answer


async def test_who_is_one_too_many_is_told_so_and_mail_goes_on(tmp_path: Path) -> None:
    async with next_hop() as (hop, gateway):
        node = MailNode(tmp_path, gateway, more=f"Server_Max_File_Descriptors = {MOST}")
        await node.start()
        crowd: list[tuple[bytes, Stream]] = []
        try:
            crowd += [await greeted(node.port) for _ in range(MOST + 20)]
            welcome = [stream for said, stream in crowd if said.startswith(b"220 ")]
            turned_away = {said for said, _ in crowd if not said.startswith(b"220 ")}
            assert turned_away == {REFUSED}
            assert MOST // 2 < len(welcome) < MOST

            envelope = (b"EHLO c.test", b"MAIL FROM:<a@x.test>", b"RCPT TO:<b@y.test>", b"DATA")
            assert (await say(welcome[0], *envelope)).startswith(b"354")
            assert (await say(welcome[0], b"Subject: in the crowd\r\n\r\nhi\r\n.")).startswith(b"250")
            await node.until(lambda: hop.subjects() == {"in the crowd": 1})

            for _, writer in welcome[1:]:
                writer.close()
            async with asyncio.timeout(30):  # the worker reads their ends one after the other
                while not (later := await greeted(node.port))[0].startswith(b"220 "):
                    assert later[0] == REFUSED
                    later[1][1].close()
            crowd.append(later)
        finally:
            for _, (_, writer) in crowd:
                writer.close()
            await node.stop()
