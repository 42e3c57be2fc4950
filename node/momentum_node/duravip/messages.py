"""What members tell each other about addresses (cluster §1.5). Their bytes are `encoding.py`'s."""

from dataclasses import dataclass
from typing import TypeAlias

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits
from momentum_node.duravip.catalogue import Catalogue, MessageError
from momentum_node.duravip.quorum import Rule

VERSION = 1
ADDRESSES_PER_MESSAGE = 3000
"""17 bytes each at most: RELEASED, FAILED and CLEARED are never fragmented, so a view change cannot swallow one."""


class StrangerVersion(MessageError):
    """The sender speaks a version that we do not."""


class UnknownKind(MessageError):
    """A kind of message that this version does not know."""


class Replayed(MessageError):
    """The sender said this before: its number is not above that of its last message."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a member says about itself that only it can change."""

    name: str
    address: str
    draining: bool
    cordoned: bool
    claiming: bool  # its claims count: it has been mature for the fail-back delay
    rule: Rule
    digest: bytes
    claims: Bits
    unusable: Bits
    unusable_reason: str
    fallbacks: tuple[Bits, ...] = ()  # claims as second, third … choice
    balance_set_size: int = 1
    macs: tuple[bytes, ...] = ()  # of its topology interfaces
    weight: int = 1  # `weights.UNSAID` of a version that knows neither this nor the next three
    unsure: Bits = 0  # nothing proves that the interface leads anywhere
    doubtful: Bits = 0  # of these, what it should have only if nobody else can
    doubt: str = ""  # what speaks against it

    @property
    def all_claims(self) -> tuple[Bits, ...]:
        """By rank."""
        return self.claims, *self.fallbacks


@dataclass(frozen=True, slots=True)
class Pin:
    """A manual move: the address belongs to the member of that incarnation while it may have it."""

    address: Address
    incarnation: int
    stamp: int


@dataclass(frozen=True, slots=True)
class State:
    """Everything others must know of a member. `gather`: it answers a view that somebody joined."""

    gather: bool
    view: bytes
    mature: bool
    facts: Facts
    holds: Bits
    owns: Bits
    failed: tuple[tuple[str, Bits], ...] = ()
    strays: tuple[Address, ...] = ()
    starting: bool = False  # after a cold start, not all nodes that are meant to exist have been there yet
    departures: tuple[tuple[str, int], ...] = ()  # how often each node left lately, as the sender saw it
    suspected: tuple[Member, ...] = ()
    pins: tuple[Pin, ...] = ()


@dataclass(frozen=True, slots=True)
class Defs:
    """The catalogue behind a digest."""

    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Mature:
    """All members of this view may own addresses from here on."""

    view: bytes


@dataclass(frozen=True, slots=True)
class Balance:
    """All members of this view move at most `limit` addresses from here on, to even the load."""

    view: bytes
    limit: int


@dataclass(frozen=True, slots=True)
class Move:
    """An administrator wants the address on the node of that name; without a name, wherever it would be."""

    address: Address
    node: str


@dataclass(frozen=True, slots=True)
class Suspect:
    """A member of this view shows no life: it counts as left until it joins anew."""

    view: bytes
    member: Member
    incarnation: int  # 0: it has not said


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The sender works, and its table had this digest after so many events of this view."""

    view: bytes
    events: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Beacon:
    """Sent to be delivered to its sender: the age of the last one tells whether the bus still works for it."""


@dataclass(frozen=True, slots=True)
class Released:
    """The sender no longer has these. `removed` were on its interface, `unused` never got there as far as it knows."""

    removed: tuple[Address, ...]
    unused: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The sender cannot serve these."""

    addresses: tuple[Address, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Cleared:
    """What kept the sender from serving these is gone."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Contested:
    """The sender hears that the host `mac` answers for these, which another member is to plumb; empty: nobody now.

    It changes no table, so it is no event of a view: members of an older version, which do not know it, count alike.
    """

    addresses: tuple[Address, ...]
    mac: bytes


@dataclass(frozen=True, slots=True)
class Drain:
    """The sender wants to own nothing any more."""


News: TypeAlias = Released | Failed | Cleared | Drain
"""What a member says about its own addresses."""

Message: TypeAlias = State | Defs | Mature | Balance | Move | Suspect | Heartbeat | Beacon | Contested | News


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message with its sender's run (`incarnation`) and number."""

    incarnation: int
    sequence: int
    message: Message


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of the message `sequence`."""

    incarnation: int
    sequence: int
    index: int
    count: int
    data: bytes
