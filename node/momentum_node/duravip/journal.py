"""The plumb journal: which addresses this node put on its interfaces, one line each, written before the kernel call.

    + eth0 192.0.2.41/32
    - eth0 192.0.2.41/32

A blank line is before what was written together. For kernels before 5.18, which keep no mark on an address: what an
earlier run left is found here. A reboot takes the addresses with it, so nothing is synced to disk.
"""

import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

Entry: TypeAlias = tuple[str, bytes, int]
"""Interface name, packed address, prefix length."""


class PlumbJournal:
    """A file of additions and removals; None as path keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def left(self) -> set[Entry]:
        """What was added and not removed; lines that are no entries (a torn last one) are passed over."""
        if self._path is None or not self._path.exists():
            return set()
        entries: set[Entry] = set()
        for line in self._path.read_text("ascii", "replace").splitlines():
            with suppress(ValueError, OSError):
                sign, interface, network = line.split(" ")
                (entries.add if sign == "+" else entries.discard)(_parse(interface, network))
        return entries

    def clear(self) -> None:
        """Forget everything: called once nothing of it is left in the kernel."""
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(b"")

    def adding(self, entries: Iterable[Entry]) -> None:
        """To be called before the kernel is asked. Raises `OSError` when the line cannot be written."""
        self._append("+", entries)

    def removed(self, entries: Iterable[Entry]) -> None:
        """To be called after the kernel confirmed; a failure costs one look at the next start."""
        with suppress(OSError):
            self._append("-", entries)

    def _append(self, sign: str, entries: Iterable[Entry]) -> None:
        if self._path is None:
            return
        text = "".join(f"{sign} {interface} {_text(address)}/{length}\n" for interface, address, length in entries)
        text = f"\n{text}"  # the disk may have been full in the middle of the last line
        with self._path.open("ab") as file:
            file.write(text.encode("ascii"))


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def _parse(interface: str, network: str) -> Entry:
    address, length = network.split("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return interface, socket.inet_pton(family, address), int(length)
