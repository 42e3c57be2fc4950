"""Which node of a cluster has which address, from the kernels of the nodes and no word of ours."""

from __future__ import annotations

import time
from functools import partial

from tests.cluster.provider import ClusterProvider
from tests.support.addresswatch import AddressWatch, Change, held_by_two, on_nic, told


def holders(cluster: ClusterProvider, address: str) -> list[str]:
    """The nodes that have the address on a NIC now."""
    return [node.name for node in cluster.nodes() if address in on_nic(partial(cluster.in_node, node.name))]


class ClusterWatch:
    """Follows the addresses of every node from construction to `close`."""

    def __init__(self, cluster: ClusterProvider) -> None:
        self._watches = [AddressWatch(node.name, partial(cluster.in_node, node.name)) for node in cluster.nodes()]

    def close(self) -> None:
        for watch in self._watches:
            watch.close()

    def changes(self, address: str) -> list[Change]:
        """What happened to one address, in order of time."""
        found = [change for watch in self._watches for change in watch.changes if change.address == address]
        return sorted(found, key=lambda change: change.at)

    def held_by_two(self, address: str, since: float) -> float:
        """The longest time in seconds after `since` during which more than one kernel had the address."""
        return held_by_two(self.changes(address), since, time.monotonic())

    def told(self, address: str, since: float) -> str:
        """What happened to one address, in seconds after `since`."""
        return told(self.changes(address), since)
