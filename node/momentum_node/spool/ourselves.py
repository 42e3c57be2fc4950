"""Which addresses are this cluster's own: mail that an MX record sends there comes back (mta §8)."""

from contextlib import suppress
from pathlib import Path

from momentum_node import nodelist
from momentum_node.config.model import NodeConfiguration
from momentum_node.errors import ConfigurationError


def own_addresses(node: NodeConfiguration, nodes: Path) -> frozenset[str]:
    """Every DuraVIP, every node of the list in `nodes` as far as there is one, every address that we listen on."""
    found = {str(vip.address) for vip in node.vips}
    found |= {str(one.address) for one in node.listeners if one.address is not None and one.enabled}
    if node.cluster is not None and node.cluster.nodeaddr is not None:
        found.add(str(node.cluster.nodeaddr))
    with suppress(OSError, UnicodeDecodeError, ConfigurationError):  # without a cluster there is none
        found |= {one.address for one in nodelist.parse(nodes.read_text(), str(nodes)).nodes}
    return frozenset(found)
