"""`count SERVICE CIDR|M|M-N`: open connections by blocks of addresses (mta §15). Pure.

SMTP                   sessions of clients              192.0.2.0/24     that block
outbound               connections to next hops         24               every block of that size that has any
outbound/BINDING       those of one binding             8-28             blocks of these sizes at which some part
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Final, NamedTuple

from momentum_node.audit.words import block_of
from momentum_node.config.model import Network
from momentum_node.replication.cidrtree import CidrTree

Row = tuple[Network, int]
_SIZES: Final = re.compile(r"/?([0-9]{1,3})(?:\s*-\s*/?([0-9]{1,3}))?\Z")
_LONGEST: Final = 128


class Sizes(NamedTuple):
    """Prefix lengths."""

    shortest: int
    longest: int


def asked(text: str) -> Network | Sizes:
    """What is to be counted. Raises `ValueError` with what is wrong."""
    found = _SIZES.match(text.strip())
    if found is None:
        return block_of(text)
    sizes = Sizes(int(found[1]), int(found[2] or found[1]))
    if not sizes.shortest <= sizes.longest <= _LONGEST:
        raise ValueError(f"'{text}' is no range of sizes: write 24, or 8-28, at most {_LONGEST}")
    return sizes


def counted(tree: CidrTree, what: Network | Sizes) -> Iterator[Row | None]:
    """Rows in the order of addresses; a block that was asked for by itself also with 0.

    None: some work was done, and there is no row yet. Whoever has others to serve may pause anywhere.
    """
    if not isinstance(what, Sizes):
        return iter([(what, tree.sum(what))])
    if what.shortest == what.longest:
        return _of_size(tree.show(), what.shortest)
    return (row if what.shortest <= row[0].prefixlen <= what.longest else None for row in tree.show())


def _of_size(rows: Iterable[Row], length: int) -> Iterator[Row | None]:
    before: Row | None = None
    for address, count in rows:
        if address.prefixlen < address.max_prefixlen or length > address.max_prefixlen:
            yield None
            continue
        kind = IPv4Network if address.version == 4 else IPv6Network
        block: Network = kind((int(address.network_address), length), strict=False)
        if before is None or before[0] != block:
            yield before
            before = block, count
        else:
            yield None
            before = block, before[1] + count
    yield before


def described(rows: Iterable[tuple[str, int]]) -> str:
    """As the console shows counts of blocks (cluster §3.4)."""
    return "\n".join(f"{count:>7}{'':25}{block}" for block, count in rows)
