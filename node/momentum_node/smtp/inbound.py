"""The driver of reception: one `asyncio.Protocol` for each client. All that decides is in `session`.

Backpressure both ways: a client that does not read its replies is not read from, and neither is one whose message is
on the way to the disk. A connection has one timer, looked at when it fires; nothing is re-armed for each command.
"""

import asyncio
import ssl
from collections.abc import Coroutine
from ipaddress import ip_address
from typing import Final, cast

from momentum_node.config.model import Address, InboundOptions, Rate
from momentum_node.errors import ProtocolError
from momentum_node.logs.events import Received, Rejected
from momentum_node.smtp import reply as say
from momentum_node.smtp.arriving import Arriving
from momentum_node.smtp.context import AT_CONNECT, OVER_THE_LIMIT, origin_of
from momentum_node.smtp.events import (
    Authenticate,
    AwaitTurn,
    Become,
    BodyPart,
    Client,
    Close,
    Complete,
    Dropped,
    Event,
    Refused,
    StartTls,
    Tls,
)
from momentum_node.smtp.keeping import Endpoints, Keeper
from momentum_node.smtp.proxyheader import read_header
from momentum_node.smtp.reception import Reception
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.sasl import Credentials
from momentum_node.smtp.session import Session
from momentum_node.smtp.transports import address_of, tls_of
from momentum_node.smtp.xclient import Attributes
from momentum_node.spool.message import Message

COMMAND_LIMIT_S: Final = 600.0  # a command may take this long from its first byte to its last
BUFFER_BYTES: Final = 65_536  # pipelined behind a message that is being committed
LINGER_S: Final = 5.0  # for the client to read our last reply
HANDSHAKE_S: Final = 30.0  # for the client's part of a TLS handshake
PROXY_HEADER_S: Final = 5.0  # for a proxy to say whom it brings (Postfix, smtpd_upstream_proxy_timeout)
REFUSAL_PAUSE_S: Final = 1.0  # before a wrong password is called so: guessing takes time


class Inbound(asyncio.Protocol):
    """One client."""

    def __init__(self, reception: Reception, listener: tuple[str, int]) -> None:
        self.listener = listener
        self.client: Address = ip_address("0.0.0.0")  # noqa: S104 - known from connection_made on
        self.local: Address = self.client
        self.descriptor = -1
        self._reception = reception
        self._admission = reception.admission
        self._loop = asyncio.get_running_loop()
        self._teller = reception.teller
        self._connection_id = ""
        self._keeper = Keeper(reception, lambda is_behind: self._pause("disk", is_behind), self._received)
        self._heard = 0.0
        self._command_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._paused_for: set[str] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._session: Session | None = None
        self._header: bytes | None = None  # of a proxy, while it is not complete
        self._early = b""  # came before the greeting
        self._goes_on = False  # soon
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
        self.local, self._local_port = address_of(here[0]), here[1]
        self._is_client(address_of(peer[0]), peer[1])
        self.descriptor = transport.get_extra_info("socket").fileno()
        self._heard = self._loop.time()
        if self._admission.is_proxy(self):
            self._header = b""
            self._timer = self._loop.call_later(PROXY_HEADER_S, transport.abort)
        else:
            self._admit()

    def _is_client(self, client: Address, port: int) -> None:
        self.client = client
        self._ends = Endpoints(client, port, self.local, self._local_port)

    def _admit(self) -> None:
        admitted = self._admission.admit(self)
        if admitted is None:
            self._pause("admission", True)
            self._start(self._ask_to_begin())
        else:
            self._begin(admitted)

    async def _ask_to_begin(self) -> None:
        admitted = await self._admission.ask(self)
        if self._transport.is_closing():
            self._admission.ended(self)
            return
        self._pause("admission", False)
        self._begin(admitted)

    def _begin(self, admitted: Client | Reply) -> None:
        if isinstance(admitted, Reply):
            if self._teller.hub.wants(Rejected):
                is_limit = admitted is say.CONCURRENCY_LIMIT
                self._rejected(Refused(admitted, OVER_THE_LIMIT if is_limit else AT_CONNECT, "core", {}, {}))
            self._transport.write(admitted.encoded)
            self._transport.close()
            return
        self._reception.sessions.add(self)
        self._take(admitted)
        self._session = Session(admitted, tls_of(self._transport))
        self._transport.write(self._session.output())
        if self._timer is None:
            self._arm()
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def _take(self, admitted: Client) -> None:
        self._admitted, self._generation = admitted, self._admission.generation
        self._options, self._hostname = admitted.options, admitted.hostname

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard = self._loop.time()
        session = self._session
        if self._header is not None:
            self._read_header(self._header + data)
        elif session is not None:
            self._compare(session)
            session.notes_refusals = self._teller.hub.wants(Rejected)
            if b"\n" in data or not session.is_mid_command:
                self._command_since = self._heard
            self._perform(session.receive(data))
        else:
            self._early += data

    def _read_header(self, data: bytes) -> None:
        """What a proxy says before its client does. A wrong header ends the connection without a word."""
        try:
            header = read_header(data)
        except ProtocolError:
            self._transport.abort()
            return
        self._header = data
        if header is None:
            return
        self._header = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if header.client is not None:
            self._is_client(header.client, header.client_port)
        self._early = data[header.size :]
        self._admit()

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
        self._keeper.close()
        self._session = None
        if self in self._reception.sessions:
            self._reception.sessions.discard(self)
            self._admission.ended(self)

    # -- the worker's side

    @property
    def is_receiving(self) -> bool:
        """Its client is sending a message."""
        return self._session is not None and self._session.is_receiving

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
        if self._generation != self._admission.generation:
            self._generation = self._admission.generation
            session.outdated = self._admission.outdated(self, self._admitted)

    # -- doing what the session says

    def _perform(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case BodyPart(data):
                    self._keeper.add(data)
                case Complete(message):
                    self._complete(message)
                case Refused():
                    self._rejected(event)
                case Dropped() | Close():
                    self._keeper.forget()
                case _:
                    self._start(self._step_aside(event))
        if self._session is not None:
            self._say(self._session)
        if events and not self._transport.is_closing():
            self._part(events[-1])

    def _say(self, session: Session) -> None:
        if data := session.output():
            self._transport.write(data)
        if session.is_behind or self._paused_for:
            self._pause("commit", session.buffered > BUFFER_BYTES)
        if session.has_more and not self._goes_on:
            self._goes_on = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """With what was too much for one turn: the others had theirs."""
        self._goes_on = False
        if self._session is not None:
            self._perform(self._session.go_on())

    def _part(self, last: Event) -> None:
        if isinstance(last, StartTls):
            self._transport.pause_reading()  # the client was told to go ahead: what comes now is the handshake's
        elif isinstance(last, Close):
            self._transport.close()
            self._loop.call_later(LINGER_S, self._transport.abort)

    def _complete(self, arriving: Arriving) -> None:
        session = self._session
        assert session is not None  # noqa: S101 - only a living session completes a message
        origin = origin_of(session, arriving, self._ends.client_text, self._hostname)
        self._keeper.complete(arriving, self._ends, origin, self._hostname, self._answer)

    # -- what the logs are told

    @property
    def _id(self) -> str:
        """Of this connection; made when it is first needed."""
        self._connection_id = self._connection_id or self._reception.store.new_id()
        return self._connection_id

    def _received(self, messages: list[Message]) -> None:
        if self._teller.hub.wants(Received):
            options = self._options
            places = {"pathway": options.pathway, "pathway_group": options.pathway_group}
            self._teller.received(messages, self._id, peer=str(self.client), **places)

    def _rejected(self, refused: Refused) -> None:
        self._teller.rejected(refused, self._ends.client_text, self._ends.local_text, self._id, self._options)

    def _answer(self, answer: Reply) -> None:
        """The fate of the message; the client may be gone by now, the message is not."""
        if self._session is None:
            return
        self._heard = self._loop.time()
        self._compare(self._session)
        self._perform(self._session.finish(answer))

    # -- what takes time: the session waits aside

    async def _step_aside(self, event: StartTls | Authenticate | Become | AwaitTurn) -> None:
        match event:
            case StartTls(behind):
                await self._start_tls(behind)
            case Authenticate(credentials):
                await self._authenticate(credentials)
            case AwaitTurn(rate):
                await self._await_turn(rate)
            case Become(attributes, is_new):
                self._is_client(attributes.address or self.client, attributes.port or self._ends.client_port)
                await self._restart(attributes, is_new)

    async def _start_tls(self, behind: bytes) -> None:
        context = self._admission.tls(self._options)
        if context is None:
            self._transport.abort()  # the client was told to go ahead, and there is nothing to go ahead with
        elif await self._handshake(context) and self._session is not None:
            self._perform(self._session.secured(tls_of(self._transport) or Tls()))
            if behind:
                self.data_received(behind)

    async def _handshake(self, context: ssl.SSLContext) -> bool:
        """Make this connection one through TLS. False: it has ended."""
        try:
            secured = await self._loop.start_tls(
                self._transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
            )
        except (OSError, EOFError):  # ssl.SSLError among them: no client of ours, or not any more
            secured = None
        if secured is None:
            self.connection_lost(None)
            return False
        self._transport = secured
        self._heard = self._loop.time()
        return True

    async def _authenticate(self, credentials: Credentials) -> None:
        verdict = await self._admission.authenticate(self._options, credentials)
        if verdict is False:
            await asyncio.sleep(REFUSAL_PAUSE_S)
        session = self._session
        if session is None:
            return
        self._heard = self._loop.time()
        if verdict:
            self._perform(session.authenticated(credentials.user))
        else:
            self._perform(session.refused(say.AUTH_UNAVAILABLE if verdict is None else say.AUTH_FAILED))

    async def _await_turn(self, rate: Rate) -> None:
        self._pause("throttle", True)
        is_granted = await self._admission.turn(rate)
        session = self._session
        if session is not None:
            self._pause("throttle", False)
            self._heard = self._loop.time()
            self._perform(session.may_begin(is_granted))

    async def _restart(self, attributes: Attributes, is_new: bool) -> None:
        self._admission.ended(self)
        admitted = self._admission.admit(self) or await self._admission.ask(self)
        session = self._session
        if session is None:
            self._admission.ended(self)
            return
        if isinstance(admitted, Reply):
            self.abort(admitted)
            return
        self._take(admitted)
        if not is_new:
            self._perform(session.moved(admitted))
            return
        is_extended = session.is_extended if attributes.is_extended is None else attributes.is_extended
        self._perform(session.restart(self._admitted, attributes.helo or "", is_extended, attributes.user))

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
        due = self._heard + limit
        if self._session is not None and self._session.is_mid_command:
            due = min(due, self._command_since + COMMAND_LIMIT_S)
        left = due - self._loop.time()
        self._timer = self._loop.call_later(left if left > 0 else limit, self._look)

    def _look(self) -> None:
        now, idle = self._loop.time(), self._options.idle_time_s
        if self._session is None or self._transport.is_closing():
            return
        if idle and now - self._heard >= idle and not self._paused_for - {"replies"}:
            self.abort(say.IDLE)
        elif self._session.is_mid_command and now - self._command_since >= COMMAND_LIMIT_S:
            self.abort(say.COMMAND_TIMEOUT)
        else:
            self._arm()
