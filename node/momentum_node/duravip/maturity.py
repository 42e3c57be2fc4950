"""When a view is stable enough for its newcomers to own addresses (cluster §2.5, failover §5.4 no. 6).

One local clock, the leader's, becomes a tick for everybody: it sends MATURE. A claim waits longer, on the clock of the
claiming node, so that a flapping node does not take its addresses back each time (R10).
"""

from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Policy


class Maturity:
    """The clocks of one node."""

    def __init__(self) -> None:
        self._stable_since = 0.0
        self._is_asked = False
        self._well_since: float | None = None
        self.is_mature = False
        """A MATURE reached us in this run of the process."""

    def disturbed(self, now: float) -> None:
        """The view or somebody's definitions changed: the wait begins anew."""
        self._stable_since, self._is_asked = now, False

    def watch(self, *, is_mature: bool, is_quorate: bool, now: float) -> None:
        """What the table says about us. Without a quorum we had to let go: our claims wait anew when it is back."""
        self.is_mature |= is_mature
        if not is_quorate:
            self._well_since = None
        elif is_mature and self._well_since is None:
            self._well_since = now

    def asked(self) -> None:
        """MATURE is on its way; it works if this view is still there when it comes."""
        self._is_asked = True

    def due(self, table: Table, policy: Policy) -> float | None:
        """When the leader asks; None when everybody is mature or it has asked.

        At a cold start at once when all nodes that are meant to exist are there.
        """
        standings = table.standings.values()
        if self._is_asked or all(standing.mature for standing in standings):
            return None
        is_cold = not any(standing.mature for standing in standings)
        there = len(table.standings) - len(table.duplicates())
        if is_cold and policy.cluster_size and there >= policy.cluster_size:
            return self._stable_since
        return self._stable_since + policy.view_mature_time_s

    def is_due(self, table: Table, now: float, policy: Policy) -> bool:
        """Ask now."""
        due = self.due(table, policy)
        return due is not None and now >= due

    def claim_due(self, policy: Policy) -> float | None:
        """When our claims begin to count; None while we are not mature in a quorate part."""
        return None if self._well_since is None else self._well_since + policy.failback_delay_s

    def may_claim(self, now: float, policy: Policy) -> bool:
        """We have been mature, and quorate, for the fail-back delay."""
        due = self.claim_due(policy)
        return due is not None and now >= due
