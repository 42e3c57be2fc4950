"""A server that says what a test wants it to say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def scripted(*answers: bytes) -> AsyncIterator[str]:
    """A server that greets and has one answer for each line: where it is."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        for answer in answers:
            await reader.readline()
            writer.write(answer)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        done.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        await done.wait()
