"""What a member declares about addresses, as DEFS carries it: content that its digest names.

    [ [address 4|16 bytes, [service …], [binding …], followed address or empty, apart group or empty] … ]

Rows are sorted by address, each once.

Members with the same catalogue never send it (cluster §1.5). Claims are not part of it: they differ from node to node
by design and travel as a set in STATE.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import msgpack

from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Index
from momentum_node.duravip.vip import Definition, address_order
from momentum_node.errors import ProtocolError

DIGEST_BYTES = 16


class MessageError(ProtocolError):
    """A message of the group that is not what its envelope says."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One address: what is bound to it, whose owner it wants, and what it should not be together with."""

    services: tuple[str, ...]
    bindings: tuple[str, ...]
    follow: Address | None = None
    apart: str = ""


class Catalogue:
    """Addresses with their entries, and the digest of it all."""

    __slots__ = ("digest", "encoded", "entries", "index", "special")

    def __init__(self, entries: dict[Address, Entry], encoded: bytes) -> None:
        """`entries` sorted by address; `encoded` is their one encoding. Use `of` or `decode`."""
        self.index = Index(tuple(entries))
        self.entries = entries
        self.encoded = encoded
        self.special = {address: entry for address, entry in entries.items() if entry.follow or entry.apart}
        self.digest = hashlib.sha256(encoded).digest()[:DIGEST_BYTES]

    @classmethod
    def of(cls, definitions: Iterable[Definition]) -> "Catalogue":
        """The catalogue of a configuration."""
        ordered = sorted(definitions, key=lambda d: address_order(d.address))
        entries = {
            d.address: Entry(tuple(sorted(d.services)), tuple(sorted(d.bindings)), d.follow, d.apart) for d in ordered
        }
        rows = [[address.packed, *_row(entry)] for address, entry in entries.items()]
        return cls(entries, bytes(msgpack.packb(rows)))

    @classmethod
    def decode(cls, encoded: bytes) -> "Catalogue":
        """Raises `MessageError` (also for an unsorted one: positions in sets would mean something else)."""
        try:
            rows = msgpack.unpackb(encoded)
            entries = {unpack(row[0]): _entry(row) for row in rows}
        except (ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException) as error:
            raise MessageError(f"definitions cannot be read: {error}") from error
        order = [address_order(address) for address in entries]
        if order != sorted(order) or len(order) != len(rows):
            raise MessageError("definitions are not in the order of their addresses")
        return cls(entries, encoded)


def _row(entry: Entry) -> list[object]:
    follow = entry.follow.packed if entry.follow else b""
    return [entry.services, entry.bindings, follow, entry.apart]


def _entry(row: Sequence[object]) -> Entry:
    apart = row[4]
    if not isinstance(apart, str):
        raise MessageError(f"the name of a group was expected, not {apart!r:.40}")
    return Entry(_words(row[1]), _words(row[2]), unpack(row[3]) if row[3] != b"" else None, apart)


def unpack(packed: object) -> Address:
    """An address from its 4 or 16 bytes. Raises `MessageError`."""
    if isinstance(packed, bytes) and len(packed) == 4:
        return IPv4Address(packed)
    if isinstance(packed, bytes) and len(packed) == 16:
        return IPv6Address(packed)
    raise MessageError(f"an address of 4 or 16 bytes was expected, not {packed!r:.40}")


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise MessageError(f"a list of words was expected, not {value!r:.40}")
