"""What a reception session knows of its client, where it is, and what it asks of its driver. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, TypeAlias

from momentum_node.config.model import Address, InboundOptions, Rate
from momentum_node.smtp.arriving import Arriving
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.sasl import Credentials

if TYPE_CHECKING:
    from momentum_node.smtp.xclient import Attributes


class State(Enum):
    """Where the dialogue is."""

    GREETED = auto()
    READY = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    CHUNK = auto()
    AUTH = auto()
    ASIDE = auto()  # the driver does what was asked for; nothing is read
    WAITING = auto()
    CLOSED = auto()


class States:
    """Some of them. Tuples: `in` compares identities; a set asks each member for its hash, which Python computes."""

    IDLE: Final = (State.GREETED, State.READY)
    ADDRESSING: Final = (State.MAIL, State.RCPT)
    CONTENT: Final = (State.DATA, State.CHUNK)
    DEAF: Final = (State.WAITING, State.ASIDE, State.CLOSED)  # nothing is read
    BUSY: Final = (*CONTENT, *DEAF)


@dataclass(frozen=True, slots=True)
class BodyPart:
    """Bytes of the content, dots and all framing taken away."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Complete:
    """The content is complete and acceptable. The driver makes it durable, then calls `finish`."""

    message: Arriving


@dataclass(frozen=True, slots=True)
class Dropped:
    """The transaction came to nothing after content had arrived: forget its parts."""


@dataclass(frozen=True, slots=True)
class Close:
    """Send what `output` holds, then close."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What a handshake came to."""

    cipher: str = ""  # "TLSv1.3 TLS_AES_256_GCM_SHA384"
    is_verified: bool = False  # with a client certificate that our CA knows
    subject: str = ""  # of that certificate: /C=DE/O=Example/CN=client.test


@dataclass(frozen=True, slots=True)
class StartTls:
    """Send what `output` holds, make the handshake as the server, then call `secured`; read `behind` after it."""

    behind: bytes = b""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Check these, then call `authenticated` or `refused`."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Become:
    """The client is whom the attributes name: admit that one, then call `restart`; not `is_new`: `moved`."""

    attributes: "Attributes"
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class AwaitTurn:
    """A message may begin when `Inbound_Throttle_Messages` lets it: then call `may_begin`."""

    rate: Rate


@dataclass(frozen=True, slots=True)
class Refused:
    """`reply` is on its way to the client. Made only when `Dialogue.notes_refusals`; contexts as the logs show them."""

    reply: Reply
    phase: str
    module: str
    connection_context: Mapping[str, str]
    message_context: Mapping[str, str]


Event: TypeAlias = BodyPart | Refused | Complete | Dropped | Close | StartTls | Authenticate | Become | AwaitTurn


@dataclass(frozen=True, slots=True)
class Client:
    """Who talks to us, and what the options let it do."""

    address: Address
    options: InboundOptions
    hostname: str  # in the greeting and the EHLO reply
    greeting: str  # the text after it
    drops: Callable[[str], bool] = field(default=lambda _domain: False, compare=False)
    """Whether mail for a domain is not even taken (`Blackhole = inline`)."""
