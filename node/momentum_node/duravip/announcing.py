"""When to announce which address: breadth first, at a bounded rate. Knows no packet and no socket.

Each address at 0, 1, 2 and 10 s after it came, up to a tenth later so that nodes do not speak all at once (cluster
§2.12, failover R15), one announcement for every address before the second for any. The first 2,048 go at once, for a
third of 10,240 addresses must not wait for each other; then 500 a second: switches throttle what comes faster for long,
and then the one that mattered is lost. What was announced before never takes the room of what came just now.
"""

import heapq
from typing import Final
from zlib import crc32

DELAYS_S: Final = (0.0, 1.0, 2.0, 10.0)
JITTER: Final = 0.1
"""Of each delay, by the address: what is announced together the first time is spread the next times."""
RATE: Final = 500.0
NEW_BURST: Final = 2048.0
BURST: Final = NEW_BURST + 512
"""What was announced before has the smaller part only, and what nobody else needs of the rate."""
RESERVES: Final = (0.0, *(NEW_BURST for _ in DELAYS_S[1:]))
"""Tokens that each round leaves to those before it."""


class Announcer:
    """A schedule of announcements with one token bucket."""

    def __init__(self) -> None:
        self._rounds: list[list[tuple[float, bytes, int]]] = [[] for _ in DELAYS_S]
        self._current: dict[bytes, int] = {}  # address → its latest series; an older one is void
        self._series = 0
        self._tokens = BURST
        self._filled = 0.0
        self._is_quiet = False

    def be_quiet(self, is_quiet: bool) -> None:
        """Announce nothing (`arp_all_hosts = false`: hosts are told one by one), or announce again."""
        self._is_quiet = is_quiet
        if is_quiet:
            self._current.clear()

    def start(self, address: bytes, now: float, *, is_known: bool = False) -> None:
        """Announce `address` now and at the later times; a running series of it begins anew.

        `is_known`: the neighbours were told before, and it was nowhere else since: new addresses go first.
        """
        if self._is_quiet:
            return
        self._series += 1
        self._current[address] = self._series
        stretched = 1 + JITTER * crc32(address) / 2**32
        queues = (self._rounds[1] if is_known else self._rounds[0], *self._rounds[1:])
        for queue, delay in zip(queues, DELAYS_S, strict=True):
            heapq.heappush(queue, (now + delay * stretched, address, self._series))

    def stop(self, address: bytes) -> None:
        """The address is given up: nothing more of it goes out (failover R8)."""
        self._current.pop(address, None)

    def due(self, now: float, limit: int) -> list[bytes]:
        """The addresses to announce now, at most `limit`, first rounds first."""
        self._fill(now)
        chosen: list[bytes] = []
        for queue, reserve in zip(self._rounds, RESERVES, strict=True):
            while self._prune(queue) and queue[0][0] <= now and self._tokens >= 1 + reserve and len(chosen) < limit:
                chosen.append(heapq.heappop(queue)[1])
                self._tokens -= 1
        return chosen

    def next_time(self, now: float) -> float | None:
        """When to call `due` again; None = everything was said."""
        times = (
            max(queue[0][0], now + max(0.0, 1 + reserve - self._tokens) / RATE)
            for queue, reserve in zip(self._rounds, RESERVES, strict=True)
            if self._prune(queue)
        )
        return min(times, default=None)

    def _prune(self, queue: list[tuple[float, bytes, int]]) -> bool:
        while queue and self._current.get(queue[0][1]) != queue[0][2]:
            heapq.heappop(queue)
        return bool(queue)

    def _fill(self, now: float) -> None:
        self._tokens = min(BURST, self._tokens + (now - self._filled) * RATE)
        self._filled = now
