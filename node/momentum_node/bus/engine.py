"""Which engine: MOMENTUM_BUS as a value.

cpg:             Corosync of this host (the default)
embedded:PATH    processes of this host, through a Unix socket
"""

from momentum_node.bus.contract import Bus
from momentum_node.bus.corosync import CorosyncBus
from momentum_node.bus.embedded import EmbeddedBus, check_path
from momentum_node.errors import BusError


def is_corosync(spec: str) -> bool:
    """Whether the spec names the Corosync of this host."""
    return spec == "cpg:"


def open_bus(spec: str, node_id: int) -> Bus:
    """A new, unconnected bus object for the node `node_id`. Raises `BusError` for a spec that names no engine."""
    kind, _, rest = spec.partition(":")
    match kind, rest:
        case "cpg", "":
            return CorosyncBus(node_id)
        case "embedded", path if path:
            return EmbeddedBus(check_path(path), node_id)
    raise BusError(f"MOMENTUM_BUS is {spec!r}: use cpg: (Corosync) or embedded:/path/of/socket (one host)")
