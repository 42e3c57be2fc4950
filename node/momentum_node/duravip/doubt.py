"""When a node that has no proof of its way out becomes the last choice for addresses (failover R18). Pure.

    unsure     the host that stands for the network does not answer here: told to the others, changes no table
    doubtful   unsure for `CONFIRM_S`, while another member that may have the address is sure: now the last choice

Between the two, others find out whether it answers them. A gateway that is down makes everybody unsure within a second,
and moves nothing; and once an address has moved, a second node's silence does not send it back.
"""

from typing import Final

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
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
        self._since: dict[Address, float] = {}

    def say(self, unsure: frozenset[Address], reason: str, now: float) -> frozenset[Address]:
        """These are not proven now. Returns what was in doubt, and is no longer."""
        self._since = {vip: self._since.get(vip, now) for vip in unsure}
        proven = self.doubtful - unsure
        self.unsure, self.doubtful, self.reason = unsure, self.doubtful & unsure, reason
        return proven

    def confirm(self, table: Table, local: Member, now: float) -> bool:
        """Whether there is more doubt than before."""
        waited = [vip for vip in self.unsure - self.doubtful if now >= self._since[vip] + CONFIRM_S]
        if not waited:
            return False
        sure = union(
            standing.candidate_for & ~(standing.unsure | standing.all_failed)
            for member, standing in table.standings.items()
            if member != local and standing.mature and not standing.facts.draining
        )
        found = frozenset(table.index.select(table.index.bits(waited) & sure))
        self.doubtful |= found
        return bool(found)

    def next_due(self, now: float) -> float | None:
        """When to call `confirm` again, by the clock alone; None = something else must happen first."""
        due = (at for vip, since in self._since.items() if vip not in self.doubtful and (at := since + CONFIRM_S) > now)
        return min(due, default=None)
