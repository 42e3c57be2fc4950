"""The next hop of the stories: an SMTP server on the client host that takes everything and writes down who brought it.

    python -m tests.support.sink --host 198.18.0.254 --port 2525 --output FILE

One JSON line a message, written before the 250: {"at": monotonic seconds, "peer": address, "id": Message-ID}. While the
file --slow-while exists no 250 follows: whoever brought a message is in doubt whether it was taken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aiosmtpd.smtp import SMTP, Envelope, Session

_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Arrival:
    """One message at the sink; a message may arrive more than once (at-least-once delivery)."""

    at: float
    peer: str
    id: str


def arrivals(path: Path) -> Iterator[Arrival]:
    """What the sink has written so far; a line that is being written is left out."""
    for line in path.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            yield Arrival(**json.loads(line))


class _Book:
    def __init__(self, output: IO[str], slow_while: Path | None) -> None:
        self._output = output
        self._slow_while = slow_while

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        found = _MESSAGE_ID.search(content)
        peer = session.peer[0] if session.peer else ""
        line = {"at": time.monotonic(), "peer": peer, "id": found[1].decode() if found else ""}
        self._output.write(json.dumps(line) + "\n")
        self._output.flush()
        while self._slow_while is not None and self._slow_while.exists():
            await asyncio.sleep(0.02)
        return "250 2.0.0 taken"


async def _serve(host: str, port: int, output: IO[str], slow_while: Path | None) -> None:
    book = _Book(output, slow_while)
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(book, hostname="sink"), host, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An SMTP sink that writes down who brought what.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--slow-while", type=Path)
    parsed = parser.parse_args()
    with parsed.output.open("w") as output:
        asyncio.run(_serve(parsed.host, parsed.port, output, parsed.slow_while))
