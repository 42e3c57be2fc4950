"""The bytes of what members tell each other about addresses (cluster §1.5).

    message    [ 1, kind, incarnation, sequence, logical group, body ]       msgpack
    fragment   [ 1, "F",  incarnation, sequence, index, count, bytes ]       of a message above 60,000 bytes

    STATE      [ gather, view, name, address, mature, draining, cordoned, claiming, [majority, [node id …], size],
                 digest, holds, owns, claims, unusable, why unusable, {reason: failed}, [address held, not declared …] ]
                 starting, [fallback claims …], [[name, departures] …], [[node id, pid] suspected …],
                 [[address, incarnation, stamp] pin …], balance set size, [hardware address …], weight,
                 unsure, doubtful, why ]
    DEFS       [ encoded catalogue ]          MATURE    [ view ]            DRAIN   [ ]         BEACON  [ ]
    BALANCE    [ view, most moves ]           MOVE      [ address, node name, empty = its pin ends ]
    SUSPECT    [ view, node id, pid, incarnation, 0 = not known ]           HEARTBEAT [ view, table events, digest ]
    CONTESTED  [ [address …], hardware address of who answers, empty = nobody any more ]
    RELEASED   [ [removed …], [never put up …] ]        FAILED  [ [address …], reason ]    CLEARED [ [address …] ]

Sets (holds, owns, claims, unusable, failed …) are little-endian bits over the sender's catalogue. A body may grow at
its end: longer ones are read, shorter ones are not, but for a STATE that ends before the hardware addresses or before
the weight, as older versions send it.
A kind that a version does not know is counted and ignored there.
"""

from collections.abc import Callable, Sequence

import msgpack

from momentum_node.bus.contract import Member
from momentum_node.duravip.catalogue import DIGEST_BYTES, Catalogue, MessageError, unpack
from momentum_node.duravip.fields import (
    addresses,
    bits,
    count,
    exactly,
    field,
    flag,
    items,
    number,
    octets,
    packed,
    text,
)
from momentum_node.duravip.messages import (
    VERSION,
    Balance,
    Beacon,
    Cleared,
    Contested,
    Defs,
    Drain,
    Envelope,
    Facts,
    Failed,
    Fragment,
    Heartbeat,
    Mature,
    Message,
    Move,
    Pin,
    Released,
    State,
    StrangerVersion,
    Suspect,
    UnknownKind,
)
from momentum_node.duravip.quorum import Rule
from momentum_node.duravip.weights import MOST_WEIGHT, UNSAID

MOST_FALLBACKS = 63
MOST_MACS = 64
MAC_BYTES = 6


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
    fields = items(value, 1)
    if fields[0] != VERSION:
        raise StrangerVersion(f"version {fields[0]!r:.20} is not spoken here")
    items(fields, 6)
    incarnation, sequence = number(fields[2]), number(fields[3])
    if fields[1] == "F":
        items(fields, 7)
        return Fragment(incarnation, sequence, count(fields[4]), count(fields[5]), octets(fields[6]))
    read = _READERS.get(text(fields[1]))
    if read is None:
        raise UnknownKind(f"kind {fields[1]!r:.20} is not known")
    return Envelope(incarnation, sequence, read(fields[5]))


def _body(message: Message) -> tuple[str, Sequence[object]]:
    return type(message).__name__.upper(), _WRITERS[type(message)](message)


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
        field(state.holds),
        field(state.owns),
        field(facts.claims),
        field(facts.unusable),
        facts.unusable_reason,
        {reason: field(failed) for reason, failed in state.failed},
        packed(state.strays),
        state.starting,
        [field(claims) for claims in facts.fallbacks],
        state.departures,
        [[member.node_id, member.pid] for member in state.suspected],
        [[pin.address.packed, pin.incarnation, pin.stamp] for pin in state.pins],
        facts.balance_set_size,
        list(facts.macs),
        facts.weight,
        field(facts.unsure),
        field(facts.doubtful),
        facts.doubt,
    ]


def _read_state(value: object) -> State:
    body = items(value, 23)
    rule = items(body[8], 3)
    facts = Facts(
        name=text(body[2]),
        address=text(body[3]),
        draining=flag(body[5]),
        cordoned=flag(body[6]),
        claiming=flag(body[7]),
        rule=Rule(flag(rule[0]), frozenset(number(node) for node in items(rule[1], 0)), count(rule[2])),
        digest=exactly(body[9], DIGEST_BYTES),
        claims=bits(body[12]),
        unusable=bits(body[13]),
        unusable_reason=text(body[14]),
        fallbacks=tuple(bits(claims) for claims in items(body[18], 0)[:MOST_FALLBACKS]),
        balance_set_size=count(body[22]),
        macs=tuple(exactly(mac, MAC_BYTES) for mac in items(body[23], 0)[:MOST_MACS]) if len(body) > 23 else (),
        weight=_weight(body[24]) if len(body) > 24 else UNSAID,
        unsure=bits(body[25]) if len(body) > 27 else 0,
        doubtful=bits(body[26]) if len(body) > 27 else 0,
        doubt=text(body[27]) if len(body) > 27 else "",
    )
    if not isinstance(body[15], dict):
        raise MessageError("failed addresses were expected by reason")
    return State(
        gather=flag(body[0]),
        view=octets(body[1]),
        mature=flag(body[4]),
        facts=facts,
        holds=bits(body[10]),
        owns=bits(body[11]),
        failed=tuple(sorted((text(reason), bits(failed)) for reason, failed in body[15].items())),
        strays=addresses(body[16]),
        starting=flag(body[17]),
        departures=tuple(_departure(items(row, 2)) for row in items(body[19], 0)),
        suspected=tuple(_member(items(row, 2)) for row in items(body[20], 0)),
        pins=tuple(_pin(items(row, 3)) for row in items(body[21], 0)),
    )


def _weight(value: object) -> int:
    if 0 < (found := number(value)) <= MOST_WEIGHT:
        return found
    raise MessageError(f"a weight from 1 to {MOST_WEIGHT} was expected, not {found}")


def _departure(row: list[object]) -> tuple[str, int]:
    return text(row[0]), count(row[1])


def _member(row: list[object]) -> Member:
    return Member(number(row[0]), number(row[1]))


def _pin(row: list[object]) -> Pin:
    return Pin(unpack(row[0]), number(row[1]), number(row[2]))


def _read_released(value: object) -> Released:
    body = items(value, 2)
    return Released(addresses(body[0]), addresses(body[1]))


def _read_failed(value: object) -> Failed:
    body = items(value, 2)
    return Failed(addresses(body[0]), text(body[1]))


def _read_contested(value: object) -> Contested:
    body = items(value, 2)
    mac = octets(body[1])
    return Contested(addresses(body[0]), exactly(mac, MAC_BYTES) if mac else mac)


def _read_move(value: object) -> Move:
    body = items(value, 2)
    return Move(unpack(body[0]), text(body[1]))


def _read_suspect(value: object) -> Suspect:
    body = items(value, 4)
    return Suspect(octets(body[0]), _member(body[1:3]), number(body[3]))


def _read_heartbeat(value: object) -> Heartbeat:
    body = items(value, 3)
    return Heartbeat(octets(body[0]), number(body[1]), octets(body[2]))


def _read_balance(value: object) -> Balance:
    body = items(value, 2)
    return Balance(octets(body[0]), count(body[1]))


_WRITERS: dict[type, Callable[..., Sequence[object]]] = {
    State: _state_body,
    Defs: lambda m: [m.catalogue.encoded],
    Mature: lambda m: [m.view],
    Balance: lambda m: [m.view, m.limit],
    Move: lambda m: [m.address.packed, m.node],
    Suspect: lambda m: [m.view, m.member.node_id, m.member.pid, m.incarnation],
    Heartbeat: lambda m: [m.view, m.events, m.digest],
    Beacon: lambda _: [],
    Released: lambda m: [packed(m.removed), packed(m.unused)],
    Failed: lambda m: [packed(m.addresses), m.reason],
    Cleared: lambda m: [packed(m.addresses)],
    Contested: lambda m: [packed(m.addresses), m.mac],
    Drain: lambda _: [],
}

_READERS: dict[str, Callable[[object], Message]] = {
    "STATE": _read_state,
    "DEFS": lambda value: Defs(Catalogue.decode(octets(items(value, 1)[0]))),
    "MATURE": lambda value: Mature(octets(items(value, 1)[0])),
    "BALANCE": _read_balance,
    "MOVE": _read_move,
    "SUSPECT": _read_suspect,
    "HEARTBEAT": _read_heartbeat,
    "BEACON": lambda _: Beacon(),
    "RELEASED": _read_released,
    "FAILED": _read_failed,
    "CLEARED": lambda value: Cleared(addresses(items(value, 1)[0])),
    "CONTESTED": _read_contested,
    "DRAIN": lambda _: Drain(),
}
