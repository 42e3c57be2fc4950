"""Which node has which address over time, from the kernels of the nodes: netlink notices and no word of ours."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from dataclasses import dataclass

from tests.cluster.provider import ClusterProvider


@dataclass(frozen=True)
class Change:
    """`address` came to (`held`) or left a NIC of `node` at `at` (monotonic seconds)."""

    at: float
    node: str
    address: str
    held: bool


def on_nic(cluster: ClusterProvider, node: str) -> set[str]:
    """Every address that the node's kernel has now."""
    listed = subprocess.run(cluster.in_node(node, ["ip", "-j", "address"]), capture_output=True, text=True, check=True)
    return {entry["local"] for link in json.loads(listed.stdout) for entry in link.get("addr_info", [])}


def holders(cluster: ClusterProvider, address: str) -> list[str]:
    """The nodes that have the address on a NIC now."""
    return [node.name for node in cluster.nodes() if address in on_nic(cluster, node.name)]


class AddressWatch:
    """Follows every node's addresses from construction to `close`. Renewed leases are not changes."""

    def __init__(self, cluster: ClusterProvider) -> None:
        self.changes: list[Change] = []
        self._followers = [_Follower(cluster, node.name, self.changes) for node in cluster.nodes()]

    def close(self) -> None:
        for follower in self._followers:
            follower.close()

    def held_by_two(self, address: str, since: float) -> float:
        """The longest time in seconds after `since` during which more than one kernel had the address."""
        having: set[str] = set()
        longest, began = 0.0, None
        for change in sorted((c for c in self.changes if c.address == address), key=lambda c: c.at):
            (having.add if change.held else having.discard)(change.node)
            if began is not None:
                longest = max(longest, change.at - max(began, since))
            began = change.at if len(having) > 1 else None
        return max(longest, time.monotonic() - max(began, since)) if began is not None else longest


class _Follower:
    """One node's `ip monitor`, read by a thread."""

    def __init__(self, cluster: ClusterProvider, node: str, changes: list[Change]) -> None:
        self._node, self._changes = node, changes
        command = cluster.in_node(node, ["ip", "-o", "monitor", "address"])
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # What changes between the two is in both: a set makes that harmless.
        self._held = on_nic(cluster, node)
        now = time.monotonic()
        changes.extend(Change(now, node, address, held=True) for address in sorted(self._held))
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            words = line.split()
            gone = words[0] == "Deleted"
            address = words[4 if gone else 3].partition("/")[0]
            if gone == (address in self._held):
                (self._held.discard if gone else self._held.add)(address)
                self._changes.append(Change(time.monotonic(), self._node, address, held=not gone))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()
