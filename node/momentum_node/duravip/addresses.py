"""Sets of addresses as integers: bit i stands for the i-th address of an `Index`.

An election over 10,000 addresses and 64 members is then a few hundred operations on integers instead of 640,000 on
objects, and iteration in bit order is iteration in address order.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from momentum_node.config.model import Address
from momentum_node.duravip.vip import address_order

Bits: TypeAlias = int


class _Remembered:
    """Remembers its hash and its text: the standard library makes them anew each time, a tenth of a failover."""

    __slots__ = ()  # the leaves have them
    _hash: int
    _text: str

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            self._hash = super().__hash__()  # type: ignore[misc]
            return self._hash

    def __str__(self) -> str:
        try:
            return self._text
        except AttributeError:
            self._text = super().__str__()  # type: ignore[misc]
            return self._text


class _Indexed4(_Remembered, IPv4Address):
    __slots__ = ("_hash", "_text")


class _Indexed6(_Remembered, IPv6Address):
    __slots__ = ("_hash", "_text")


def _indexed(address: Address) -> Address:
    if isinstance(address, _Remembered):
        return address
    return _Indexed4(int(address)) if isinstance(address, IPv4Address) else _Indexed6(str(address))


class Index:
    """An ordered list of addresses, each with its position. Immutable."""

    __slots__ = ("_position", "addresses")

    def __init__(self, addresses: Sequence[Address]) -> None:
        """`addresses` must be sorted by `address_order` and free of repetitions; `Index.of` sees to that."""
        self.addresses: tuple[Address, ...] = tuple(map(_indexed, addresses))
        self._position = {address: at for at, address in enumerate(self.addresses)}

    @classmethod
    def of(cls, addresses: Iterable[Address]) -> "Index":
        """The index of any addresses, sorted, each once."""
        return cls(sorted(set(addresses), key=address_order))

    def __len__(self) -> int:
        return len(self.addresses)

    @property
    def everything(self) -> Bits:
        """All addresses."""
        return (1 << len(self.addresses)) - 1

    def bit(self, address: Address) -> Bits:
        """The set of this one address; empty when it is not listed."""
        at = self._position.get(address)
        return 0 if at is None else 1 << at

    def bits(self, addresses: Iterable[Address]) -> Bits:
        """The set of those `addresses` that are listed."""
        found = (self._position.get(address) for address in addresses)
        return pack(at for at in found if at is not None)

    def select(self, bits: Bits) -> list[Address]:
        """The addresses of a set, in order."""
        return [self.addresses[at] for at in positions(bits)]

    def missing(self, addresses: Iterable[Address]) -> list[Address]:
        """Those `addresses` that are not listed."""
        return [address for address in addresses if address not in self._position]


class Translation:
    """Carries sets from one index to another; addresses the other does not list are lost."""

    __slots__ = ("_places", "_source")

    def __init__(self, source: Index, target: Index) -> None:
        self._source = source.everything
        same = source is target or source.addresses == target.addresses
        self._places = None if same else [target.bit(address).bit_length() - 1 for address in source.addresses]

    def __call__(self, bits: Bits) -> Bits:
        """`bits` of the source, as bits of the target."""
        bits &= self._source
        places = self._places
        if places is None or not bits:
            return bits
        return pack(places[at] for at in positions(bits) if places[at] >= 0)


def positions(bits: Bits) -> Iterator[int]:
    """The positions in a set, ascending."""
    text = f"{bits:b}"[::-1]
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


def pack(places: Iterable[int]) -> Bits:
    """The set of these positions."""
    chosen = list(places)
    if not chosen:
        return 0
    field = bytearray(max(chosen) // 8 + 1)
    for at in chosen:
        field[at >> 3] |= 1 << (at & 7)
    return int.from_bytes(field, "little")
