"""Segments: the record format of the spool, as bytes in memory. It knows nothing of mail or files.

A segment file, preallocated; what was never written is zero:

    0      64   header                        all numbers little-endian
    4096   64   the same header again: losing one sector does not lose the segment
    8192        records, each beginning at a multiple of 8, up to the first that is not valid

A header:

    0   8   "MOMSPOOL"
    8   4   CRC-32 of bytes 12 to 63
    12  4   format number (1)
    16  8   segment number
    24  8   salt: random for each segment
    32  8   how far the segment before this one had been synced (0 = not known)
    40  24  zero

A record:

    0   4   "MREC"
    4   4   CRC-32 of the salt, of bytes 8 to 31 and of the payload
    8   4   payload length
    12  1   kind
    13  3   zero
    16  8   segment number
    24  4   offset of this record, in units of 8 bytes
    28  4   how far this segment had been synced when the record was made, in units of 8 bytes
    32      payload, then zeros up to a multiple of 8

The salt keeps mail from forging records: nobody outside knows it, so bytes of a body never pass for a record when
the scan looks for the next valid one behind a damaged place. "How far synced" tells two kinds of damage apart: behind
that mark it is the torn end of a write that was never acknowledged; before it, the disk lost what it had promised.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from momentum_node.errors import SpoolError

FORMAT: Final = 1
READABLE_FORMATS: Final = frozenset({1})
FIRST_RECORD: Final = 8192
HEADER_COPIES: Final = (0, 4096)
ALIGNMENT: Final = 8
TAIL_STEP: Final = 1 << 20  # looked at in one go: a copy of a whole segment would hold up all other threads

_FILE_MARK: Final = b"MOMSPOOL"
_FILE_HEADER: Final = struct.Struct("<8sIIQ8sQ24x")
_RECORD_MARK: Final = b"MREC"
_RECORD_START: Final = struct.Struct("<4sI")
_RECORD_REST: Final = struct.Struct("<IB3xQII")
RECORD_HEADER_BYTES: Final = _RECORD_START.size + _RECORD_REST.size
_PADDING: Final = tuple(b"\0" * size for size in range(ALIGNMENT))


class NewerFormat(SpoolError):
    """Written by a version of this program that came after this one."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says of itself."""

    number: int
    salt: bytes  # 8 bytes
    previous_synced: int = 0
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Record:
    """A valid record: `payload_at` is where its payload begins in the file."""

    kind: int
    payload_at: int
    payload: bytes
    synced: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no record. `acknowledged`: they had been synced once, so the disk broke its word."""

    start: int
    end: int
    acknowledged: bool


Found: TypeAlias = Record | Damage


def encode_header(header: Header) -> bytes:
    """The 64 bytes of a header."""
    packed = _FILE_HEADER.pack(_FILE_MARK, 0, header.format, header.number, header.salt, header.previous_synced)
    return packed[:8] + struct.pack("<I", zlib.crc32(packed[12:])) + packed[12:]


def decode_header(data: bytes) -> Header:
    """The first valid copy. Raises `SpoolError` when there is none, or when the format is not one we read."""
    for at in HEADER_COPIES:
        raw = data[at : at + _FILE_HEADER.size]
        if len(raw) < _FILE_HEADER.size:
            continue
        mark, crc, version, number, salt, previous = _FILE_HEADER.unpack(raw)
        if mark != _FILE_MARK or crc != zlib.crc32(raw[12:]):
            continue
        if version not in READABLE_FORMATS:
            raise NewerFormat(f"segment format {version} is newer than this version can read")
        return Header(number, salt, previous, version)
    raise SpoolError("no valid segment header")


def record_size(payload_size: int) -> int:
    """Bytes that a record takes in the file."""
    size = RECORD_HEADER_BYTES + payload_size
    return size + -size % ALIGNMENT


def encode_record(header: Header, kind: int, payload: Sequence[bytes], offset: int, synced: int) -> list[bytes]:
    """The buffers of one record at `offset` (a multiple of 8); the payload is not copied."""
    size = sum(map(len, payload))
    rest = _RECORD_REST.pack(size, kind, header.number, offset // ALIGNMENT, synced // ALIGNMENT)
    crc = zlib.crc32(rest, zlib.crc32(header.salt))
    for part in payload:
        crc = zlib.crc32(part, crc)
    return [_RECORD_START.pack(_RECORD_MARK, crc) + rest, *payload, _PADDING[-size % ALIGNMENT]]


def _record_at(data: bytes, header: Header, offset: int) -> Record | None:
    """The record at `offset`, or None when there is no valid one."""
    begin = offset + RECORD_HEADER_BYTES
    if begin > len(data):
        return None
    mark, crc = _RECORD_START.unpack_from(data, offset)
    size, kind, number, place, synced = _RECORD_REST.unpack_from(data, offset + _RECORD_START.size)
    if mark != _RECORD_MARK or number != header.number or place != offset // ALIGNMENT or begin + size > len(data):
        return None
    payload = data[begin : begin + size]
    rest = data[offset + _RECORD_START.size : begin]
    if crc != zlib.crc32(payload, zlib.crc32(rest, zlib.crc32(header.salt))):
        return None
    return Record(kind, begin, payload, synced * ALIGNMENT)


def _next_record(data: bytes, header: Header, offset: int) -> int | None:
    """Where the first valid record at or behind `offset` begins."""
    at = data.find(_RECORD_MARK, offset)
    while at >= 0:
        if at % ALIGNMENT == 0 and _record_at(data, header, at) is not None:
            return at
        at = data.find(_RECORD_MARK, at + 1)
    return None


def _tail_end(data: bytes, offset: int) -> int:
    """Where the last byte that is not zero ends, at least `offset`."""
    end = len(data)
    while end > offset and not (kept := data[max(offset, end - TAIL_STEP) : end].rstrip(b"\0")):
        end -= TAIL_STEP
    return offset if end <= offset else max(offset, end - TAIL_STEP) + len(kept)


def scan(data: bytes, header: Header, synced: int = 0) -> Iterator[Found]:
    """All records of a whole segment in order, and what lies damaged between and behind them.

    `synced`: how far the next segment says that this one had been synced. Damage is judged with that and with
    what the records behind it say, so it comes after them.
    """
    offset, damages = FIRST_RECORD, []
    while True:
        record = _record_at(data, header, offset)
        if record is not None:
            synced = max(synced, record.synced)
            yield record
            offset += record_size(len(record.payload))
            continue
        following = _next_record(data, header, offset)
        if following is None:
            break
        damages.append((offset, following))
        offset = following
    damages.append((offset, max(_tail_end(data, offset), min(synced, len(data)))))
    for start, end in damages:
        if start < end:
            yield Damage(start, end, acknowledged=start < synced)
