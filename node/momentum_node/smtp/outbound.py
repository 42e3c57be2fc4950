"""The driver of delivery: one connection to a next hop. All that decides is in `client` and in the owner.

The source address is bound with IP_BIND_ADDRESS_NO_PORT (ports are chosen at connect, so one address has all of them
towards each peer), and never with IP_FREEBIND: EADDRNOTAVAIL is the fence that keeps a node from sending from an
address that it lost.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol, cast

from momentum_node.config.model import Address, OutboundOptions
from momentum_node.config.nexthops import literal
from momentum_node.errors import MomentumError
from momentum_node.smtp.client import Client, ClientEvent, Ended, Finished, Letter, Ready
from momentum_node.smtp.opening import Secure, tls_failed
from momentum_node.smtp.paces import Pace
from momentum_node.smtp.peernames import ascii_name, fits
from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.routes import Target
from momentum_node.smtp.stage import Stage
from momentum_node.smtp.terms import Terms

IP_BIND_ADDRESS_NO_PORT: Final = 24  # linux/in.h; the socket module has no name for it
QUIT_TIMEOUT_S: Final = 5.0
TLS_GOODBYE_S: Final = 1.0
_LIMITS: Final[dict[Stage, Callable[[OutboundOptions], float]]] = {  # while we wait; in any other stage: EHLO's
    Stage.IDLE: lambda options: options.idle_timeout_s,
    Stage.MAIL: lambda options: options.mailfrom_timeout_s,
    Stage.RCPT: lambda options: options.rcptto_timeout_s,
    Stage.DATA: lambda options: options.body_timeout_s,
    Stage.DOT: lambda options: options.body_timeout_s,
    Stage.RSET: lambda options: options.rset_timeout_s,
    Stage.QUIT: lambda _options: QUIT_TIMEOUT_S,
}
CONNECT_TIMED_OUT: Final = reply(450, "4.4.1", "[internal] Connection Timed Out")


class SourceMissing(MomentumError):
    """The source address is not on this host (any more), or has no free port: no attempt was made."""


class Owner(Protocol):
    """Who hands letters to connections."""

    def connection_ready(self, connection: "Connection") -> None:
        """It can take a letter now."""
        ...

    def letter_finished(self, connection: "Connection", replies: tuple[Reply, ...]) -> None:
        """The fate of the letter it had; `connection_ready` or `connection_closed` follows."""
        ...

    def connection_closed(self, connection: "Connection", why: Reply | None) -> None:
        """It is gone; `why` None: we said goodbye."""
        ...


class Connection(asyncio.Protocol):
    """One connection, from `open` to `connection_closed`."""

    def __init__(
        self, owner: Owner, target: Target, options: OutboundOptions, terms: Terms, context: ssl.SSLContext | None
    ) -> None:
        """`context`: for TLS, where the terms ask for it."""
        self.target = target
        self.delivered = 0
        self.number = ""  # see `telling.Hop`
        self.stages: tuple[Stage, ...] = ()
        """Of the last letter: to what the reply for each recipient was the answer."""
        self.recipients = 0
        self.room: int | None = None
        """Recipients that the server takes in one transaction, where it has shown that."""
        self.tls_version: str | None = None
        self.pace = Pace()
        """How long it takes, see `Paces`."""
        self._context = context
        self._handshake: asyncio.Task[None] | None = None  # kept from being collected; it ends with the transport
        self._owner = owner
        self.options = options
        """The owner may replace them between two letters: time-outs are looked up anew for each."""
        self._client = Client(terms)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = self._sent_at = 0.0
        self._is_closed = False
        self._was_ready = False

    @property
    def reached_smtp(self) -> bool:
        """The server greeted us and took our EHLO."""
        return self._was_ready

    @property
    def is_leaving(self) -> bool:
        """It has said goodbye: it takes no letter any more."""
        return self._client.stage is Stage.QUIT

    @property
    def takes_8bit(self) -> bool:
        """See `Client`."""
        return self._client.takes_8bit

    @property
    def is_closed(self) -> bool:
        """Nothing more will be told about it."""
        return self._is_closed

    async def open(self, source: Address | None) -> None:
        """Connect. Raises `SourceMissing`, `TimeoutError`, `OSError`."""
        target = self.target
        sock = source_socket(source, target)
        try:
            async with asyncio.timeout(self.options.connect_timeout_s):
                await self._loop.sock_connect(sock, (target.address, target.port))
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
                raise SourceMissing(f"{source} is not on this host, or has no free port") from None
            raise
        await self._loop.create_connection(lambda: self, sock=sock)

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._perform(self._client.receive(data))

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._perform(self._client.lost())

    # -- the owner's side

    def send(self, letter: Letter) -> None:
        """Begin a transaction; only after `connection_ready`."""
        self.recipients += len(letter.recipients)
        self._sent_at = self._loop.time()
        events = self._client.send(letter)
        self._perform([])
        if events:  # refused at once; not from inside the call, or a long queue of such letters would nest
            self._loop.call_soon(self._perform, events)

    def quit(self) -> None:
        """Say goodbye and close."""
        self._client.quit()
        self._perform([])

    def abort(self, why: Reply) -> None:
        """Close now; a letter in hand gets `why`."""
        self._perform(self._client.give_up(why))

    # -- doing what the client says

    def _perform(self, events: list[ClientEvent]) -> None:
        if self._transport is not None and (data := self._client.output()):
            self._transport.write(data)
        if not self._is_closed:
            self._set_deadline()
        is_free = False
        for event in events:
            match event:
                case Ready():
                    self._was_ready = is_free = True
                case Secure():
                    self._handshake = self._loop.create_task(self._secure())
                case Finished(replies, stages):
                    if any(one.is_positive for one in replies):
                        self.delivered += 1
                        self.pace.delivered(self._loop.time() - self._sent_at)
                    is_free = True
                    self.stages = stages
                    self._owner.letter_finished(self, replies)
                case Ended(why):
                    self._close(why)
        if is_free and not self._is_closed:
            self._owner.connection_ready(self)

    async def _secure(self) -> None:
        """Make this connection one through TLS, and greet again; or end it."""
        failure = await self._failure_of_handshake()
        self._perform(self._client.secured() if failure is None else self._client.give_up(tls_failed(failure)))

    async def _failure_of_handshake(self) -> str | None:
        host, transport = self.target.host, self._transport
        if self._context is None or transport is None:
            return "there is no certificate to use"
        name = None if literal(host) else ascii_name(host)
        try:
            secured = await self._loop.start_tls(
                transport, self, self._context, server_hostname=name, ssl_shutdown_timeout=TLS_GOODBYE_S
            )
        except (OSError, EOFError, ValueError) as error:  # ssl.SSLError among them; a name that is none
            return _reason(error)
        if secured is None:
            return "the connection was closed"
        self._transport = secured
        found = cast("ssl.SSLObject", secured.get_extra_info("ssl_object"))
        self.tls_version = found.version()
        if self.options.tls.verify == "host" and not fits(found.getpeercert() or {}, self.target.names):
            return f"the certificate is not for {' or '.join(self.target.names)}"
        return None

    def _close(self, why: Reply | None) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        self._owner.connection_closed(self, why)

    # -- time

    def _limit_s(self) -> float:
        limit = _LIMITS.get(self._client.stage)
        return self.options.ehlo_timeout_s if limit is None else limit(self.options)

    def _set_deadline(self) -> None:
        """Move the deadline; the timer is only armed anew when it would fire too late."""
        self._deadline = self._loop.time() + self._limit_s()
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        if self._loop.time() < self._deadline - 0.001:
            self._timer = self._loop.call_at(self._deadline, self._look)
            return
        self._timer = None
        if self._client.stage is Stage.IDLE:
            self.quit()
        else:
            self._perform(self._client.timed_out())


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return str(error) or "the connection was closed"


def source_socket(source: Address | None, target: Target) -> socket.socket:
    """A socket bound to the source. Raises `SourceMissing`, `OSError`."""
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((str(source), 0))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise SourceMissing(f"{source} is not on this host") from None
        raise
    return sock
