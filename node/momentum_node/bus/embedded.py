"""The embedded engine: one host, no network, no partitions; for machines without Corosync.

Members connect to the hub (`hub.py`) through a Unix socket; who finds none starts one. A socket does not leave its
host, and neither does this engine: on a file system that two hosts share, the second one is refused.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgpack

from momentum_node.bus.callbacks import Callback as CpgCallback
from momentum_node.bus.callbacks import GroupChange, Message, Reason, RingChange
from momentum_node.bus.contract import BusEvent, Delivered, Lost, Member
from momentum_node.bus.hub import ANOTHER_HOST, GROUP, JOIN, LEAVE, MESSAGE, REFUSED, RING, SEND
from momentum_node.bus.sendqueue import SendQueue
from momentum_node.bus.views import ViewCollector
from momentum_node.errors import BusError

CONNECT_TIMEOUT_S = 5.0
RETRY_S = 0.01
LEAVE_TIMEOUT_S = 2.0


class EmbeddedBus(asyncio.Protocol):
    """`Bus` through a Unix socket."""

    def __init__(self, path: Path, node_id: int) -> None:
        self._path = path
        self._member = Member(node_id, os.getpid())
        self._collector = ViewCollector(self._member)
        self._queue = SendQueue()
        self._unpacker = msgpack.Unpacker()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[str | None] | None = None  # None when we are in, else why not
        self._closed: asyncio.Future[None] | None = None
        self._is_in = False
        self._has_connected = False
        self._on_event: Callable[[BusEvent], None] = lambda _: None

    @property
    def local(self) -> Member:
        """The node id given, and our pid."""
        if not self._is_in:
            raise BusError("not connected to the bus")
        return self._member

    async def connect(self, group: str, on_event: Callable[[BusEvent], None]) -> None:
        """As `Bus.connect`; gives up after `CONNECT_TIMEOUT_S`."""
        if self._transport is not None or self._is_in:
            raise BusError("a bus object connects once: make a new one")
        self._on_event = on_event
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                while not await self._join(group):
                    pass
        except TimeoutError:
            raise BusError(f"nobody answers at {self._path} within {CONNECT_TIMEOUT_S:g} s") from None
        self._has_connected = True

    async def _join(self, group: str) -> bool:
        """One attempt; False when the hub went away meanwhile."""
        loop = asyncio.get_running_loop()
        try:
            self._answer, self._closed = loop.create_future(), loop.create_future()
            await loop.create_unix_connection(lambda: self, str(self._path))
        except (FileNotFoundError, ConnectionRefusedError):
            await _start_hub(self._path)
            await asyncio.sleep(RETRY_S)
            return False
        self._write([JOIN, group, self._member.node_id, self._member.pid])
        try:
            refusal = await self._answer
        except ConnectionResetError:
            await asyncio.sleep(RETRY_S)
            return False
        if refusal is not None:
            self.abort()
            raise BusError(refusal)
        return True

    def send(self, data: bytes) -> None:
        """As `Bus.send`."""
        if not self._is_in or self._transport is None:
            raise BusError("not connected to the bus")
        self._queue.put(data)
        self._hand_over()

    async def leave(self) -> None:
        """As `Bus.leave`: the hub reads what was sent before it reads that we leave."""
        if self._transport is None or self._closed is None:
            return
        self._on_event = lambda _: None
        self._hand_over(leaving=True)
        self._write([LEAVE])
        await asyncio.wait([self._closed], timeout=LEAVE_TIMEOUT_S)
        self.abort()

    def abort(self) -> None:
        """As `Bus.abort`."""
        transport, self._transport = self._transport, None
        self._on_event = lambda _: None
        if transport is not None:
            transport.abort()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The hub took our connection."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        """Callbacks of the hub, in order."""
        self._unpacker.feed(data)
        for frame in self._unpacker:
            if frame[0] == REFUSED:
                self._settle(frame[1])
            elif self._transport is not None:
                self._tell(_callback(frame))

    def connection_lost(self, exc: Exception | None) -> None:
        """The hub died, or closed after we left."""
        is_lost = self._transport is not None
        self._transport = None
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError())
        elif is_lost:
            self._on_event(Lost(f"the embedded bus at {self._path} died"))

    def _settle(self, refusal: str | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(refusal)

    def _tell(self, callback: CpgCallback) -> None:
        event = self._collector.feed(callback)
        self._is_in = True
        self._settle(None)
        if isinstance(event, Delivered) and event.sender == self._member:
            self._queue.came_back()
            self._hand_over()
        if event is not None and self._has_connected:
            self._on_event(event)
        elif event is not None:  # let `connect` return first: its caller was scheduled just now
            asyncio.get_running_loop().call_soon(lambda: self._on_event(event))

    def _hand_over(self, *, leaving: bool = False) -> None:
        while self._transport is not None and (data := self._queue.head(leaving=leaving)) is not None:
            self._write([SEND, data])
            self._queue.handed_over()

    def _write(self, frame: list[Any]) -> None:
        if self._transport is not None:
            self._transport.write(msgpack.packb(frame))


def _callback(frame: list[Any]) -> CpgCallback:
    match frame:
        case [kind, members, left, joined] if kind == GROUP:
            listed = tuple(Member(node_id, pid) for node_id, pid in members)
            return GroupChange(listed, _changes(left), _changes(joined))
        case [kind, nodes] if kind == RING:
            return RingChange(frozenset(nodes))
        case [kind, node_id, pid, data] if kind == MESSAGE:
            return Message(Member(node_id, pid), data)
    raise BusError(f"the hub sent a frame that this version does not know: {frame[:1]}")


def _changes(rows: list[list[int]]) -> tuple[tuple[Member, Reason], ...]:
    return tuple((Member(node_id, pid), Reason(reason)) for node_id, pid, reason in rows)


async def _start_hub(path: Path) -> None:
    """Start the hub in the background; returns when it listens (or another one got the lock)."""
    command = (sys.executable, "-m", "momentum_node.bus.hub", str(path))
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    code = await process.wait()
    if code == ANOTHER_HOST:
        raise BusError(f"{path} belongs to another host: the embedded bus does not span hosts, use cpg: there")
    if code != 0:
        raise BusError(f"cannot serve the embedded bus at {path} (hub exit code {code}): is its directory writable?")


def check_path(path: str) -> Path:
    """The socket's path. Raises `BusError` for one that cannot be a Unix socket."""
    where = Path(path)
    if not where.is_absolute():
        raise BusError(f"embedded:{path}: give the absolute path of a Unix socket; the embedded bus is for one host")
    if len(os.fsencode(where)) > 107:  # sun_path of unix(7), less its NUL
        raise BusError(f"embedded:{path}: the path of a Unix socket has at most 107 bytes")
    return where
