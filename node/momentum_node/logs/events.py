"""What happens to mail, as values: everything that the formats of the logs need of it (mainlog, bouncelog, rejectlog,
custom logs). Times are seconds since the epoch, sizes bytes. Pure; nothing here knows how a line looks.

    R Received     D Delivered     X Moved to another node     T Delayed (a transient failure)     P Failed for good
    rejectlog: Rejected
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

NO_ID: Final = "00/00-00000-00000000"
DEFAULT_GROUP: Final = "default"


@dataclass(frozen=True, slots=True)
class Passage:
    """What every event of a message says. `batch`: the first message of its transaction."""

    at: float
    id: str
    batch: str
    connection: str  # the inbound one of `Received`, else the outbound one of this attempt; NO_ID: there was none
    sender: str  # "" = the null sender
    recipient: str
    domain: str  # routing domain
    size: int
    protocol: str  # by which it was received: esmtp, xfer, internal
    group: str
    binding: str
    user: str  # that authenticated when it was received; "" = nobody
    context: tuple[tuple[str, str], ...] = ()  # of the session that brought it


@dataclass(frozen=True, slots=True)
class Received(Passage):
    """It is durable here."""

    peer: str = ""  # IP of who sent it; "" = nobody: made here
    pathway: str = "default"
    pathway_group: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing(Passage):
    """An attempt to pass it on. `remote`: IP of the next hop, "" = none was reached."""

    retries: int = 0  # before this attempt
    queued_s: float = 0.0  # since reception
    remote: str = ""
    reply: str = ""
    """What the next hop said; or we, in its place."""


@dataclass(frozen=True, slots=True)
class Delivered(Outgoing):
    """The next hop has it."""


@dataclass(frozen=True, slots=True)
class Moved(Outgoing):
    """Another node of the cluster has it. `remote`: the name of that node."""


@dataclass(frozen=True, slots=True)
class Refusal(Outgoing):
    """The attempt failed. `stage`: numbers of the connection stages; `sent`: bytes of content before it failed."""

    stage: int = 0
    sent: int = 0
    classification: int = 1


@dataclass(frozen=True, slots=True)
class Delayed(Refusal):
    """It will be tried again."""


@dataclass(frozen=True, slots=True)
class Failed(Refusal):
    """It will not: mainlog P, and B of the bouncelog."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A client was told 4yz or 5yz. The contexts have the keys that the dialogue has come to."""

    at: float
    peer: str  # ip:port
    local: str  # ip:port
    connection: str
    phase: str
    code: int
    text: str
    """The whole reply."""
    pathway: str = "default"
    pathway_group: str = ""
    module: str = "core"
    connection_context: Mapping[str, str] = field(default_factory=dict)
    message_context: Mapping[str, str] = field(default_factory=dict)


MailEvent: TypeAlias = Received | Delivered | Moved | Delayed | Failed | Rejected
KINDS: Final[tuple[type[MailEvent], ...]] = (Received, Delivered, Moved, Delayed, Failed, Rejected)
