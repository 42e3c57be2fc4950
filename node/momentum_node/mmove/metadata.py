"""What travels with a moved message beside its envelope addresses and content: the XCLUSTERMETADATA block.

    msgpack map   v          1, the version; a receiver offers those it reads in its EHLO answer
                  created    seconds since the epoch        size      bytes of the content
                  eight_bit  smtputf8  protocol  received_from  received_via  message_id  [batch  user  context]
                  messages   [[id, hop, retries, next attempt, binding, domain, [time of a hand-over …]] …]
                  [answers]  of each message: [host, code, enhanced code, text] or nil

One block stands for all messages that share a body; its messages are the RCPT commands that follow, in their order.
Keys that a reader does not know are skipped: a field may be added without a new version when it can be left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgpack

from momentum_node.errors import ProtocolError
from momentum_node.smtp.reply import reply
from momentum_node.spool.message import Answer, Envelope, answer_of, shared

VERSION: Final = 1
MAX_BLOCK_BYTES: Final = 1 << 20
MAX_MESSAGES: Final = 1000
MAX_TRAIL: Final = 16


@dataclass(frozen=True, slots=True)
class Passenger:
    """One message of a block. `hop`: the number it has when it is taken."""

    id: str
    hop: int
    retries: int
    next_attempt: float
    binding: str
    domain: str
    trail: tuple[float, ...] = ()
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Messages with one body. `envelope.sender` is not part of the block: MAIL FROM says it."""

    envelope: Envelope
    messages: tuple[Passenger, ...]


def encode(block: Block) -> bytes:
    """The bytes after the XCLUSTERMETADATA line."""
    envelope = block.envelope
    packed: bytes = msgpack.packb(
        {
            "v": VERSION,
            "created": envelope.created,
            "size": envelope.size,
            "eight_bit": envelope.eight_bit,
            "smtputf8": envelope.smtputf8,
            "protocol": envelope.protocol,
            "received_from": envelope.received_from,
            "received_via": envelope.received_via,
            "message_id": envelope.message_id,
            "batch": envelope.batch,
            "user": envelope.user,
            "context": envelope.context,
            "messages": [
                (one.id, one.hop, one.retries, one.next_attempt, one.binding, one.domain, one.trail)
                for one in block.messages
            ],
            **_answers(block.messages),
        },
        unicode_errors="surrogateescape",
    )
    return packed


def decode(data: bytes, sender: str) -> Block:
    """The block; `sender` is put into its envelope. Raises `ProtocolError` on anything that `encode` does not make."""
    fields = _unpacked(data)
    try:
        if fields["v"] != VERSION:
            raise ProtocolError(f"metadata version {fields['v']!r} is not known here")
        envelope = Envelope(
            created=_number(fields["created"]),
            sender=sender,
            size=_count(fields["size"]),
            eight_bit=bool(fields["eight_bit"]),
            smtputf8=bool(fields["smtputf8"]),
            protocol=_text(fields["protocol"]),
            received_from=_text(fields["received_from"]),
            received_via=_text(fields["received_via"]),
            message_id=_text(fields["message_id"]),
            batch=_text(fields.get("batch", "")),
            user=_text(fields.get("user", "")),
            context=shared((_text(key), _text(value)) for key, value in fields.get("context", ())),
        )
        messages = tuple(_passenger(one) for one in fields["messages"])
        if (answers := fields.get("answers")) is not None:
            messages = tuple(
                replace(one, answer=_answer(answer)) for one, answer in zip(messages, answers, strict=True)
            )
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"a metadata block cannot be read: {error!r}") from None
    if not 0 < len(messages) <= MAX_MESSAGES or len({one.id for one in messages}) != len(messages):
        raise ProtocolError(f"a metadata block of {len(messages)} messages, or with one of them twice")
    return Block(envelope, messages)


def encode_releases(releases: Sequence[tuple[str, int]]) -> bytes:
    """(id, hop) of copies that are gone: the bytes after the XCLUSTERFORGET line."""
    packed: bytes = msgpack.packb(releases)
    return packed


def decode_releases(data: bytes) -> tuple[tuple[str, int], ...]:
    """Raises `ProtocolError` on anything that `encode_releases` does not make."""
    try:
        return tuple((_text(id_), _count(hop)) for id_, hop in msgpack.unpackb(data))
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ProtocolError(f"a list of released messages cannot be read: {error}") from None


def _unpacked(data: bytes) -> dict[str, Any]:
    try:
        fields = msgpack.unpackb(data, unicode_errors="surrogateescape")
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ProtocolError(f"a metadata block cannot be read: {error}") from None
    if not isinstance(fields, dict):
        raise ProtocolError("a metadata block is a map")
    return fields


def _passenger(packed: Sequence[Any]) -> Passenger:
    id_, hop, retries, next_attempt, binding, domain, trail = packed
    if not id_ or "@" in id_ or " " in id_ or _count(hop) == 0:
        raise ValueError(f"{id_!r} with hop {hop!r} is no moved message")
    times = tuple(_number(at) for at in trail[-MAX_TRAIL:])
    return Passenger(_text(id_), hop, _count(retries), _number(next_attempt), _text(binding), _text(domain), times)


def _answers(messages: Sequence[Passenger]) -> dict[str, list[tuple[object, ...] | None]]:
    if all(one.answer is None for one in messages):
        return {}
    return {"answers": [None if one.answer is None else _packed(one.answer) for one in messages]}


def _packed(answer: Answer) -> tuple[object, ...]:
    return answer.host, answer.reply.code, answer.reply.enhanced, answer.reply.lines[0]


def _answer(packed: Sequence[Any] | None) -> Answer | None:
    if packed is None:
        return None
    host, code, enhanced, text = packed
    return answer_of(_text(host), reply(_count(code), _text(enhanced), _text(text)))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:  # NaN too
        raise ValueError(f"{value!r} is no time")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise ValueError(f"{value!r} is no count")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
