"""One session in which this node hands messages of a shard to another: the driver of a `Sender` and its `Giver`."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol, cast

from momentum_node import clock
from momentum_node.mmove.custody import Spool
from momentum_node.mmove.giver import Giver
from momentum_node.mmove.lanes import Lane
from momentum_node.mmove.sender import Ended, Ready, Sender
from momentum_node.smtp.reply import Reply
from momentum_node.spool.message import Message

SILENCE_S: Final = 60.0
"""The other node owes an answer and says nothing: a commit does not take so long."""
IDLE_S: Final = 2.0


class Owner(Protocol):
    """Who gives a session its messages. All of them come back in `gone` or `back`, also after `ended`."""

    def ready(self, session: "Handing") -> None:
        """Messages may be offered."""
        ...

    def gone(self, session: "Handing", messages: Sequence[Message]) -> None:
        """The other node has them, durably."""
        ...

    def back(self, session: "Handing", messages: Sequence[Message], why: Reply | None) -> None:
        """They stay here; `why` None: nothing is wrong with the other node."""
        ...

    def ended(self, session: "Handing", why: Reply | None) -> None:
        """It has ended."""
        ...


class Handing(asyncio.Protocol):
    """Over a connection that the other node has welcomed. `name`: ours."""

    def __init__(self, owner: Owner, lane: Lane, spool: Spool, name: str) -> None:
        self.lane = lane
        self._owner = owner
        self._sender = Sender(name)
        self._giver = Giver(spool, self._sender, lane.key.node, clock.wall, self._gone, self._back, self._flush)
        self._transport: asyncio.Transport | None = None
        self._heard = clock.monotonic()
        self._busy_at = self._heard

    @property
    def is_ready(self) -> bool:
        """Messages may be offered."""
        return self._sender.is_ready

    def offer(self, messages: Sequence[Message], content: bytes) -> None:
        """Hand over messages with this content."""
        self._busy_at = clock.monotonic()
        self._giver.offer(messages, content)

    def tick(self) -> None:
        """Now and then: end a session that is silent, or no longer needed."""
        now = clock.monotonic()
        if self._sender.unanswered or not self._sender.is_ready:
            if now - self._heard > SILENCE_S:
                self.abort()
        elif not self.lane.under_way:
            self._giver.confirm()  # a peer that was busy did not listen the first time
            self._flush()
            if not self._sender.unanswered and now - self._busy_at > IDLE_S:
                self._sender.quit()
                self._flush()

    def abort(self) -> None:
        """End it now; what has no answer is asked for again."""
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard = clock.monotonic()
        events = self._sender.receive(data)
        self._giver.hear(events)
        self._flush()
        for event in events:
            match event:
                case Ready():
                    self._owner.ready(self)
                case Ended(reason):
                    self._finish(reason)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        events = self._sender.lost()
        self._giver.hear(events)
        for event in events:
            if isinstance(event, Ended):
                self._owner.ended(self, event.reason)

    def _finish(self, reason: Reply | None) -> None:
        if self._transport is not None:
            self._transport.close()
        self._owner.ended(self, reason)

    # -- the giver's side

    def _flush(self) -> None:
        data = self._sender.output()
        if not data or self._transport is None:
            return
        if not self._sender.unanswered:
            self._heard = clock.monotonic()
        self._transport.write(data)

    def _gone(self, messages: Sequence[Message]) -> None:
        self._busy_at = clock.monotonic()
        self._owner.gone(self, messages)

    def _back(self, messages: Sequence[Message], why: Reply | None) -> None:
        self._owner.back(self, messages, why)
