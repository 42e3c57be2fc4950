"""Who owns which binding, as a mail worker knows it: addresses from the core's view, bindings from the configuration.

    core:  Owned(n1, 198.18.0.41 198.18.0.42)  Owned(n2, 198.18.0.43)  Members(n1 n2 n3)

Pure. A binding is looked up when it is asked for: there may be ten thousand of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from momentum_node.config.model import Address, Binding
from momentum_node.worker_link import Members, Owned

CHUNK: Final = 2000
"""Addresses in one frame: of IPv6 these are 32,000 bytes."""
_SIZES: Final = {4: 4, 6: 16}


def told(owned: Mapping[str, Iterable[Address]], members: Iterable[str]) -> tuple[Owned | Members, ...]:
    """The frames that say who owns what, in a fixed order; the last one is `Members`."""
    frames: list[Owned | Members] = []
    for node in sorted(owned):
        addresses = sorted(owned[node], key=lambda one: (one.version, one.packed))
        for start in range(0, len(addresses), CHUNK):
            some = addresses[start : start + CHUNK]
            ipv4, ipv6 = (b"".join(one.packed for one in some if one.version == version) for version in (4, 6))
            frames.append(Owned(node, ipv4, ipv6))
    return (*frames, Members(tuple(sorted(members))))


class Hearing:
    """Puts the frames of a view together."""

    def __init__(self) -> None:
        self._owner: dict[bytes, str] = {}

    def owned(self, frame: Owned) -> None:
        """Some addresses of one node."""
        for packed, size in ((frame.ipv4, _SIZES[4]), (frame.ipv6, _SIZES[6])):
            for start in range(0, len(packed), size):
                self._owner[packed[start : start + size]] = frame.node

    def complete(self) -> dict[bytes, str]:
        """All owners (packed address → node) of the view that `Members` has ended."""
        owner, self._owner = self._owner, {}
        return owner


class BindingOwners(Mapping[str, str | None]):
    """Binding → owner, None while it has none. A binding that moves with no address is not in it."""

    def __init__(self, bindings: Mapping[str, Binding], owner: Mapping[bytes, str]) -> None:
        self._bindings = bindings
        self._owner = owner

    def __getitem__(self, name: str) -> str | None:
        binding = self._bindings[name]
        if not binding.duravip or binding.address is None:
            raise KeyError(name)
        return self._owner.get(binding.address.packed)

    def __iter__(self) -> Iterator[str]:
        return (name for name, one in self._bindings.items() if one.duravip and one.address is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
