"""The content of the message in hand: collected, given its bindings and its Received header, made durable.

Keeper.add(data) … complete(arriving, origin, answer)   ──▶ store ──▶ answer(250 …)
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from momentum_node import clock
from momentum_node.assigner import Assigner
from momentum_node.config.model import Address
from momentum_node.smtp import reply as say
from momentum_node.smtp.address import Mailbox
from momentum_node.smtp.arriving import Arriving
from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.trace import Origin, date_text, head_of, message_id
from momentum_node.spool.body import LargeBody
from momentum_node.spool.choice import Arrival
from momentum_node.spool.disk import File
from momentum_node.spool.message import INLINE_BODY_BYTES, Envelope, Message, Recipient, Stored, Transaction
from momentum_node.spool.room import Room
from momentum_node.spool.store import Store
from momentum_node.spool.telling import Teller

STEP_MESSAGES: Final = 500
_One = TypeVar("_One")


class Spool(Protocol):
    """Where messages go: the worker."""

    store: Store
    bodies: Executor
    product: str
    teller: Teller

    @property
    def room(self) -> Room:
        """Whether the disk takes more mail."""
        ...

    @property
    def assigner(self) -> Assigner:
        """Who chooses the binding of each message."""
        ...

    def accepted(self, messages: list[Message]) -> None:
        """These are durable: queue them."""
        ...


class Endpoints:
    """The two ends of a connection; the texts are address:port."""

    def __init__(self, client: Address, client_port: int, local: Address, local_port: int) -> None:
        self.client, self.client_port = client, client_port
        self.local, self.local_port = local, local_port
        self.client_text, self.local_text = f"{client}:{client_port}", f"{local}:{local_port}"


@dataclass(slots=True)
class Content:
    """What has come in of the message in hand."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    large: LargeBody | None = None
    start: bytes = b""  # of a large one, for those who choose its binding


class Keeper:
    """One connection's. `pause(True)` asks for no more bytes while the disk is behind."""

    def __init__(self, spool: Spool, pause: Callable[[bool], None], received: Callable[[list[Message]], None]) -> None:
        """`received` is told what is durable now, before anything else happens to it."""
        self._spool = spool
        self._received = received
        self._pause = pause
        self._content = Content()
        self._work: set[asyncio.Task[None]] = set()
        self._is_open = True

    def add(self, data: bytes) -> None:
        """More of it."""
        content = self._content
        content.size += len(data)
        if content.large is not None:
            content.large.add(data)
            self._pause(content.large.is_behind)
            return
        content.parts.append(data)
        if content.size > INLINE_BODY_BYTES:
            self._grow_large(content)

    def _grow_large(self, content: Content) -> None:
        name = f"{self._spool.store.new_id().replace('/', '-')}.body"
        content.large = LargeBody(self._spool.store, name, self._spool.bodies, lambda: self._pause(False))
        if self._spool.assigner.looks_inside:
            content.start = b"".join(content.parts)
        for part in content.parts:
            content.large.add(part)
        content.parts.clear()

    def forget(self) -> None:
        """The transaction came to nothing."""
        content, self._content = self._content, Content()
        self._drop(content)

    def close(self) -> None:
        """The client is gone: what has no answer yet and is not on its way to the disk is forgotten."""
        self._is_open = False
        self.forget()

    def complete(
        self, arriving: Arriving, ends: Endpoints, origin: Origin, hostname: str, answer: Callable[[Reply], None]
    ) -> None:
        """Everything is there. `hostname` is the domain of recipients without one; `answer` is told the outcome."""
        content, self._content = self._content, Content()
        message = _Message(arriving, ends, origin, hostname, content, answer)
        if self._spool.room.is_full:
            self._drop(content)
            answer(say.SPOOL_FAILED)
            return
        assigner, recipients = self._spool.assigner, arriving.recipients
        if assigner.has_policy or len(recipients) > STEP_MESSAGES:
            self._start(self._assign(assigner, message))
        else:
            self._assigned(assigner.choose(self._arrivals(message, recipients)), message)

    def _arrivals(self, message: "_Message", recipients: Sequence[Mailbox]) -> list[Arrival]:
        start, content = b"", message.content
        if self._spool.assigner.looks_inside:
            start = content.start or b"".join(content.parts)
        head, _, body = start.partition(b"\r\n\r\n")
        sender, ends, context = message.arriving.sender, message.ends, message.origin.context
        return [
            Arrival(sender.text, sender.domain, one.text, ends.local, ends.local_port, ends.client, head, body, context)
            for one in recipients
        ]

    async def _assign(self, assigner: Assigner, message: "_Message") -> None:
        """With pauses: a policy may take its time, and there may be tens of thousands of recipients."""
        bindings: list[str] = []
        for some in _steps(message.arriving.recipients):
            arrivals = self._arrivals(message, some)
            chosen = await assigner.ask(arrivals) if assigner.has_policy else assigner.choose(arrivals)
            if chosen is None:
                self._assigned(None, message)
                return
            bindings += chosen
            await asyncio.sleep(0)
        self._assigned(bindings, message)

    def _assigned(self, bindings: list[str] | None, message: "_Message") -> None:
        """Keep the message; None: no binding takes it now."""
        if bindings is None or not self._is_open:
            self._drop(message.content)
            message.answer(say.NO_BINDING)
            return
        transaction = self._transaction(message, bindings)
        if message.content.large is None:
            self._keep(transaction, None, message.answer)
        else:
            self._start(self._finish_large(transaction, message.content.large, message.answer))

    def _transaction(self, message: "_Message", bindings: list[str]) -> Transaction:
        store, arriving, ends = self._spool.store, message.arriving, message.ends
        recipients = tuple(
            Recipient(store.new_id(), one.text, binding, one.domain or message.hostname)
            for one, binding in zip(arriving.recipients, bindings, strict=True)
        )
        now = clock.wall()
        batch, hostname = recipients[0].id, message.origin.hostname
        head = head_of(arriving, message.origin, self._spool.product, batch, date_text(now))
        envelope = Envelope(
            now,
            arriving.sender.text,
            len(head) + arriving.check.size,
            arriving.eight_bit,
            arriving.smtputf8,
            "esmtp",
            message.origin.client,
            ends.local_text,
            message_id(batch, hostname) if arriving.check.wants_message_id else arriving.check.message_id,
            batch if len(recipients) > 1 else "",
            message.origin.user,
            message.origin.context,
        )
        content = message.content
        name = None if content.large is None else content.large.name
        return Transaction(envelope, recipients, head, tuple(content.parts), name)

    async def _finish_large(self, transaction: Transaction, large: LargeBody, answer: Callable[[Reply], None]) -> None:
        try:
            file = await large.finish()
        except OSError:
            await large.drop()
            answer(say.SPOOL_FAILED)
        else:
            self._keep(transaction, file, answer)

    def _keep(self, transaction: Transaction, file: File | None, answer: Callable[[Reply], None]) -> None:
        spool = self._spool

        def kept(stored: Stored | None) -> None:
            if file is not None:
                file.close()
            if stored is None:
                answer(say.SPOOL_FAILED)
                return
            if len(transaction.recipients) > STEP_MESSAGES:
                self._start(self._accept_in_steps(transaction, stored))
            else:
                self._accept(transaction, transaction.recipients, stored)
            answer(reply(250, "2.0.0", f"OK {transaction.recipients[0].id}"))

        spool.store.keep(transaction, file, kept)

    async def _accept_in_steps(self, transaction: Transaction, stored: Stored) -> None:
        for some in _steps(transaction.recipients):
            self._accept(transaction, some, stored)
            await asyncio.sleep(0)

    def _accept(self, transaction: Transaction, recipients: Sequence[Recipient], stored: Stored) -> None:
        """Queue the messages of these; the transaction is durable."""
        envelope, home = transaction.envelope, self._spool.store.index
        messages = [Message(one.id, envelope, one.address, one.binding, one.domain, stored, home) for one in recipients]
        self._received(messages)
        self._spool.accepted(messages)

    def _drop(self, content: Content) -> None:
        if content.large is not None:
            self._start(content.large.drop())

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)


@dataclass(frozen=True, slots=True)
class _Message:
    """All that is known of a message whose fate is not."""

    arriving: Arriving
    ends: Endpoints
    origin: Origin
    hostname: str
    content: Content
    answer: Callable[[Reply], None]


def _steps(all_of_them: Sequence[_One]) -> Iterator[Sequence[_One]]:
    """So many at a time that the loop does not notice."""
    return (all_of_them[start : start + STEP_MESSAGES] for start in range(0, len(all_of_them), STEP_MESSAGES))
