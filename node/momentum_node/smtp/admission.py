"""Who may talk to us, and what it may do: options of a client, counts of sessions, TLS and passwords of one worker."""

import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, Protocol

from momentum_node import clock
from momentum_node.config.changes import session_ends
from momentum_node.config.model import Address, InboundOptions, Listener, Place, Rate
from momentum_node.descriptors import Descriptors
from momentum_node.limits.door import CoreGone, Door
from momentum_node.limits.sessions import Limits, Session
from momentum_node.log import logger
from momentum_node.smtp import reply as say
from momentum_node.smtp.events import Client
from momentum_node.smtp.offers import store_of
from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.sasl import Credentials
from momentum_node.smtp.tlscontexts import TlsContexts, server_context
from momentum_node.smtp.trace import date_text
from momentum_node.smtp.userstores import UserStores
from momentum_node.spool.assignment import DEFAULT
from momentum_node.spool.lookup import Lookup

DEFAULT_BACKLOG: Final = 500
ANY: Final = ip_address("0.0.0.0")  # noqa: S104 - a client of which nothing is said


class Peer(Protocol):
    """One connection, as it is at this moment: `Inbound`."""

    listener: tuple[str, int]
    client: Address
    local: Address
    descriptor: int


class Admission:
    """One per worker. `refuse` says why a client of a local address is turned away, whoever it is; None: it is not.
    `came` hears of every client that comes."""

    def __init__(
        self, product: str, refuse: Callable[[Address], Reply | None], door: Door, came: Callable[[Address], None]
    ) -> None:
        self._product = product
        self._refuse = refuse
        self._door = door
        self._came = came
        self._counted: dict[Peer, int] = {}
        self._users = UserStores()
        self._descriptors = Descriptors()
        self.contexts = TlsContexts(server_context)
        self.generation = 0
        """Grows with each configuration that is put into force."""

    def configure(self, lookup: Lookup, hostname: str) -> None:
        """Use this generation from now on."""
        self.generation += 1
        self._lookup, self._hostname = lookup, hostname
        self._listeners = {
            ("" if one.address is None else str(one.address), one.port): one for one in lookup.node.listeners
        }

    def knows(self, key: tuple[str, int]) -> bool:
        """Whether a stanza names the socket (address or "", port)."""
        return key in self._listeners

    def listener(self, key: tuple[str, int]) -> Listener:
        """The stanza of a socket, or what one has that no stanza names: the core was told of it and we were not."""
        address = ip_address(key[0]) if key[0] else None
        unknown = Listener(address, key[1], DEFAULT_BACKLOG, True, False, None, Place("", 1, 1))
        return self._listeners.get(key) or unknown

    def admit(self, peer: Peer) -> Client | Reply | None:
        """Who this client is and what it may do, or the refusal to send instead of a greeting; None: `ask`.

        Who is admitted counts until `ended`.
        """
        self._came(peer.client)
        refusal = self._refuse(peer.local)
        if refusal is not None:
            return refusal
        if self._descriptors.are_short(peer.descriptor):
            return say.CONCURRENCY_LIMIT
        if not _limits(self._options(peer), peer.client).is_none:
            return None
        self._counted[peer] = self._door.arrive(_session(peer))
        return self._client(peer)

    async def ask(self, peer: Peer) -> Client | Reply:
        """As `admit`, of a client that limits apply to: the core knows whether all workers together have room."""
        try:
            number = await self._door.knock(_session(peer), _limits(self._options(peer), peer.client))
        except CoreGone:
            return say.UNDECIDED
        if number is None:
            return say.CONCURRENCY_LIMIT
        self._counted[peer] = number
        return self._client(peer)

    async def turn(self, rate: Rate) -> bool:
        """Wait until a message may begin; False: that would take too long."""
        return await self._door.turn(rate)

    def ended(self, peer: Peer) -> None:
        """A connection is gone, or is another client's from now on."""
        number = self._counted.pop(peer, None)
        if number is not None:
            self._door.leave(number)

    def _client(self, peer: Peer) -> Client:
        options = self._options(peer)
        hostname = options.banner_hostname or self._hostname
        return Client(peer.client, options, hostname, f"{self._product}; {date_text(clock.wall())}", self._drops)

    def _drops(self, domain: str) -> bool:
        """As far as that is known before the binding is: by the domain, or everywhere."""
        return self._lookup.outbound(DEFAULT, domain).blackhole in {"true", "inline"}

    def outdated(self, peer: Peer, admitted: Client) -> Reply | None:
        """What to tell a client whose session began under an earlier generation; None: it may go on."""
        listener = self._listeners.get(peer.listener)
        now = None if listener is None else self._lookup.inbound(listener, peer.client)
        named = admitted.options.banner_hostname or self._hostname
        if session_ends(admitted.options, listener, now) or named != admitted.hostname:
            return reply(421, "", " ".join(self._lookup.node.reconfig_message.split()))
        return None

    def is_proxy(self, peer: Peer) -> bool:
        """Whether the peer is one whose PROXY header we wait for and believe."""
        options = self._options(peer)
        return options.proxy_protocol and any(peer.client in network for network in options.proxy_protocol_from)

    def speaks_tls(self, key: tuple[str, int]) -> bool:
        """Whether a socket speaks TLS from the first byte (Use_SSL of the socket, not of single clients)."""
        return self._of_socket(key).use_ssl

    def socket_tls(self, key: tuple[str, int]) -> ssl.SSLContext | None:
        """With what such a socket is opened; None when it cannot be (said in the log)."""
        options = self._of_socket(key)
        if options.proxy_protocol:
            logger().error("a socket with Use_SSL cannot wait for a PROXY header first", address=key[0], port=key[1])
            return None
        return self.tls(options)

    def tls(self, options: InboundOptions) -> ssl.SSLContext | None:
        """The server's side of TLS; None when its files cannot be used."""
        return self.contexts.get(options.tls)

    async def authenticate(self, options: InboundOptions, credentials: Credentials) -> bool | None:
        """Whether these are somebody's; None: nobody can say now."""
        store = store_of(options, credentials.mechanism)
        if options.always_deny or store is None:
            return False
        return options.always_allow or await self._users.check(store, credentials, self._hostname)

    def _of_socket(self, key: tuple[str, int]) -> InboundOptions:
        listener = self.listener(key)
        return self._lookup.inbound(listener, listener.address or ANY)

    def _options(self, peer: Peer) -> InboundOptions:
        return self._lookup.inbound(self.listener(peer.listener), peer.client)


def _session(peer: Peer) -> Session:
    address, port = peer.listener
    return Session(peer.client, f"{address}:{port}")


def _limits(options: InboundOptions, client: Address) -> Limits:
    return Limits(
        options.listener_sessions,
        options.service_sessions,
        options.max_inbound_connections,
        options.cluster_max_inbound_connections,
        options.inbound_connections_mask if client.version == 4 else options.inbound_connections_mask6,
    )
