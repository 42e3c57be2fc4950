"""When a node that has no proof of its way out becomes the last choice for addresses (failover R18). Pure.

    unsure     the host that stands for the network does not answer here: told to the others, changes no table
    doubtful   unsure for `CONFIRM_S`, while another member that may have the address is sure: now the last choice

Between the two, others find out whether it answers them. A gateway that is down makes everybody unsure within a second,
and moves nothing; and once an address has moved, a second node's silence does not send it back.
"""

from typing import Final

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Index
from momentum_node.duravip.standing import union
from momentum_node.duravip.table import Table

CONFIRM_S: Final = 2.5
"""Nodes ask each second and are unsure after three silences: they find out within a second of each other."""


class Doubt:
    """What one node is unsure of, and of what so surely that others should have it."""

    def __init__(self) -> None:
        self.unsure = frozenset[Address]()
        self.doubtful = frozenset[Address]()
        self.reason = ""
        self._since: dict[Address, float] = {}  # of what is unsure and not doubtful
        self._first_due = float("inf")
        self._asked: tuple[Index, Bits] | None = None  # of what others were sure when nothing followed

    def say(self, unsure: frozenset[Address], reason: str, now: float) -> frozenset[Address]:
        """These are not proven now. Returns what was in doubt, and is no longer."""
        proven = self.doubtful - unsure
        self.unsure, self.doubtful, self.reason = unsure, self.doubtful & unsure, reason
        self._since = {vip: self._since.get(vip, now) for vip in unsure - self.doubtful}
        self._waits(now)
        return proven

    def confirm(self, table: Table, local: Member, now: float) -> bool:
        """Whether there is more doubt than before."""
        if not self._since:
            return False
        sure = union(
            standing.candidate_for & ~(standing.unsure | standing.all_failed)
            for member, standing in table.standings.items()
            if member != local and standing.mature and not standing.facts.draining
        )
        asked = self._asked
        if now < self._first_due and asked is not None and asked[0] is table.index and asked[1] == sure:
            return False  # with thousands of addresses looking again costs something
        waited = [vip for vip, since in self._since.items() if now >= since + CONFIRM_S]
        found = frozenset(table.index.select(table.index.bits(waited) & sure))
        self.doubtful |= found
        self._since = {vip: since for vip, since in self._since.items() if vip not in found} if found else self._since
        self._waits(now)
        self._asked = table.index, sure
        return bool(found)

    def _waits(self, now: float) -> None:
        """For the first that has not waited for long enough."""
        due = (at for since in self._since.values() if (at := since + CONFIRM_S) > now)
        self._first_due = min(due, default=float("inf"))
        self._asked = None

    def next_due(self, now: float) -> float | None:
        """When to call `confirm` again, by the clock alone; None = something else must happen first."""
        return self._first_due if now < self._first_due < float("inf") else None
