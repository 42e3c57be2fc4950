"""One session in which another node hands messages over: the driver of a `Receiver` and its `Taker`."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final, cast

from momentum_node import clock
from momentum_node.mmove.receiver import FULL, Arrived, Arriving, Close, Event, Piece, Receiver, Released, Ticket
from momentum_node.mmove.taker import Taker
from momentum_node.smtp import reply as say
from momentum_node.smtp.reply import Reply
from momentum_node.spool.body import LargeBody
from momentum_node.spool.message import INLINE_BODY_BYTES, Message
from momentum_node.spool.store import Store

SILENCE_S: Final = 120.0
"""The other node ends a session that it does not need after two seconds; so it is gone, or hangs."""


class Taking(asyncio.Protocol):
    """`name`: of this node. `on_taken`: these are durable, queue them. `on_end`: the session is over.

    `is_full`: no message is taken for now.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        bodies: Executor,
        on_taken: Callable[[Sequence[Message]], None],
        on_end: Callable[["Taking"], None],
        is_full: Callable[[], bool],
    ) -> None:
        self._store = store
        self._bodies = bodies
        self._on_end = on_end
        self._is_full = is_full
        self._refuses = False  # the message that is coming in
        self._receiver = Receiver(name)
        self._taker = Taker(store, on_taken)
        self._transport: asyncio.Transport | None = None
        self._arriving: Arriving | None = None
        self._parts: list[bytes] = []
        self._large: LargeBody | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._heard = clock.monotonic()

    def tick(self) -> None:
        """Now and then: end a session that is silent."""
        if clock.monotonic() - self._heard > SILENCE_S and not self._receiver.waits:
            self.abort()

    def abort(self) -> None:
        """End it now. What was not answered may be durable all the same: the other node will ask."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        self._flush()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard = clock.monotonic()
        self._perform(self._receiver.receive(data))

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        self._forget()
        self._on_end(self)

    # -- what the other node says

    def _perform(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case Arriving():
                    self._begin(event)
                case Piece(data):
                    self._add(data)
                case Arrived(ticket):
                    self._take(partial(self._answer, ticket))
                case Released(releases, ticket):
                    self._taker.release(releases, partial(self._answer, ticket))
                case Close() if self._transport is not None:
                    self._flush()
                    self._transport.close()
        self._flush()
        self._pace()

    def _begin(self, arriving: Arriving) -> None:
        self._forget()
        self._arriving = arriving
        self._refuses = self._is_full()
        if self._refuses:
            return
        if arriving.block.envelope.size > INLINE_BODY_BYTES:
            name = f"{self._store.new_id().replace('/', '-')}.body"
            self._large = LargeBody(self._store, name, self._bodies, self._pace)

    def _add(self, data: bytes) -> None:
        if self._refuses:
            return
        if self._large is None:
            self._parts.append(data)
        else:
            self._large.add(data)

    def _take(self, answer: Callable[[Reply], None]) -> None:
        arriving, parts, large = self._arriving, tuple(self._parts), self._large
        assert arriving is not None  # noqa: S101 - `Arriving` comes first
        self._arriving, self._parts, self._large = None, [], None
        if self._refuses:
            answer(FULL)
        elif large is None:
            self._taker.take(arriving.block, arriving.addresses, parts, None, lambda reply, _kept: answer(reply))
        else:
            self._start(self._take_large(arriving, large, answer))

    async def _take_large(self, arriving: Arriving, large: LargeBody, answer: Callable[[Reply], None]) -> None:
        try:
            file = await large.finish()
        except OSError:
            await large.drop()
            answer(say.SPOOL_FAILED)
            return

        def decided(reply: Reply, is_kept: bool) -> None:
            if is_kept:
                file.close()
            else:
                self._start(large.drop())
            answer(reply)

        self._taker.take(arriving.block, arriving.addresses, (), (large.name, file), decided)

    def _answer(self, ticket: Ticket, answer: Reply) -> None:
        if self._transport is not None:
            self._heard = clock.monotonic()
            self._perform(self._receiver.answer(ticket, answer))

    # -- small steps

    def _flush(self) -> None:
        if self._transport is not None and (data := self._receiver.output()):
            self._transport.write(data)

    def _pace(self) -> None:
        """Read on only when an answer was given and the disk has caught up."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._receiver.waits or (self._large is not None and self._large.is_behind):
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _forget(self) -> None:
        self._arriving, self._parts = None, []
        large, self._large = self._large, None
        if large is not None:
            self._start(large.drop())

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
