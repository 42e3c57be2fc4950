"""Asks Corosync once a second how its ring and its links are, beside the event loop: for reports, never for decisions.

Latencies and traffic are left out: each change of the status makes a new report for everybody who waits for one.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from momentum_node.bus import keyfiles, libcmap, rivals
from momentum_node.bus.blocking import in_thread
from momentum_node.bus.libcmap import Map
from momentum_node.bus.ring import PREFIXES, RUNTIME_PREFIX, RingStatus, ring_status
from momentum_node.errors import BusError
from momentum_node.status.report import BusKeyReport

INTERVAL_S = 1.0
TIMEOUT_S = 3.0


class RingWatch:
    """`status` is the newest answer, None before the first; `problem` says why there is no newer one.

    `key` and `rival`: what the bus container publishes of its keys, and of another Corosync that is in its way, beside
    the state of the ring that `conf` describes. `weakness`: why its Corosync may look dead under load.
    """

    def __init__(self, node_id: int, on_change: Callable[[], None], conf: Path | None = None) -> None:
        self._node_id = node_id
        self._on_change = on_change
        self._conf = conf
        self.status: RingStatus | None = None
        self.problem: str | None = None
        self.key: BusKeyReport | None = None
        self.rival: str | None = None
        self.weakness: str | None = None

    async def run(self) -> None:
        """For ever."""
        while True:
            before = self._said()
            try:
                self.status, self.problem = await read_ring(self._node_id), None
            except BusError as error:
                self.problem = str(error)
            if self._conf is not None:
                self.key, self.rival, self.weakness = await asyncio.to_thread(_published, self._conf)
            if self._said() != before:
                self._on_change()
            await asyncio.sleep(INTERVAL_S)

    def _said(self) -> tuple[object, ...]:
        return self.status, self.problem, self.key, self.rival, self.weakness


def _published(conf: Path) -> tuple[BusKeyReport | None, str | None, str | None]:
    return keyfiles.published(conf), rivals.published(conf), rivals.published(conf, rivals.PRIORITY)


async def read_ring(node_id: int) -> RingStatus:
    """The status now. Raises `BusError` when Corosync does not answer within `TIMEOUT_S`, or does not run."""
    return await in_thread("reading cmap", lambda: _read(node_id), TIMEOUT_S)


def _read(node_id: int) -> RingStatus:
    values = libcmap.read(Map.ICMAP, RUNTIME_PREFIX)
    for prefix in PREFIXES:
        values |= libcmap.read(Map.STATS, prefix)
    return ring_status(values, node_id)
