"""The next hop of the demo: an SMTP server that accepts everything and writes down who brought it.

python -m demo.sink --host 198.18.0.254 --port 2525 --output FILE     one JSON line a message: at, peer, subject
"""

import argparse
import asyncio
import email
import json
import time
from pathlib import Path
from typing import IO, Any

from aiosmtpd.smtp import SMTP, Envelope, Session


class Book:
    """Writes one line a message."""

    def __init__(self, output: IO[str]) -> None:
        self._output = output

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Called by aiosmtpd after the final dot."""
        content: Any = envelope.content
        subject = email.message_from_bytes(content).get("Subject", "")
        line = {"at": time.monotonic(), "peer": session.peer[0] if session.peer else "", "subject": subject}
        self._output.write(json.dumps(line) + "\n")
        self._output.flush()
        return "250 2.0.0 taken"


async def serve(host: str, port: int, output: IO[str]) -> None:
    """Serve until the process is ended."""
    book = Book(output)
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(book, hostname="sink"), host, port)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="An SMTP sink that writes down who brought what.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--output", type=Path, required=True)
    parsed = parser.parse_args()
    with parsed.output.open("w") as output:
        asyncio.run(serve(parsed.host, parsed.port, output))


if __name__ == "__main__":
    main()
