"""Messages as values: who sends, to whom, where the bytes are, and what became of it.

One message has exactly one recipient. A transaction with n recipients makes n messages that share one envelope and
one stored body; the first message's id is also the batch id, which stands in the Received header.

A message id is `XX/YY-DDDDD-HHHHHHHH`: XXYY the bus node id, DDDDD the start number of the shard (new at every start
of its worker), HHHHHHHH 4 bits shard and 28 bits counter. Unique in the cluster, no `@`, no blank.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, TypeAlias

from momentum_node.smtp.reply import Reply, reply

START_MODULUS: Final = 100_000
COUNTER_LIMIT: Final = 1 << 28
MAX_SHARDS: Final = 16
INLINE_BODY_BYTES: Final = 131_072
"""Larger bodies get a file of their own (Momentum's Large_Message_Threshold)."""


def next_start(stored: int | None, minutes: int) -> int:
    """The start number after `stored`: never used before, even when the file with the old one was lost."""
    return max(minutes, -1 if stored is None else stored + 1)


class IdSource:
    """Ids of one shard since one start."""

    def __init__(self, node_id: int, shard: int, start: int) -> None:
        self._prefix = f"{node_id >> 8 & 0xFF:02X}/{node_id & 0xFF:02X}-{start % START_MODULUS:05d}-"
        self._shard = shard << 28
        self._count = 0

    def next(self) -> str | None:
        """A new id, or None when the counter is used up and the shard needs a new start number."""
        if self._count >= COUNTER_LIMIT:
            return None
        self._count += 1
        return f"{self._prefix}{self._shard | self._count - 1:08X}"


Context: TypeAlias = tuple[tuple[str, str], ...]
"""Keys and values; no key twice."""


def shared(pairs: Iterable[Sequence[str]]) -> Context:
    """The context of these pairs: one object for all that are equal, for a client may have a million messages."""
    return same(tuple((key, value) for key, value in pairs))


@lru_cache(4096)
def same(context: Context) -> Context:
    """As `shared`, of a context."""
    return context


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all messages of one transaction share."""

    created: float  # seconds since the epoch
    sender: str  # "" = the null sender
    size: int  # bytes, trace header included
    eight_bit: bool = False
    smtputf8: bool = False
    protocol: str = "esmtp"  # esmtp, internal, xfer
    received_from: str = ""  # ip:port of the client
    received_via: str = ""  # ip:port it connected to
    message_id: str = ""  # the Message-ID header, for people
    batch: str = ""  # id of the first message of the transaction; "" = it has one recipient
    user: str = ""  # that authenticated
    context: Context = ()  # of its session


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient of a transaction, as stored."""

    id: str
    address: str
    binding: str
    domain: str  # lower case
    hop: int = 0  # how often it was handed from node to node
    awaited: tuple[int, ...] = ()  # see `marks.Mark.awaits`: what an earlier visit left open


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transaction lies: its record in a segment, and the part of it that is the content."""

    segment: int
    payload_at: int
    payload_size: int
    content_at: int


@dataclass(slots=True, eq=False)
class Stored:
    """A stored transaction that some message still needs. `place` is replaced when the record is moved."""

    place: Place
    body_file: str | None
    waiting: set[str]  # ids whose end is not durable yet
    queued: int  # messages that are still in the queues
    resident: bytes | None = None  # the content, while memory allows
    created: float = 0.0  # as in the envelope


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a message was not taken. `host`: who said so, or of whom we found it; "" = of nobody. Made by `answer_of`."""

    host: str
    reply: Reply

    @property
    def weight(self) -> int:
        """What a server said counts more than what we found of it, and that more than that nobody was found."""
        return (1 if self.reply.is_internal else 2) if self.host else 0


LONGEST_ANSWER: Final = 512


def answer_of(host: str, given: Reply) -> Answer:
    """One line of at most `LONGEST_ANSWER` characters. One object for the same words: there may be a million."""
    return _answer(host, given.code, given.enhanced, " ".join(given.lines)[:LONGEST_ANSWER])


@lru_cache(4096)
def _answer(host: str, code: int, enhanced: str, text: str) -> Answer:
    return Answer(host, reply(code, enhanced, text))


class Result(IntEnum):
    """What an attempt came to. The numbers are part of the format."""

    DELIVERED = 1
    FAILED = 2
    RETRY = 3

    @property
    def is_final(self) -> bool:
        """Nothing is left to do for this message."""
        return self is not Result.RETRY


@dataclass(frozen=True, slots=True)
class Outcome:
    """A line of a message's history that must outlive us (`RETRY`: may be lost, the age then tells)."""

    id: str
    result: Result
    retries: int = 0
    next_attempt: float = 0.0  # seconds since the epoch
    hop: int = 0  # the copy that it speaks of; a message that comes back later has a higher one
    answer: Answer | None = None  # of a RETRY: why


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one commit keeps: the content is `head` (trace header) and then `body`, or the file `body_file`."""

    envelope: Envelope
    recipients: tuple[Recipient, ...]
    head: bytes
    body: tuple[bytes, ...] = ()
    body_file: str | None = None
    completes: tuple[Outcome, ...] = ()  # become durable together with it: a bounce and the failure it reports


@dataclass(slots=True, eq=False)
class Message:
    """One message in the queues."""

    id: str
    envelope: Envelope
    recipient: str
    binding: str
    domain: str  # of the recipient
    stored: Stored
    home: int  # the shard folder that keeps it
    retries: int = 0
    next_attempt: float = 0.0  # seconds since the epoch
    answer: Answer | None = None  # why it was not taken so far
    trail: tuple[float, ...] = ()  # when it was handed over lately, seconds since the epoch
    gateway: str | None = None  # that it goes through; not stored, for the configuration says it

    def learn(self, found: Answer) -> None:
        """It was not taken again: the last answer of a server is kept, whatever we find ourselves later."""
        if self.answer is None or found.weight >= self.answer.weight:
            self.answer = found
