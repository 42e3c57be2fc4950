"""Checked reading of what msgpack gave: each function returns what it names, or raises `MessageError`."""

from collections.abc import Sequence

from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits
from momentum_node.duravip.catalogue import MessageError, unpack


def items(value: object, least: int) -> list[object]:
    """A list of at least `least`: a body may have grown at its end."""
    if isinstance(value, list) and len(value) >= least:
        return value
    raise MessageError(f"a list of at least {least} was expected, not {value!r:.40}")


def number(value: object) -> int:
    """A natural number."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise MessageError(f"a number was expected, not {value!r:.40}")


def count(value: object) -> int:
    """How many there are of something: no message speaks of 2^31."""
    if (found := number(value)) < 1 << 31:
        return found
    raise MessageError(f"a count was expected, not {found}")


def text(value: object) -> str:
    """Text."""
    if isinstance(value, str):
        return value
    raise MessageError(f"text was expected, not {value!r:.40}")


def flag(value: object) -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    raise MessageError(f"true or false was expected, not {value!r:.40}")


def octets(value: object) -> bytes:
    """Bytes."""
    if isinstance(value, bytes):
        return value
    raise MessageError(f"bytes were expected, not {value!r:.40}")


def exactly(value: object, length: int) -> bytes:
    """That many bytes."""
    if len(data := octets(value)) == length:
        return data
    raise MessageError(f"{length} bytes were expected, not {len(data)}")


def field(bits: Bits) -> bytes:
    """A set, little-endian."""
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def bits(value: object) -> Bits:
    """A set from `field`."""
    return int.from_bytes(octets(value), "little")


def packed(addresses: Sequence[Address]) -> list[bytes]:
    """Addresses as bytes."""
    return [address.packed for address in addresses]


def addresses(value: object) -> tuple[Address, ...]:
    """Addresses from `packed`."""
    return tuple(unpack(item) for item in items(value, 0))
