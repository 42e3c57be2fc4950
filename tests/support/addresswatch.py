"""Which host has which address, and since when: read from the kernel's own notices, not from what our nodes say."""

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.lab import Host


@dataclass(frozen=True)
class Change:
    """`address` came to (`held`) or left `host` at `at` (monotonic seconds)."""

    at: float
    host: str
    address: str
    held: bool


class AddressWatch:
    """Follows `ip monitor address` of one host until closed. Lease renewals are not changes."""

    def __init__(self, host: Host, on_change: Callable[[Change], None] = lambda change: None) -> None:
        self._host = host
        self._on_change = on_change
        self._held: set[str] = host.addresses()
        self.changes: list[Change] = []
        self._process = subprocess.Popen(
            ["ip", "-n", host.namespace, "-o", "monitor", "address"], stdout=subprocess.PIPE, text=True
        )
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            words = line.split()
            gone = words[0] == "Deleted"
            address = words[4 if gone else 3].partition("/")[0]
            if gone == (address in self._held):
                self._take(Change(time.monotonic(), self._host.name, address, held=not gone))

    def _take(self, change: Change) -> None:
        (self._held.add if change.held else self._held.discard)(change.address)
        self.changes.append(change)
        self._on_change(change)

    def close(self) -> None:
        """End the watch."""
        self._process.terminate()
        self._process.wait()
        self._thread.join(2)
        if self._process.stdout is not None:
            self._process.stdout.close()
