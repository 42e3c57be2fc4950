"""Counts for each client address in windows of time (`inbound_audit`, mta §6, cluster §6). Pure: `now` is passed in.

    window 0: the current one     1: the one before     …     `windows`: the oldest complete one that is kept

Windows begin at multiples of their length on the caller's clock, which never goes back. An event counts in the window
of its own time; one that comes later than the window after that counts in the current one.

Memory is bounded: `most` numbers are kept (one address in one window is one of them, or up to three). Where more
come, the addresses that were silent for longest go first, whole, and `dropped` counts them.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from momentum_node.config.model import Address, Monitor, Network

MOST_NUMBERS: Final = 200_000  # 40 MB
STEP: Final = 1_000  # addresses; they take the core 2 ms
_FIRST: Final = {4: 1 << 128, 6: 0}  # IPv4 addresses are numbered behind those of IPv6


@dataclass(frozen=True, slots=True)
class Audited:
    """worker → core: what clients did since `at` (`clock.monotonic`): address, connections, receptions, rejections."""

    at: float
    clients: tuple[tuple[str, int, int, int], ...]


class Counts(NamedTuple):
    """What an address, or a block of them, did."""

    connections: int = 0
    receptions: int = 0
    rejections: int = 0


class Row(NamedTuple):
    """One window of one monitor."""

    window_s: int
    window: int
    counts: Counts


class _Cell(NamedTuple):
    window_s: int
    number: int  # of the window, counted from the beginning of the clock
    kind: int  # of the fields of `Counts`


_cell = lru_cache(4096)(_Cell)  # addresses share them: one of its own would take more memory than the number in it


class Windows:
    """All counts of one node."""

    def __init__(self, most: int = MOST_NUMBERS) -> None:
        self.dropped = 0
        """Addresses that were forgotten before their time, for want of room."""
        self._most = most
        self.monitors: tuple[Monitor, ...] = ()
        self._clients: OrderedDict[int, dict[_Cell, int]] = OrderedDict()  # the one that was silent for longest first
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._clients)

    def configure(self, monitors: Sequence[Monitor]) -> None:
        """Keep these from now on. Counts in windows of a length that was kept before stay."""
        self.monitors = tuple(monitors)
        if not monitors:
            self._clients.clear()
            self._numbers = 0

    def note(self, client: Address, counts: Counts, at: float, now: float) -> None:
        """The client did that at `at`; it is `now` now."""
        if not self.monitors or not any(counts):
            return
        number = _FIRST[client.version] + int(client)
        cells = self._clients.setdefault(number, {})
        self._clients.move_to_end(number)
        before = len(cells)
        for monitor in self.monitors:
            index = _index_of(at, monitor.window_s, now)
            for kind, count in enumerate(counts):
                if count:
                    cell = _cell(monitor.window_s, index, kind)
                    cells[cell] = cells.get(cell, 0) + count
        if len(cells) > before:  # a new window has begun for it
            self._forget_old(cells, now)
            self._numbers += len(cells) - before
            self._make_room()

    def clean_up(self, now: float, most: int) -> bool:
        """Forget up to `most` addresses of which no window is kept any more; whether there may be others."""
        for _ in range(min(most, len(self._clients))):
            number, cells = next(iter(self._clients.items()))
            before = len(cells)
            self._forget_old(cells, now)
            self._numbers -= before - len(cells)
            if cells:  # whoever comes behind it was heard of later
                return False
            del self._clients[number]
        return bool(self._clients)

    def look(self, block: Network) -> "Look":
        """At the addresses of a block."""
        first = _FIRST[block.version] + int(block.network_address)
        behind = first + block.num_addresses
        if behind - first == 1:
            found = self._clients.get(first)
            return Look(self.monitors, [] if found is None else [found])
        return Look(self.monitors, [cells for number, cells in self._clients.items() if first <= number < behind])

    def _forget_old(self, cells: dict[_Cell, int], now: float) -> None:
        oldest = {one.window_s: _index(now, one.window_s) - one.windows for one in self.monitors}
        for cell in [one for one in cells if one.window_s not in oldest or one.number < oldest[one.window_s]]:
            del cells[cell]

    def _make_room(self) -> None:
        while self._numbers > self._most:
            self._numbers -= len(self._clients.popitem(last=False)[1])
            self.dropped += 1


class Look:
    """Sums over addresses that were known when it was made, after a `step` for each `STEP` of them: many take long."""

    def __init__(self, monitors: tuple[Monitor, ...], clients: list[dict[_Cell, int]]) -> None:
        self.addresses = len(clients)
        self._monitors, self._left = monitors, clients
        self._sums: Counter[_Cell] = Counter()

    def step(self) -> None:
        """Sum up some more."""
        for cells in self._left[-STEP:]:
            for cell, count in cells.items():
                self._sums[cell] += count
        del self._left[-STEP:]

    def rows(self, now: float) -> list[Row]:
        """Of each monitor, in its order, all windows, the current one first."""
        return [
            Row(one.window_s, window, self._counts(one.window_s, _index(now, one.window_s) - window))
            for one in self._monitors
            for window in range(one.windows + 1)
        ]

    def _counts(self, window_s: int, index: int) -> Counts:
        return Counts(*(self._sums[_Cell(window_s, index, kind)] for kind in range(len(Counts._fields))))


def _index(at: float, window_s: int) -> int:
    return int(at // window_s)


def _index_of(at: float, window_s: int, now: float) -> int:
    """The window in which an event counts."""
    own, current = _index(at, window_s), _index(now, window_s)
    return own if own in {current, current - 1} else current
