"""What the configuration says about moves. Pure."""

from dataclasses import dataclass
from typing import Final

from momentum_node.config.endpoints import DEFAULT_PORTS, endpoint
from momentum_node.config.tree import Scope
from momentum_node.config.values import Throttle

PORT: Final = DEFAULT_PORTS["eccluster_listener"]
MOST_CONNECTIONS: Final = 8
BACKGROUND_PER_S: Final = 100.0


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one generation."""

    most_connections: int = MOST_CONNECTIONS  # to one node, of all workers
    background_per_s: float = BACKGROUND_PER_S  # messages that came in on the wrong node; 0 = no limit
    is_suspended: bool = False  # global Suspend_Delivery stops moves too
    rebinds: bool = True  # unconditional_rebind


def terms_of(tree: Scope) -> Terms:
    """The terms of a generation."""
    cluster = tree.only("cluster") or Scope()
    most, throttle = cluster.value("mmove_max_connections"), cluster.value("mmove_throttle_messages")
    return Terms(
        most if isinstance(most, int) else MOST_CONNECTIONS,
        throttle.number / throttle.seconds if isinstance(throttle, Throttle) else BACKGROUND_PER_S,
        tree.value("suspend_delivery") is True,
        cluster.value("unconditional_rebind") is not False,
    )


def cluster_port(tree: Scope) -> int:
    """Where the nodes' cluster listeners are: the port of the first `Listen` that names one; the same on all nodes."""
    for listener in tree.all("eccluster_listener"):
        for listen in listener.all("listen"):
            try:
                return endpoint(listen.instance or "", PORT).port
            except ValueError:  # the check has complained of it
                continue
    return PORT
