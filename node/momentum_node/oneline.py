"""Questions to the core over a Unix socket: one line of JSON in, one line of JSON out, and the connection ends."""

import asyncio
import contextlib
import json
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from momentum_node.peer import is_welcome, listen_for_streams

MAX_QUESTION_BYTES: Final = 4096
PATIENCE_S: Final = 5.0


class OneLineDesk(ABC):
    """Answers whoever runs as one of `uids`; `refused` is logged of others."""

    def __init__(self, uids: frozenset[int], refused: str) -> None:
        self._uids, self._refused = uids, refused
        self._server: asyncio.Server | None = None

    @abstractmethod
    async def _answer(self, line: bytes) -> Mapping[str, Any]:
        """What to say to a line, whatever it is."""

    async def listen(self, path: Path) -> None:
        """Answer at `path` (mode 0666: who asks is checked by uid)."""
        self._server = await listen_for_streams(path, self._serve, limit=MAX_QUESTION_BYTES)

    def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, ValueError, TimeoutError):
            if not is_welcome(writer.get_extra_info("socket"), self._uids, self._refused):
                return
            async with asyncio.timeout(PATIENCE_S):
                writer.write(json.dumps(await self._answer(await reader.readline())).encode() + b"\n")
                await writer.drain()


def ask(path: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    """What the core at `path` answers. Raises `OSError` when none does, `ValueError` for an answer that is none."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE_S)
        sock.connect(str(path))
        sock.sendall(json.dumps(question).encode() + b"\n")
        with sock.makefile("rb") as answer:
            read: dict[str, Any] = json.loads(answer.readline())
            return read
