"""What members tell each other about addresses, and its bytes (cluster §1.5).

    message    [ 1, kind, incarnation, sequence, logical group, body ]       msgpack
    fragment   [ 1, "F",  incarnation, sequence, index, count, bytes ]       of a message above 60,000 bytes

    STATE      [ gather, view, name, address, mature, draining, cordoned, claiming, [majority, [node id …], size],
                 digest, holds, owns, claims, unusable, why unusable, {reason: failed}, [address held, not declared …] ]
    DEFS       [ encoded catalogue ]          MATURE    [ view ]            DRAIN   [ ]
    RELEASED   [ [removed …], [never put up …] ]        FAILED  [ [address …], reason ]    CLEARED [ [address …] ]

Sets (holds, owns, claims, unusable, failed) are little-endian bits over the sender's catalogue. A body may grow at its
end: longer ones are read, shorter ones are not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgpack

from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits
from momentum_node.duravip.catalogue import DIGEST_BYTES, Catalogue, MessageError, unpack
from momentum_node.duravip.quorum import Rule

VERSION = 1
ADDRESSES_PER_MESSAGE = 3000
"""17 bytes each at most: RELEASED, FAILED and CLEARED are never fragmented, so a view change cannot swallow one."""


class StrangerVersion(MessageError):
    """The sender speaks a version that we do not."""


class UnknownKind(MessageError):
    """A kind of message that this version does not know."""


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


@dataclass(frozen=True, slots=True)
class Defs:
    """The catalogue behind a digest."""

    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Mature:
    """All members of this view may own addresses from here on."""

    view: bytes


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
class Drain:
    """The sender wants to own nothing any more."""


Message: TypeAlias = State | Defs | Mature | Released | Failed | Cleared | Drain


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


def encode(message: Message, incarnation: int, sequence: int) -> bytes:
    """The bytes of a message, of any size."""
    kind, body = _body(message)
    return bytes(msgpack.packb([VERSION, kind, incarnation, sequence, "", body]))


def encode_fragment(fragment: Fragment) -> bytes:
    """The bytes of a piece."""
    head = [VERSION, "F", fragment.incarnation, fragment.sequence]
    return bytes(msgpack.packb([*head, fragment.index, fragment.count, fragment.data]))


def decode(data: bytes) -> Envelope | Fragment:
    """Raises `MessageError`: `StrangerVersion`, `UnknownKind`, or as it is for bytes that mean nothing."""
    try:
        return _decode(msgpack.unpackb(data, strict_map_key=False))
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise MessageError(f"not a message: {error}") from error


def _decode(value: object) -> Envelope | Fragment:
    fields = _list(value, 1)
    if fields[0] != VERSION:
        raise StrangerVersion(f"version {fields[0]!r:.20} is not spoken here")
    _list(fields, 6)
    incarnation, sequence = _number(fields[2]), _number(fields[3])
    if fields[1] == "F":
        _list(fields, 7)
        return Fragment(incarnation, sequence, _number(fields[4]), _number(fields[5]), _bytes(fields[6]))
    read = _READERS.get(_text(fields[1]))
    if read is None:
        raise UnknownKind(f"kind {fields[1]!r:.20} is not known")
    return Envelope(incarnation, sequence, read(fields[5]))


def _body(message: Message) -> tuple[str, Sequence[object]]:
    kind = type(message).__name__.upper()
    match message:
        case State():
            return kind, _state_body(message)
        case Released(removed, unused):
            return kind, [_packed(removed), _packed(unused)]
        case Failed(addresses, reason):
            return kind, [_packed(addresses), reason]
        case Defs(catalogue):
            return kind, [catalogue.encoded]
        case Mature(view):
            return kind, [view]
        case Cleared() | Drain():
            return kind, [_packed(message.addresses)] if isinstance(message, Cleared) else []


def _state_body(state: State) -> list[object]:
    facts, rule = state.facts, state.facts.rule
    return [
        state.gather,
        state.view,
        facts.name,
        facts.address,
        state.mature,
        facts.draining,
        facts.cordoned,
        facts.claiming,
        [rule.majority, sorted(rule.node_ids), rule.cluster_size],
        facts.digest,
        _field(state.holds),
        _field(state.owns),
        _field(facts.claims),
        _field(facts.unusable),
        facts.unusable_reason,
        {reason: _field(bits) for reason, bits in state.failed},
        _packed(state.strays),
    ]


def _read_state(value: object) -> State:
    body = _list(value, 17)
    rule = _list(body[8], 3)
    facts = Facts(
        name=_text(body[2]),
        address=_text(body[3]),
        draining=_flag(body[5]),
        cordoned=_flag(body[6]),
        claiming=_flag(body[7]),
        rule=Rule(_flag(rule[0]), frozenset(_number(node) for node in _list(rule[1], 0)), _number(rule[2])),
        digest=_exactly(body[9], DIGEST_BYTES),
        claims=_bits(body[12]),
        unusable=_bits(body[13]),
        unusable_reason=_text(body[14]),
    )
    if not isinstance(body[15], dict):
        raise MessageError("failed addresses were expected by reason")
    return State(
        gather=_flag(body[0]),
        view=_bytes(body[1]),
        mature=_flag(body[4]),
        facts=facts,
        holds=_bits(body[10]),
        owns=_bits(body[11]),
        failed=tuple(sorted((_text(reason), _bits(bits)) for reason, bits in body[15].items())),
        strays=_addresses(body[16]),
    )


def _read_released(value: object) -> Released:
    body = _list(value, 2)
    return Released(_addresses(body[0]), _addresses(body[1]))


def _read_failed(value: object) -> Failed:
    body = _list(value, 2)
    return Failed(_addresses(body[0]), _text(body[1]))


_READERS: dict[str, Callable[[object], Message]] = {
    "STATE": _read_state,
    "DEFS": lambda value: Defs(Catalogue.decode(_bytes(_list(value, 1)[0]))),
    "MATURE": lambda value: Mature(_bytes(_list(value, 1)[0])),
    "RELEASED": _read_released,
    "FAILED": _read_failed,
    "CLEARED": lambda value: Cleared(_addresses(_list(value, 1)[0])),
    "DRAIN": lambda _: Drain(),
}


def _list(value: object, least: int) -> list[object]:
    if isinstance(value, list) and len(value) >= least:
        return value
    raise MessageError(f"a list of at least {least} was expected, not {value!r:.40}")


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise MessageError(f"a number was expected, not {value!r:.40}")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise MessageError(f"text was expected, not {value!r:.40}")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise MessageError(f"true or false was expected, not {value!r:.40}")


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    raise MessageError(f"bytes were expected, not {value!r:.40}")


def _exactly(value: object, length: int) -> bytes:
    if len(data := _bytes(value)) == length:
        return data
    raise MessageError(f"{length} bytes were expected, not {len(data)}")


def _field(bits: Bits) -> bytes:
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _bits(value: object) -> Bits:
    return int.from_bytes(_bytes(value), "little")


def _packed(addresses: Sequence[Address]) -> list[bytes]:
    return [address.packed for address in addresses]


def _addresses(value: object) -> tuple[Address, ...]:
    return tuple(unpack(item) for item in _list(value, 0))
