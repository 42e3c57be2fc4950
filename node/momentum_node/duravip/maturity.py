"""When a view is stable enough for its newcomers to own addresses (cluster §2.5, failover §5.4 no. 6).

One local clock, the leader's, becomes a tick for everybody: it sends MATURE, and BALANCE when all are mature.
"""

from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Policy


class Maturity:
    """The clocks of one node."""

    def __init__(self) -> None:
        self._stable_since = 0.0
        self._is_asked = False
        self.is_mature = False
        """A MATURE reached us in this run of the process."""

    def disturbed(self, now: float) -> None:
        """The view or somebody's definitions changed: the wait begins anew."""
        self._stable_since, self._is_asked = now, False

    def asked(self) -> None:
        """MATURE is on its way; it works if this view is still there when it comes."""
        self._is_asked = True

    def due(self, table: Table, policy: Policy) -> float | None:
        """When the leader asks; None when everybody is mature and nothing is to be refused, or it has asked.

        At a cold start at once when all nodes that are meant to exist are there.
        """
        standings = table.standings.values()
        is_verdict_due = bool(table.agreed().contradicted & ~table.broken)
        if self._is_asked or not (is_verdict_due or any(not standing.mature for standing in standings)):
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


START_LIMIT_S = 600.0
START_PAUSE_S = 1.0


class Pace:
    """When the leader evens the load: a little every interval, and everything at once while the cluster starts.

    It starts from a cold start until all nodes that are meant to exist have been there together: else the node that
    came first would keep nearly everything for hours. At most `START_LIMIT_S` long, on each node's own clock.
    """

    def __init__(self) -> None:
        self._since = 0.0
        self._starting_until = 0.0
        self._asked = 0  # number of our BALANCE

    def disturbed(self, now: float) -> None:
        """The view or somebody's definitions changed: wait for a whole interval without that."""
        self._since, self._asked = now, 0

    def began_cold(self, table: Table, policy: Policy, now: float) -> None:
        """The first MATURE of a cluster."""
        if len(table.standings) < (policy.cluster_size or 0):
            self._starting_until = now + START_LIMIT_S

    def heard_of_start(self, now: float) -> None:
        """Another member says that the cluster is starting."""
        if not self._starting_until:
            self._starting_until = now + START_LIMIT_S

    def is_starting(self, now: float) -> bool:
        """Still."""
        return now < self._starting_until

    def has_balanced(self, table: Table, policy: Policy, now: float) -> None:
        """A BALANCE was delivered."""
        self._since, self._asked = now, 0
        if len(table.standings) >= (policy.cluster_size or 0):
            self._starting_until = 0.0

    def asked(self, sequence: int) -> None:
        """Our BALANCE is on its way."""
        self._asked = sequence

    def due(self, table: Table, policy: Policy, now: float) -> float | None:
        """When the leader looks whether something is to be moved; None while it has no reason to."""
        if self._asked or not policy.balance_interval_s:
            return None
        if not all(standing.mature for standing in table.standings.values()):
            return None
        interval = policy.balance_interval_s
        return self._since + (min(interval, START_PAUSE_S) if self.is_starting(now) else interval)

    def limit(self, table: Table, policy: Policy, now: float) -> int:
        """How many addresses to move now; 0 = none, and the next look is in a whole interval."""
        due = self.due(table, policy, now)
        if due is None or now < due:
            return 0
        if not table.is_uneven():
            self._since = now
            return 0
        return len(table.index) if self.is_starting(now) else policy.balance_set_size
