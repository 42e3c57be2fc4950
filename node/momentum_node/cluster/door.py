"""The services' end of the link to the mail workers: sessions of other nodes go to the worker that has the shard, and
workers get connections to other nodes. Bytes of mail only pass through here.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from momentum_node import worker_link as wire
from momentum_node.cluster import frames
from momentum_node.cluster.dialing import Dialer
from momentum_node.cluster.listener import Stream
from momentum_node.cluster.relay import relay
from momentum_node.cluster.roster import short
from momentum_node.errors import ConfigurationError, ProtocolError
from momentum_node.log import logger
from momentum_node.peer import accept, listen_for_frames
from momentum_node.spool.message import MAX_SHARDS

MOVES: Final = "ECmmove2"
"""The service of moves in a HELLO (Momentum's name for it)."""


@dataclass(eq=False)
class _Worker:
    sock: socket.socket
    index: int = -1
    workers: int = 1


class Door:
    """One per services process. `uids` are those that a mail worker may have."""

    def __init__(self, name: str, dialer: Dialer, uids: frozenset[int]) -> None:
        self._name = name
        self._dialer = dialer
        self._uids = uids
        self._workers: list[_Worker] = []
        self._listening: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, path: Path) -> None:
        """Wait for workers at `path` (mode 0666: who connects is checked by uid)."""
        self._listening = listen_for_frames(path)
        asyncio.get_running_loop().add_reader(self._listening.fileno(), self._accept)

    async def close(self) -> None:
        """End every session and every link."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening.fileno())
            self._listening.close()
        for worker in list(self._workers):
            self._drop(worker)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- other nodes

    async def serve(self, hello: frames.Hello, stream: Stream) -> None:
        """A node wants to hand messages over (see `listener.Service`)."""
        worker = self._of_shard(hello.shard)
        if worker is None:
            stream[1].write(frames.error("shutdown", "no mail worker has that shard now"))
            return
        ours, theirs = socket.socketpair()
        with theirs:
            if not self._tell(worker, wire.Visit(short(hello.node), hello.shard), theirs.fileno()):
                ours.close()
                stream[1].write(frames.error("shutdown", "the mail worker is gone"))
                return
        stream[1].write(frames.hello_ok(self._name))
        await relay(stream, await asyncio.open_connection(sock=ours))

    def _of_shard(self, shard: int) -> _Worker | None:
        if not 0 <= shard < MAX_SHARDS:
            return None
        return next((one for one in self._workers if one.index >= 0 and shard % one.workers == one.index), None)

    async def _dial(self, worker: _Worker, ask: wire.Dial) -> None:
        async with self._dialer.place(ask.node, ask.most):
            if worker not in self._workers:
                return
            try:
                stream = await self._dialer.dial(MOVES, ask.node, ask.shard)
            except (OSError, EOFError, ConfigurationError, ProtocolError) as error:
                self._tell(worker, wire.NotDialled(ask.number, str(error) or type(error).__name__))
                return
            ours, theirs = socket.socketpair()
            with theirs:
                self._tell(worker, wire.Dialled(ask.number), theirs.fileno())
            await relay(stream, await asyncio.open_connection(sock=ours))

    # -- workers

    def _accept(self) -> None:
        assert self._listening is not None  # noqa: S101 - the reader is removed before it becomes None
        sock = accept(self._listening, self._uids, "refused a connection to the cluster socket")
        if sock is None:
            return
        worker = _Worker(sock)
        self._workers.append(worker)
        asyncio.get_running_loop().add_reader(sock.fileno(), self._read, worker)

    def _read(self, worker: _Worker) -> None:
        try:
            received = wire.receive_frame(worker.sock)
        except BlockingIOError:
            return
        except (OSError, ProtocolError) as error:
            logger().warning("a mail worker's link ends", index=worker.index, reason=str(error))
            received = None
        if received is None:
            self._drop(worker)
            return
        frame, descriptor = received
        if descriptor is not None:
            os.close(descriptor)
        match frame:
            case wire.Serves(index, workers) if workers > 0:
                for old in [one for one in self._workers if one.index == index and one is not worker]:
                    self._drop(old)  # it died, and its end was not read yet
                worker.index, worker.workers = index, workers
            case wire.Dial():
                self._start(self._dial(worker, frame))
            case _:
                self._drop(worker)

    def _tell(self, worker: _Worker, frame: wire.Frame, descriptor: int | None = None) -> bool:
        try:
            wire.send_frame(worker.sock, frame, descriptor)
        except OSError:  # a worker that does not read hangs: its manager kills it
            self._drop(worker)
            return False
        return True

    def _drop(self, worker: _Worker) -> None:
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        with contextlib.suppress(OSError):
            asyncio.get_running_loop().remove_reader(worker.sock.fileno())
        worker.sock.close()

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
