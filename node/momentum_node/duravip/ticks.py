"""What the passing of time brings about in one member: claims that begin to count, and the leader's ticks."""

from collections.abc import Iterable, Mapping

from momentum_node.duravip.declaration import Declaration
from momentum_node.duravip.failback import Departures, Failback
from momentum_node.duravip.gather import Gather
from momentum_node.duravip.maturity import Maturity, Pace
from momentum_node.duravip.messages import Balance, Mature
from momentum_node.duravip.outbox import Outbox
from momentum_node.duravip.standing import Standing
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Policy


class Ticks:
    """The clocks of one member: all that depends on `now` but signs of life."""

    def __init__(self) -> None:
        self._maturity, self._pace = Maturity(), Pace()
        self.failback, self._departures = Failback(), Departures()

    @property
    def is_mature(self) -> bool:
        """A MATURE reached us in this run of the process."""
        return self._maturity.is_mature

    def is_starting(self, now: float) -> bool:
        """After a cold start, not all nodes that are meant to exist have been there yet."""
        return self._pace.is_starting(now)

    def departures(self, now: float) -> Mapping[str, int]:
        """How often each node left lately."""
        return self._departures.counts(now)

    # -- what happens ----------------------------------------------------------------------------

    def disturbed(self, now: float) -> None:
        """The view or somebody's definitions changed."""
        self._maturity.disturbed(now)
        self._pace.disturbed(now)

    def left(self, standings: Iterable[Standing], now: float) -> None:
        """These left."""
        self._departures.note((standing.name for standing in standings if standing.mature), now)

    def completed(self, gather: Gather, own_name: str, now: float) -> None:
        """What other members' reports say about time."""
        for report in gather.counted.values():
            self.failback.left_before(dict(report.state.departures).get(own_name, 0))
            if report.state.starting:
                self._pace.heard_of_start(now)

    def began_cold(self, table: Table, policy: Policy, now: float) -> None:
        """The first MATURE of a cluster."""
        self._pace.began_cold(table, policy, now)

    def has_balanced(self, table: Table, policy: Policy, now: float) -> None:
        """A BALANCE was delivered."""
        self._pace.has_balanced(table, policy, now)

    # -- what follows ----------------------------------------------------------------------------

    def watch(self, own: Declaration, *, is_mature: bool, is_quorate: bool, now: float) -> None:
        """Whether our claims count now."""
        self._maturity.is_mature |= is_mature
        self.failback.watch(is_mature=is_mature, is_quorate=is_quorate, now=now)
        own.claiming &= is_quorate  # who had to let go takes nothing back at once (R10)
        own.claiming |= self.failback.is_due(now, own.policy)
        own.hold_claims(self.failback.waiting(now))

    def lead(self, table: Table, outbox: Outbox, view: bytes, policy: Policy, now: float) -> None:
        """Say MATURE or BALANCE if it is time; for the leader only."""
        if self._maturity.is_due(table, now, policy):
            outbox.send(Mature(view))
            self._maturity.asked()
        elif self._maturity.due(table, policy) is None and (limit := self._pace.limit(table, policy, now)):
            self._pace.asked(outbox.send(Balance(view, limit)))

    def next_due(self, table: Table, own: Declaration, now: float, *, leads: bool) -> list[float | None]:
        """When to look again."""
        due = [self.failback.next_due(), None if own.claiming else self.failback.due(own.policy)]
        if leads:
            mature = self._maturity.due(table, own.policy)
            due.append(self._pace.due(table, own.policy, now) if mature is None else mature)
        return due
