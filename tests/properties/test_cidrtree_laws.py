"""Laws of the tree of addresses: every sum is that of a plain table, and what is shown adds up."""

from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_network

import hypothesis.strategies as some
from hypothesis import given

from momentum_node.config.model import Address, Network
from momentum_node.replication.cidrtree import CidrTree

FOUR = some.builds(IPv4Address, some.integers(0, 15) | some.integers(0, 2**32 - 1))
SIX = some.builds(IPv6Address, some.integers(0, 15) | some.integers(0, 2**128 - 1))
CHANGES = some.lists(some.tuples(FOUR | SIX, some.integers(-3, 3)), max_size=60)


def played(changes: list[tuple[Address, int]]) -> tuple[CidrTree, Counter[Address]]:
    tree, table = CidrTree(), Counter[Address]()
    for address, change in changes:
        tree.add(address, change)
        table[address] = max(0, table[address] + change)
    return tree, +table


def around(address: Address, length: int) -> Network:
    return ip_network(f"{address}/{length}", strict=False)


@given(CHANGES)
def test_every_block_sums_up_what_a_table_says(changes: list[tuple[Address, int]]) -> None:
    tree, table = played(changes)
    for address in {address for address, _ in changes}:
        for length in range(0, address.max_prefixlen + 1, 3):
            block = around(address, length)
            inside = sum(count for one, count in table.items() if one.version == block.version and one in block)
            assert tree.sum(block) == inside


@given(CHANGES)
def test_what_is_shown_is_what_is_counted_and_adds_up(changes: list[tuple[Address, int]]) -> None:
    tree, table = played(changes)
    shown = dict(tree.show())
    leaves = {block.network_address: size for block, size in shown.items() if block.prefixlen == block.max_prefixlen}
    assert leaves == table
    assert all(size > 0 for size in shown.values())
    for block, size in shown.items():
        assert size == tree.sum(block)
        assert size == sum(count for one, count in leaves.items() if one.version == block.version and one in block)


@given(CHANGES)
def test_the_larger_block_comes_first_and_low_before_high(changes: list[tuple[Address, int]]) -> None:
    tree, _ = played(changes)
    keys = [(block.version, int(block.network_address), block.prefixlen) for block, _ in tree.show()]
    assert keys == sorted(set(keys))


@given(CHANGES)
def test_everything_that_came_can_go(changes: list[tuple[Address, int]]) -> None:
    tree, table = played(changes)
    for address, count in table.items():
        tree.add(address, -count)
    assert list(tree.show()) == []
