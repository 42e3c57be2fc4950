"""Counts of addresses, summed up for every block at which two of them part (cluster §3.4). Pure.

    10.0.0.0/24  5 ── 10.0.0.103/32  1           a binary trie, paths without a fork left out; IPv4 and IPv6 apart
                   └─ 10.0.0.180/31  4 ── …

A fork stays as long as anything is counted below it, also when one of its branches is empty by now: which blocks are
shown depends on what was counted before. What they sum up to does not.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from momentum_node.config.model import Address, Network

_BITS: Final = {4: 32, 6: 128}


class _Node:
    """A block: its bits from the left, filled up with zeros, and how many of them count."""

    __slots__ = ("branches", "length", "number", "size")

    def __init__(self, number: int, length: int, size: int) -> None:
        self.number, self.length, self.size = number, length, size
        self.branches: list[_Node | None] = [None, None]


class CidrTree:
    """Counts of addresses; none is ever below 0."""

    def __init__(self) -> None:
        self._roots: dict[int, _Node | None] = {4: None, 6: None}

    def __bool__(self) -> bool:
        return any(self._roots.values())

    def add(self, address: Address, change: int) -> None:
        """Count so many more of an address, or less; never less than there are."""
        bits = _BITS[address.version]
        if change < 0:
            change = -min(-change, self._sum(address.version, int(address), bits))
        if change:
            root = self._roots[address.version]
            self._roots[address.version] = _changed(root, int(address), change, bits)

    def sum(self, block: Network) -> int:
        """How many are counted in a block, whether it is shown or not."""
        return self._sum(block.version, int(block.network_address), block.prefixlen)

    def show(self) -> Iterator[tuple[Network, int]]:
        """Every block that is kept, the larger ones first, low before high, IPv4 before IPv6."""
        for version, root in self._roots.items():
            kind = IPv4Network if version == 4 else IPv6Network
            waiting = [root]
            while waiting:
                node = waiting.pop()
                if node is not None:
                    yield kind((node.number, node.length)), node.size
                    waiting += reversed(node.branches)

    def _sum(self, version: int, number: int, length: int) -> int:
        bits = _BITS[version]
        node = self._roots[version]
        while node is not None and node.length < length:
            if (node.number ^ number) >> (bits - node.length):
                return 0
            node = node.branches[number >> (bits - node.length - 1) & 1]
        return 0 if node is None or (node.number ^ number) >> (bits - length) else node.size


def _changed(root: _Node | None, number: int, change: int, bits: int) -> _Node | None:
    """The tree after that change of one address, which is there when `change` is below 0."""
    top = _Node(0, 0, 0)  # above the root, so that every node has one above it
    top.branches[0] = root
    above, side = top, 0
    while True:
        node = above.branches[side]
        if node is None:
            above.branches[side] = _Node(number, bits, change)
            break
        apart = (node.number ^ number) >> (bits - node.length)
        if apart:
            above.branches[side] = _fork(node, number, change, node.length - apart.bit_length(), bits)
            break
        node.size += change
        if not node.size:
            above.branches[side] = None  # with all below it
            break
        if node.length == bits:
            break
        above, side = node, number >> (bits - node.length - 1) & 1
    return top.branches[0]


def _fork(node: _Node, number: int, change: int, length: int, bits: int) -> _Node:
    """Where a new address parts from a block: the first `length` bits are those of both."""
    rest = bits - length
    fork = _Node(number >> rest << rest, length, node.size + change)
    side = number >> (rest - 1) & 1
    fork.branches[side] = _Node(number, bits, change)
    fork.branches[1 - side] = node
    return fork
