"""Payloads of spool records: transactions and outcomes as bytes.

kind 1, transaction    0  4  length of the metadata (little-endian)
                       4     metadata, msgpack: [envelope, recipients, head length, body file | nil, completes]
                       …     content: trace header, then the body unless it has a file of its own
kind 2, outcomes       msgpack: [[id, result, retries, next attempt, hop, host, code, enhanced code, text] …]
kind 3, marks          msgpack: [[id, created, state, hop, node, at, awaits [hop …], owes] …]

A hop of 0 is left out, in outcomes and in recipients, and so are batch, user and context (a list of pairs) of an
envelope where there are none: mail that never moved looks as it always did. The last four of an outcome are the answer
that made it one; outcomes without an answer end before them.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any, Final

import msgpack

from momentum_node.errors import SpoolError
from momentum_node.smtp.reply import reply
from momentum_node.spool.marks import Mark, State
from momentum_node.spool.message import Envelope, Outcome, Recipient, Result, Transaction, answer_of, shared

TRANSACTION: Final = 1
OUTCOMES: Final = 2
MARKS: Final = 3
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class StoredTransaction:
    """A transaction as read back. `content_at` counts from the start of the payload."""

    envelope: Envelope
    recipients: tuple[Recipient, ...]
    content_at: int
    head_size: int
    body_file: str | None
    completes: tuple[Outcome, ...]


def _pack_outcomes(outcomes: Iterable[Outcome]) -> list[tuple[object, ...]]:
    return [(one.id, int(one.result), one.retries, one.next_attempt, *_rest_of(one)) for one in outcomes]


def _rest_of(outcome: Outcome) -> tuple[object, ...]:
    if outcome.answer is None:
        return (outcome.hop,) if outcome.hop else ()
    said = outcome.answer.reply
    return outcome.hop, outcome.answer.host, said.code, said.enhanced, said.lines[0]


def _unpack_outcomes(packed: Sequence[Sequence[Any]]) -> tuple[Outcome, ...]:
    return tuple(_unpack_outcome(*one) for one in packed)


def _unpack_outcome(
    id_: str, result: int, retries: int = 0, next_attempt: float = 0.0, hop: int = 0, *answer: Any
) -> Outcome:
    found = None
    if answer:
        host, code, enhanced, text = answer[:4]
        found = answer_of(host, reply(code, enhanced, text))
    return Outcome(id_, Result(result), retries, next_attempt, hop, found)


def _metadata(transaction: Transaction) -> bytes:
    envelope = transaction.envelope
    packed: bytes = msgpack.packb(
        (
            (
                envelope.created,
                envelope.sender,
                envelope.size,
                envelope.eight_bit,
                envelope.smtputf8,
                envelope.protocol,
                envelope.received_from,
                envelope.received_via,
                envelope.message_id,
                *_rest_of_envelope(envelope),
            ),
            [
                (one.id, one.address, one.binding, one.domain, *((one.hop, one.awaited) if one.hop else ()))
                for one in transaction.recipients
            ],
            len(transaction.head),
            transaction.body_file,
            _pack_outcomes(transaction.completes),
        ),
        unicode_errors="surrogateescape",
    )
    return packed


def _rest_of_envelope(envelope: Envelope) -> tuple[object, ...]:
    if envelope.context:
        return envelope.batch, envelope.user, envelope.context
    return (envelope.batch, envelope.user) if envelope.batch or envelope.user else ()


def encode_transaction(transaction: Transaction) -> list[bytes]:
    """The payload; body parts are passed on, not copied. The content begins at `4 + len(second part)`."""
    metadata = _metadata(transaction)
    return [_LENGTH.pack(len(metadata)), metadata, transaction.head, *transaction.body]


def decode_transaction(payload: bytes) -> StoredTransaction:
    """Raises `SpoolError` when the payload is not one of ours."""
    try:
        (size,) = _LENGTH.unpack_from(payload)
        end = _LENGTH.size + size
        envelope, recipients, head_size, body_file, completes = msgpack.unpackb(
            payload[_LENGTH.size : end], unicode_errors="surrogateescape"
        )
        return StoredTransaction(
            _envelope(*envelope),
            tuple(map(_recipient, recipients)),
            end,
            head_size,
            body_file,
            _unpack_outcomes(completes),
        )
    except (ValueError, TypeError, struct.error, msgpack.UnpackException) as error:
        raise SpoolError(f"a transaction record cannot be read: {error}") from None


def _envelope(created: float, sender: str, size: int, *rest: Any) -> Envelope:
    """Texts that many messages share are kept once: there may be a million of them."""
    eight_bit, smtputf8, protocol, received_from, received_via, *more = rest
    via = intern(received_via)
    more[3:] = map(shared, more[3:])  # behind message id, batch and user
    return Envelope(
        created, intern(sender), size, eight_bit, smtputf8, intern(protocol), intern(received_from), via, *more
    )


def _recipient(packed: Sequence[Any]) -> Recipient:
    id_, address, binding, domain = packed[:4]
    return Recipient(id_, address, intern(binding), intern(domain), *packed[4:5], *map(tuple, packed[5:6]))


def encode_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """The payload of one outcomes record."""
    packed: bytes = msgpack.packb(_pack_outcomes(outcomes), unicode_errors="surrogateescape")
    return packed


def decode_outcomes(payload: bytes) -> tuple[Outcome, ...]:
    """Raises `SpoolError` when the payload is not one of ours."""
    try:
        return _unpack_outcomes(msgpack.unpackb(payload, unicode_errors="surrogateescape"))
    except (ValueError, TypeError, IndexError, msgpack.UnpackException) as error:
        raise SpoolError(f"an outcomes record cannot be read: {error}") from None


def encode_marks(marks: Sequence[Mark]) -> bytes:
    """The payload of one marks record."""
    packed: bytes = msgpack.packb(
        [(one.id, one.created, int(one.state), one.hop, one.node, one.at, one.awaits, one.owes) for one in marks]
    )
    return packed


def decode_marks(payload: bytes) -> tuple[Mark, ...]:
    """Raises `SpoolError` when the payload is not one of ours."""
    try:
        return tuple(
            Mark(id_, created, State(state), hop, node, at, tuple(awaits), owes)
            for id_, created, state, hop, node, at, awaits, owes in msgpack.unpackb(payload)
        )
    except (ValueError, TypeError, IndexError, msgpack.UnpackException) as error:
        raise SpoolError(f"a marks record cannot be read: {error}") from None
