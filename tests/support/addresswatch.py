"""Which node has which address, and since when: read from the kernels' own notices, not from what our nodes say."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Enter = Callable[[Sequence[str]], list[str]]
"""The command line that runs a command in a node's network."""


@dataclass(frozen=True)
class Change:
    """`address` came to (`held`) or left a NIC of `node` at `at` (monotonic seconds)."""

    at: float
    node: str
    address: str
    held: bool


def held_by_two(changes: Iterable[Change], since: float, until: float) -> float:
    """The longest time in seconds between `since` and `until` in which more than one node had the address.

    `changes` are those of one address, in any order, from a time when no node or one had it.
    """
    having: set[str] = set()
    longest, began = 0.0, None
    for change in sorted(changes, key=lambda change: change.at):
        if began is not None:
            longest = max(longest, min(change.at, until) - max(began, since))
        (having.add if change.held else having.discard)(change.node)
        began = None if len(having) < 2 else change.at if began is None else began
    return longest if began is None else max(longest, until - max(began, since))


def on_nic(enter: Enter) -> set[str]:
    """Every address that the kernel has now, of any interface."""
    listed = subprocess.run(enter(["ip", "-j", "address"]), capture_output=True, text=True, check=True)
    return {entry["local"] for link in json.loads(listed.stdout) for entry in link.get("addr_info", [])}


class AddressWatch:
    """Follows `ip monitor address` of one node until closed. Lease renewals are not changes.

    What the node has at the beginning is in `changes` too; `on_change` hears what comes and goes afterwards.
    """

    def __init__(self, node: str, enter: Enter, on_change: Callable[[Change], None] = lambda change: None) -> None:
        self._node, self._on_change = node, on_change
        self._process = subprocess.Popen(enter(["ip", "-o", "monitor", "address"]), stdout=subprocess.PIPE, text=True)
        # After the monitor: what changes between the two is in both, and a set makes that harmless.
        self._held = on_nic(enter)
        now = time.monotonic()
        self.changes = [Change(now, node, address, held=True) for address in sorted(self._held)]
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            words = line.split()
            gone = words[0] == "Deleted"
            address = words[4 if gone else 3].partition("/")[0]
            if gone == (address in self._held):
                self._take(Change(time.monotonic(), self._node, address, held=not gone))

    def _take(self, change: Change) -> None:
        (self._held.add if change.held else self._held.discard)(change.address)
        self.changes.append(change)
        self._on_change(change)

    def close(self) -> None:
        """End the watch; `changes` stays."""
        self._process.terminate()
        self._process.wait()
        self._thread.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()
