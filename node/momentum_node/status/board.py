"""The board the core's report hangs on: a number that grows with each change, and who waits for the next one.

Readers get newline-delimited JSON on a stream socket: the newest report at once, then each newer one. Changes that
come in a burst (10,000 addresses move) become one report.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

from momentum_node.pace import Pace
from momentum_node.peer import is_welcome, listen_for_streams
from momentum_node.status.report import Report

BURST_S = 0.05


class Board:
    """Publishes `build(revision)` under the next revision whenever it differs after `changed` was called.

    `size`: how many addresses it tells of.
    """

    def __init__(
        self, build: Callable[[int], Report], uids: frozenset[int], size: Callable[[], int] = lambda: 0
    ) -> None:
        self._build = build
        self._uids = uids
        self._revision = 0
        self._line = b""
        self._body: Report | None = None
        self._news = asyncio.Event()
        self._pace = Pace(self._publish, BURST_S, size)
        self._server: asyncio.Server | None = None

    async def listen(self, path: Path) -> None:
        """Serve readers at `path`; who reads is checked by uid."""
        self._server = await listen_for_streams(path, self._serve)
        self.changed()

    def changed(self) -> None:
        """Something may differ from the last report: build a new one soon."""
        self._pace.changed()

    def close(self) -> None:
        """Stop serving."""
        self._pace.cancel()
        if self._server is not None:
            self._server.close()

    def _publish(self) -> None:
        report = self._build(self._revision)
        if report != self._body:
            self._put(report)

    def _put(self, report: Report) -> None:
        self._revision += 1
        report["revision"] = self._revision
        self._body = report
        self._line = json.dumps(self._body).encode() + b"\n"
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            if not is_welcome(writer.get_extra_info("socket"), self._uids, "refused a reader of the status socket"):
                return
            with contextlib.suppress(ConnectionError):
                await self._follow(writer)

    async def _follow(self, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            news = self._news
            if self._line:
                writer.write(self._line)
                await writer.drain()
            await news.wait()
