"""The driver of reception: one `asyncio.Protocol` for each client. All that decides is in `session`.

Backpressure both ways: a client that does not read its replies is not read from, and neither is one whose message is
on the way to the disk. A connection has one timer, looked at when it fires; nothing is re-armed for each command.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Final, Protocol, cast

from momentum_node import clock
from momentum_node.assigner import NO_BINDING, Assigner
from momentum_node.config.model import Address, InboundOptions
from momentum_node.smtp import reply as say
from momentum_node.smtp.arriving import Arriving
from momentum_node.smtp.events import BodyPart, Client, Close, Complete, Dropped, Event
from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.session import Session
from momentum_node.smtp.trace import date_text, received_header
from momentum_node.spool.body import LargeBody
from momentum_node.spool.choice import Arrival
from momentum_node.spool.disk import File
from momentum_node.spool.message import INLINE_BODY_BYTES, Envelope, Message, Recipient, Stored, Transaction
from momentum_node.spool.store import Store

COMMAND_LIMIT_S: Final = 600.0  # a command may take this long from its first byte to its last
BUFFER_BYTES: Final = 65_536  # pipelined behind a message that is being committed
LINGER_S: Final = 5.0  # for the client to read our last reply


class Reception(Protocol):
    """What reception needs of its worker."""

    store: Store
    bodies: Executor
    product: str
    sessions: "set[Inbound]"
    generation: int  # grows with each configuration that is put into force

    def outdated(self, inbound: "Inbound", admitted: Client) -> Reply | None:
        """What to tell a client whose session began under an earlier generation; None: it may go on."""
        ...

    def admit(self, inbound: "Inbound") -> Client | Reply:
        """Who this client is and what it may do, or the refusal to send instead of a greeting."""
        ...

    @property
    def assigner(self) -> Assigner:
        """Who chooses the binding of each message."""
        ...

    def accepted(self, messages: list[Message]) -> None:
        """These are durable: queue them."""
        ...

    def session_ended(self, inbound: "Inbound") -> None:
        """The connection is gone."""
        ...


@dataclass(slots=True)
class Content:
    """What has come in of the message in hand."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    large: LargeBody | None = None
    start: bytes = b""  # of a large one, for those who choose its binding


class Inbound(asyncio.Protocol):
    """One client."""

    def __init__(self, reception: Reception, listener: tuple[str, int]) -> None:
        self.listener = listener
        self.client: Address = ip_address("0.0.0.0")  # noqa: S104 - known from connection_made on
        self.local: Address = self.client
        self._reception = reception
        self._loop = asyncio.get_running_loop()
        self._content = Content()
        self._heard = 0.0
        self._command_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused_for: set[str] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._session: Session | None = None
        self._options = InboundOptions()
        self._hostname = ""
        self._generation = 0

    # -- asyncio's side

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        transport = self._transport = cast("asyncio.Transport", made)  # uvloop's is one without saying so
        peer, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if peer is None or here is None:  # gone before we looked
            transport.abort()
            return
        self.client, self._client_port = _address(peer[0]), peer[1]
        self.local, self._local_port = _address(here[0]), here[1]
        admitted = self._reception.admit(self)
        if isinstance(admitted, Reply):
            transport.write(admitted.encode())
            transport.close()
            return
        self._reception.sessions.add(self)
        self._admitted, self._generation = admitted, self._reception.generation
        self._options, self._hostname = admitted.options, admitted.hostname
        self._session = Session(admitted)
        self._heard = self._loop.time()
        transport.write(self._session.output())
        self._arm()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        session = self._session
        if session is None:
            return
        self._heard = self._loop.time()
        if self._generation != self._reception.generation:
            self._compare(session)
        self._perform(session.receive(data))
        self._command_since = (self._command_since or self._heard) if session.is_mid_command else None
        self._pause("commit", session.buffered > BUFFER_BYTES)

    def pause_writing(self) -> None:
        """The client does not read its replies."""
        self._pause("replies", True)

    def resume_writing(self) -> None:
        """It does again."""
        self._pause("replies", False)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self._timer is not None:
            self._timer.cancel()
        self._forget_content()
        self._session = None
        if self in self._reception.sessions:
            self._reception.sessions.discard(self)
            self._reception.session_ended(self)

    # -- the worker's side

    def end(self, answer: Reply) -> None:
        """Close politely: at once when idle, else after the message in hand."""
        if self._session is not None:
            self._perform(self._session.end(answer))

    def abort(self, answer: Reply) -> None:
        """Close now, whatever is under way; what was acknowledged is safe, and nothing else is promised."""
        if self._session is not None:
            self._perform(self._session.abort(answer))

    def _compare(self, session: Session) -> None:
        """After a reload, when the client says something: thousands of silent ones cost nothing meanwhile."""
        self._generation = self._reception.generation
        session.outdated = self._reception.outdated(self, self._admitted)

    # -- doing what the session says

    def _perform(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case BodyPart(data):
                    self._add(data)
                case Complete(message):
                    self._complete(message)
                case Dropped():
                    self._forget_content()
                case Close():
                    self._close()
        if self._session is not None and (data := self._session.output()):
            self._transport.write(data)
            if self._transport.is_closing():
                return
        if events and isinstance(events[-1], Close):
            self._transport.close()
            self._loop.call_later(LINGER_S, self._transport.abort)

    def _close(self) -> None:
        self._forget_content()

    def _add(self, data: bytes) -> None:
        content = self._content
        content.size += len(data)
        if content.large is not None:
            content.large.add(data)
            self._pause("disk", content.large.is_behind)
            return
        content.parts.append(data)
        if content.size > INLINE_BODY_BYTES:
            name = f"{self._reception.store.new_id().replace('/', '-')}.body"
            content.large = LargeBody(self._reception.store, name, self._reception.bodies, self._caught_up)
            if self._reception.assigner.looks_inside:
                content.start = b"".join(content.parts)
            for part in content.parts:
                content.large.add(part)
            content.parts.clear()

    def _caught_up(self) -> None:
        self._pause("disk", False)

    def _forget_content(self) -> None:
        content, self._content = self._content, Content()
        if content.large is not None:
            self._start(content.large.drop())

    def _complete(self, arriving: Arriving) -> None:
        content, self._content = self._content, Content()
        assigner, arrivals = self._reception.assigner, self._arrivals(arriving, content)
        if assigner.has_policy:
            self._start(self._ask_policy(assigner, arrivals, arriving, content))
        else:
            self._assigned(assigner.choose(arrivals), arriving, content)

    def _arrivals(self, arriving: Arriving, content: Content) -> list[Arrival]:
        start = b""
        if self._reception.assigner.looks_inside:
            start = content.start or b"".join(content.parts)
        head, _, body = start.partition(b"\r\n\r\n")
        sender = arriving.sender
        return [
            Arrival(sender.text, sender.domain, one.text, self.local, self._local_port, self.client, head, body)
            for one in arriving.recipients
        ]

    async def _ask_policy(
        self, assigner: Assigner, arrivals: list[Arrival], arriving: Arriving, content: Content
    ) -> None:
        self._assigned(await assigner.ask(arrivals), arriving, content)

    def _assigned(self, bindings: list[str] | None, arriving: Arriving, content: Content) -> None:
        """Keep the message; None: no binding takes it now."""
        if bindings is None or self._session is None:
            if content.large is not None:
                self._start(content.large.drop())
            self._answer(NO_BINDING)
            return
        transaction = self._transaction(arriving, content, bindings)
        if content.large is None:
            self._keep(transaction, None)
        else:
            self._start_large(transaction, content.large)

    def _transaction(self, arriving: Arriving, content: Content, bindings: list[str]) -> Transaction:
        session, store = self._session, self._reception.store
        assert session is not None  # noqa: S101 - only a living session completes a message
        recipients = tuple(
            Recipient(store.new_id(), one.text, binding, one.domain or self._hostname)
            for one, binding in zip(arriving.recipients, bindings, strict=True)
        )
        now = clock.wall()
        client = f"{self.client}:{self._client_port}"
        head = received_header(
            arriving,
            client,
            session.helo,
            session.is_extended,
            self._options.received_hostname or self._hostname,
            self._reception.product,
            recipients[0].id,
            date_text(now),
        )
        envelope = Envelope(
            now,
            arriving.sender.text,
            len(head) + arriving.check.size,
            arriving.eight_bit,
            arriving.smtputf8,
            "esmtp",
            client,
            f"{self.local}:{self._local_port}",
            arriving.check.message_id,
        )
        name = None if content.large is None else content.large.name
        return Transaction(envelope, recipients, head, tuple(content.parts), name)

    def _start_large(self, transaction: Transaction, large: LargeBody) -> None:
        async def finish() -> None:
            try:
                file = await large.finish()
            except OSError:
                await large.drop()
                self._answer(say.SPOOL_FAILED)
            else:
                self._keep(transaction, file)

        self._start(finish())

    def _keep(self, transaction: Transaction, file: File | None) -> None:
        reception = self._reception

        def kept(stored: Stored | None) -> None:
            if file is not None:
                file.close()
            if stored is None:
                self._answer(say.SPOOL_FAILED)
                return
            reception.accepted(messages_of(transaction, stored, reception.store.index))
            self._answer(reply(250, "2.0.0", f"OK {transaction.recipients[0].id}"))

        reception.store.keep(transaction, file, kept)

    def _answer(self, answer: Reply) -> None:
        """The fate of the message; the client may be gone by now, the message is not."""
        if self._session is None:
            return
        self._heard = self._loop.time()
        if self._generation != self._reception.generation:
            self._compare(self._session)
        self._perform(self._session.finish(answer))
        if self._session is not None:
            self._pause("commit", self._session.buffered > BUFFER_BYTES)

    # -- small steps

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def _pause(self, reason: str, is_on: bool) -> None:
        """Read from the client only while there is no reason not to."""
        if is_on == (reason in self._paused_for) or self._transport.is_closing():
            return
        was_paused = bool(self._paused_for)
        (self._paused_for.add if is_on else self._paused_for.discard)(reason)
        if was_paused != bool(self._paused_for):
            (self._transport.pause_reading if is_on else self._transport.resume_reading)()

    def _arm(self) -> None:
        """Look again when the client could first have been silent for too long."""
        limit = min(self._options.idle_time_s or COMMAND_LIMIT_S, COMMAND_LIMIT_S)
        left = self._heard + limit - self._loop.time()
        self._timer = self._loop.call_later(left if left > 0 else limit, self._look)

    def _look(self) -> None:
        now, idle = self._loop.time(), self._options.idle_time_s
        if self._session is None or self._transport.is_closing():
            return
        if idle and now - self._heard >= idle and not self._paused_for - {"replies"}:
            self.abort(say.IDLE)
        elif self._command_since is not None and now - self._command_since >= COMMAND_LIMIT_S:
            self.abort(say.COMMAND_TIMEOUT)
        else:
            self._arm()


def messages_of(transaction: Transaction, stored: Stored, home: int) -> list[Message]:
    """The messages of a transaction that is durable."""
    return [
        Message(one.id, transaction.envelope, one.address, one.binding, one.domain, stored, home)
        for one in transaction.recipients
    ]


def _address(text: str) -> Address:
    """An address as the kernel gives it: without zone, IPv4 as IPv4."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
