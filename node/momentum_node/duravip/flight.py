"""What the flight recorder writes: every input of the DuraVIP machine, every list of effects, and its bytes.

    segment    "MOMENTUM-FLIGHT-1\\n"  chunk …
    chunk      length u32 | CRC-32 of the bytes u32 | bytes of one deflate stream, ended by a sync flush
    stream     record …                 a stream is one segment; each chunk can be read once those before it were
    record     length u32 | pickle of an entry

A segment begins with `Opened` and, when there is a machine, a `Snapshot`: it can be replayed without those before it.
What is damaged ends its segment; the next one begins anew. Pickle is read with an allow-list: only what the modules
that do no I/O define can come out of a file, so a changed file can make wrong values and nothing else.
"""

import io
import pickle
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.vip import Effect
from momentum_node.errors import MomentumError

MAGIC: Final = b"MOMENTUM-FLIGHT-1\n"
_CHUNK: Final = struct.Struct(">II")
_LENGTH: Final = struct.Struct(">I")

_PLAIN: Final = {
    "builtins": {"set", "frozenset", "bytearray", "object"},
    "collections": {"deque", "Counter", "OrderedDict", "defaultdict"},
    "ipaddress": {"IPv4Address", "IPv6Address"},
}
DRIVERS: Final = {
    *(
        "actuator",
        "announcing",
        "arp",
        "batches",
        "driver",
        "ether",
        "executor",
        "journal",
        "leases",
        "link",
        "listeners",
    ),
    *("neighbour", "neighbourhood", "plumbing", "probing", "recorder", "records", "roundtrips", "rtnetlink"),
    *("sockdiag", "surroundings", "turns"),
}
"""The modules of this package that act; nothing of theirs is in a machine, or comes out of a file."""


class FlightError(MomentumError):
    """A flight recording that cannot be read."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A segment begins: whose, written by which version, and both clocks at that moment."""

    node: str
    version: str
    wall: float
    at: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The machine as it was before the next input. `is_new`: it was just made (the node joins anew)."""

    machine: bytes
    is_new: bool


@dataclass(frozen=True, slots=True)
class Input:
    """A call of the machine's `on_…`; `at` is the `now` it was given."""

    at: float
    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Did:
    """What `effects()` handed out; empty lists are not recorded, for nothing changes then."""

    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What happened around the machine, in words: the bus was lost, the supervisor said something."""

    at: float
    text: str


Entry: TypeAlias = Opened | Snapshot | Input | Did | Note


def encode(entry: Entry) -> bytes:
    """One record."""
    data = pickle.dumps(entry, protocol=5)
    return _LENGTH.pack(len(data)) + data


def snapshot(machine: DuraVip, *, is_new: bool) -> Snapshot:
    """The machine's state, whatever subclass watches it."""
    plain = DuraVip.__new__(DuraVip)
    plain.__dict__.update({name: value for name, value in vars(machine).items() if not name.startswith("_recorded_")})
    return Snapshot(pickle.dumps(plain, protocol=5), is_new)


def restore(snapshot: Snapshot) -> DuraVip:
    """The machine of a snapshot. Raises `FlightError`, also for one of a version whose machine was another."""
    machine = _load(snapshot.machine)
    if not isinstance(machine, DuraVip):
        raise FlightError("a snapshot holds no machine")
    return machine


class Packer:
    """Puts records into chunks of one segment's stream."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(3, zlib.DEFLATED, -zlib.MAX_WBITS)

    def chunk(self, records: bytes) -> bytes:
        """The bytes to append to the segment; whoever has them can read these records."""
        data = self._deflate.compress(records) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _CHUNK.pack(len(data), zlib.crc32(data)) + data


def entries(segment: bytes) -> Iterator[Entry]:
    """The entries of one segment, up to its end or its first damage. Raises `FlightError` when it is no segment."""
    if not segment.startswith(MAGIC):
        raise FlightError("it does not begin as a flight recording does")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    rest, at = b"", len(MAGIC)
    while (data := _chunk(segment, at)) is not None:
        at += _CHUNK.size + len(data)
        try:
            rest += inflate.decompress(data)
            whole, rest = _split(rest)
            yield from [_entry(record) for record in whole]
        except (zlib.error, FlightError):
            return


def is_whole(segment: bytes) -> bool:
    """Nothing of it is cut short or damaged."""
    at = len(MAGIC)
    while (data := _chunk(segment, at)) is not None:
        at += _CHUNK.size + len(data)
    return at == len(segment)


def _chunk(segment: bytes, at: int) -> bytes | None:
    if at + _CHUNK.size > len(segment):
        return None
    length, checksum = _CHUNK.unpack_from(segment, at)
    data = segment[at + _CHUNK.size : at + _CHUNK.size + length]
    return data if len(data) == length and zlib.crc32(data) == checksum else None


def _split(stream: bytes) -> tuple[list[bytes], bytes]:
    records, at = [], 0
    while at + _LENGTH.size <= len(stream):
        (length,) = _LENGTH.unpack_from(stream, at)
        if at + _LENGTH.size + length > len(stream):
            break
        records.append(stream[at + _LENGTH.size : at + _LENGTH.size + length])
        at += _LENGTH.size + length
    return records, stream[at:]


def _entry(record: bytes) -> Entry:
    entry = _load(record)
    if not isinstance(entry, Opened | Snapshot | Input | Did | Note):
        raise FlightError(f"a record holds a {type(entry).__name__}")
    return entry


class _Careful(pickle.Unpickler):
    """Resolves few names only (Python library reference, pickle, "Restricting Globals")."""

    def find_class(self, module: str, name: str) -> Any:
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        if _is_core(module) and getattr(found := super().find_class(module, name), "__module__", "") == module:
            return found  # defined there, not merely imported there
        raise FlightError(f"{module}.{name} has no place in a recording")


def _is_core(module: str) -> bool:
    if module == "momentum_node.bus.contract":
        return True
    package, _, leaf = module.rpartition(".")
    return package == "momentum_node.duravip" and leaf not in DRIVERS


def _load(data: bytes) -> object:
    try:
        return _Careful(io.BytesIO(data)).load()
    except FlightError:
        raise
    except Exception as error:  # pickle raises whatever the bytes make it raise
        raise FlightError(f"not readable by this version: {error}") from error
