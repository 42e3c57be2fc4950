"""How many clients are connected, counted by the blocks of their addresses: all mail workers of a node together. Pure.

    knock → admitted: it counts from now on        arrived: it counts already, no limit was in its way
          → refused, with the option that binds    left:    it is gone; so are all of a worker that is gone

The worker says what limits its client has; here only numbers are compared. First this node's own count, then the sum
over all nodes, as far as the counts of the others are known.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, NamedTuple, Protocol

from momentum_node.config.model import Address, Network
from momentum_node.replication.cidrtree import CidrTree

LISTENER: Final = "Listener_Sessions"
SERVICE: Final = "Service_Sessions"
BLOCK: Final = "Max_Inbound_Connections"
CLUSTER: Final = "Cluster_Max_Inbound_Connections"


class Id(NamedTuple):
    """One session: the worker's link, and the number that the worker gave it."""

    worker: int
    number: int


class Limits(NamedTuple):
    """What applies to one client; 0 = no limit. `prefix_length`: how large its block is."""

    listener: int = 0
    service: int = 0
    block: int = 0
    cluster: int = 0
    prefix_length: int = 0

    @property
    def is_none(self) -> bool:
        """Nobody has to be asked."""
        return not (self.listener or self.service or self.block or self.cluster)


@dataclass(frozen=True, slots=True)
class Session:
    """A client, and the socket that it came to."""

    client: Address
    listener: str


class OtherNodes(Protocol):
    """How the counts of the other nodes arrive: the replicator is one; `Nobody` stands in for it."""

    def sessions_elsewhere(self, block: Network) -> int | None:
        """Sessions from that block on the other members of the view; None: this node is cut off from the cluster."""
        ...


class Nobody:
    """A node without replication."""

    def sessions_elsewhere(self, _block: Network) -> int | None:
        """See `OtherNodes`."""
        return 0


class Sessions:
    """All sessions of one node. A look at a block goes down a tree: 128 steps at most, however many there are."""

    def __init__(self, others: OtherNodes | None = None) -> None:
        self.denials: Counter[str] = Counter()
        """How often each option turned somebody away."""
        self.is_blind = False
        """The last cluster limit was judged by this node's own count, because the others' are not known."""
        self._others: OtherNodes = others or Nobody()
        self._sessions: dict[Id, Session] = {}
        self._listeners: Counter[str] = Counter()
        self.tree = CidrTree()
        """Sessions of this node by the client's address."""

    def __len__(self) -> int:
        return len(self._sessions)

    # -- what workers say

    def knock(self, id_: Id, session: Session, limits: Limits) -> str | None:
        """Count a new client, and None; or the option that is in its way."""
        option = self._in_the_way(session, limits)
        if option is None:
            self.arrived(id_, session)
        else:
            self.denials[option] += 1
        return option

    def arrived(self, id_: Id, session: Session) -> None:
        """This one is connected. Said twice it counts once."""
        self.left(id_)
        self._sessions[id_] = session
        self._count(session, 1)

    def left(self, id_: Id) -> None:
        """It is not connected any more; of one that was refused nothing is known."""
        session = self._sessions.pop(id_, None)
        if session is not None:
            self._count(session, -1)

    def gone(self, worker: int) -> None:
        """The worker ended, and its connections with it."""
        for id_ in [id_ for id_ in self._sessions if id_.worker == worker]:
            self.left(id_)

    # -- what is known

    def clients(self) -> Iterator[tuple[Address, int]]:
        """Every client with its sessions: what replication tells the other nodes."""
        return iter(Counter(session.client for session in self._sessions.values()).items())

    # -- deciding

    def _in_the_way(self, session: Session, limits: Limits) -> str | None:
        if 0 < limits.listener <= self._listeners[session.listener]:
            return LISTENER
        if 0 < limits.service <= len(self._sessions):
            return SERVICE
        if not (limits.block or limits.cluster):
            return None
        block = block_of(session.client, limits.prefix_length)
        here = self.tree.sum(block)
        if 0 < limits.block <= here:
            return BLOCK
        return CLUSTER if limits.cluster and limits.cluster <= here + self._elsewhere(block) else None

    def _elsewhere(self, block: Network) -> int:
        known = self._others.sessions_elsewhere(block)
        self.is_blind = known is None
        return known or 0

    # -- counting

    def _count(self, session: Session, change: int) -> None:
        self.tree.add(session.client, change)
        self._listeners[session.listener] += change
        if not self._listeners[session.listener]:
            del self._listeners[session.listener]


def block_of(client: Address, prefix_length: int) -> Network:
    """The block of that size around a client."""
    kind = IPv4Network if client.version == 4 else IPv6Network
    return kind((int(client), prefix_length), strict=False)


def read(sessions: Iterable[tuple[int, str, str]]) -> Iterator[tuple[int, Session]]:
    """Sessions as workers tell them: number, client, listener. Raises `ValueError` for what is no address."""
    for number, client, listener in sessions:
        yield number, Session(ip_address(client), listener)
