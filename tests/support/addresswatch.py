"""Which node has which address, and since when: read from the kernels' own notices, not from what our nodes say."""

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

Enter = Callable[[Sequence[str]], list[str]]
"""The command line that runs a command in a node's network."""

TWO_KERNELS_LIMIT_S = 0.25
"""Each node's monitor is a process, and dates what it tells when it comes to run: on a busy machine two may be that far
apart that were not."""


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


def told(changes: Iterable[Change], since: float) -> str:
    """One line a change, in seconds after `since`: for a person who wonders."""
    ordered = sorted(changes, key=lambda change: change.at)
    return "\n".join(
        f"{change.at - since:+.3f} s: {change.address} {'came to' if change.held else 'left'} {change.node}"
        for change in ordered
    )


def _monotonic(stamp: str) -> float:
    """`[2026-11-22T10:00:00.123456]` of `ip -ts`, in UTC, on this process's monotonic clock."""
    ago = time.time() - datetime.fromisoformat(stamp.strip("[]") + "+00:00").timestamp()
    return time.monotonic() - ago


class AddressWatch:
    """Follows `ip monitor address` of one node until closed. Lease renewals are not changes.

    What the node has at the beginning is in `changes` too; `on_change` hears what comes and goes afterwards. A change
    is dated by the monitor, which is early in the queue for a processor, and not when this process came to read of it.
    """

    def __init__(self, node: str, enter: Enter, on_change: Callable[[Change], None] = lambda change: None) -> None:
        self._node, self._on_change = node, on_change
        monitor = enter(["env", "TZ=UTC", "ip", "-o", "-ts", "monitor", "address"])
        self._process = subprocess.Popen(monitor, stdout=subprocess.PIPE, text=True)
        with contextlib.suppress(OSError):  # who may not: the monitor waits its turn
            os.setpriority(os.PRIO_PROCESS, self._process.pid, -19)
        # After the monitor: what changes between the two is in both, and a set makes that harmless.
        self._held = on_nic(enter)
        now = time.monotonic()
        self.changes = [Change(now, node, address, held=True) for address in sorted(self._held)]
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            stamp, *words = line.split()
            gone = words[0] == "Deleted"
            address = words[4 if gone else 3].partition("/")[0]
            if gone == (address in self._held):
                self._take(Change(_monotonic(stamp), self._node, address, held=not gone))

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
