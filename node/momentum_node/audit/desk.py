"""The core's side: keeps what the mail workers tell of clients, and answers who asks."""

import asyncio
from ipaddress import ip_address
from typing import Final

from momentum_node.audit.windows import STEP, Audited, Counts, Windows
from momentum_node.audit.words import Answer, answered
from momentum_node.clock import monotonic, wall
from momentum_node.config.model import InboundAudit, Network

_NEVER: Final = float("inf")


class AuditDesk:
    """One per core. What a core before this one was told is gone with it: counts begin anew."""

    def __init__(self) -> None:
        self._windows = Windows()
        self._epoch = wall() - monotonic()  # windows are aligned to the epoch, and steps of the clock move none
        self._interval_s = self._clean_at = _NEVER

    @property
    def addresses(self) -> int:
        """Of how many clients something is kept."""
        return len(self._windows)

    def configure(self, audit: InboundAudit | None) -> None:
        """Keep this from now on; None: nothing."""
        self._windows.configure(audit.monitors if audit is not None else ())
        self._interval_s = audit.maintenance_interval_s if audit is not None else _NEVER
        self._clean_at = min(self._clean_at, self._now() + self._interval_s)

    def hear(self, told: Audited) -> None:
        """A worker tells what clients did."""
        now = self._now()
        for client, *counts in told.clients:
            self._windows.note(ip_address(client), Counts(*counts), told.at + self._epoch, now)
        if now >= self._clean_at and not self._windows.clean_up(now, STEP):
            self._clean_at = now + self._interval_s

    async def answer(self, block: Network) -> Answer | None:
        """What the addresses of a block did; None: nothing is counted here. Others are served meanwhile."""
        if not self._windows.monitors:
            return None
        look = self._windows.look(block)
        for _ in range(0, look.addresses, STEP):
            look.step()
            await asyncio.sleep(0)
        return answered(block, look, self._windows.dropped, self._now())

    def _now(self) -> float:
        return monotonic() + self._epoch
