"""Watches the others and the bus: which signs of life to send now, whom to suspect, when to start anew ourselves."""

from collections.abc import Iterable

from momentum_node.bus.contract import Member
from momentum_node.duravip.gather import Gather
from momentum_node.duravip.liveness import Doubts, Liveness
from momentum_node.duravip.messages import Beacon, Heartbeat, Suspect
from momentum_node.duravip.outbox import Outbox
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Policy


class Vigil:
    """One membership's. `suspected`: members of the view that count as left."""

    def __init__(self, local: Member) -> None:
        self._local = local
        self.clocks = Liveness()
        self._doubts = Doubts()
        self.suspected: set[Member] = set()
        self.events = 0  # of the table, in this view
        self.differs = False  # somebody's table was another one for the same events

    def view(self, members: Iterable[Member], new: Iterable[Member], now: float) -> None:
        """Another member list."""
        self.clocks.view(members, new, now)
        self.suspected = (self.suspected & set(members)) - set(new)
        self._begin()

    def completed(self, gather: Gather) -> None:
        """A gather is: whom its reports suspect is agreed."""
        self.suspected = gather.suspected
        self.clocks.has_gathered()
        self._begin()

    def _begin(self) -> None:
        self.events = 0
        self._doubts.forget()

    # -- what to say -----------------------------------------------------------------------------

    def say_signs(self, outbox: Outbox, now: float, policy: Policy, view: bytes, table: Table | None) -> None:
        """BEACON and HEARTBEAT, when they are due."""
        if self.clocks.beacon_is_due(now, outbox.delivered, policy):
            self.clocks.sent_beacon(outbox.send(Beacon()), now, policy)
        if self.clocks.heartbeat_is_due(now, outbox.delivered, policy):
            digest = table.digest() if table else b""
            self.clocks.sent_heartbeat(outbox.send(Heartbeat(view, self.events, digest)), now, policy)

    def accuse(self, outbox: Outbox, policy: Policy, view: bytes, gather: Gather | None, table: Table | None) -> None:
        """SUSPECT, if it is up to us to say it."""
        if not policy.heartbeats_per_sec:
            return
        due = self._missing(gather, policy) if gather else self._silent(table, policy) if table else []
        self.clocks.accuse(member for member, _ in due)
        for member, incarnation in due:
            outbox.send(Suspect(view, member, incarnation))

    def _missing(self, gather: Gather, policy: Policy) -> list[tuple[Member, int]]:
        """The first member in list order whose state is in names those whose state is not."""
        due = self.clocks.missing(sorted(gather.missing), policy)
        if not due or min(gather.counted, default=None) != self._local:
            return []
        return [(member, 0) for member in due]

    def _silent(self, table: Table, policy: Policy) -> list[tuple[Member, int]]:
        """The first member by name that is not silent itself names the others."""
        silent = [m for m in self.clocks.silent(policy) if m in table.standings and m != self._local]
        speaker = next((s.member for s in table.by_name() if s.member not in silent), None)
        if not silent or speaker != self._local:
            return []
        return [(member, table.standings[member].incarnation) for member in silent]

    # -- what to conclude ------------------------------------------------------------------------

    def compare(self, sender: Member, heartbeat: Heartbeat, table: Table) -> str | None:
        """A heartbeat of this view in RUN. Returns why we must start anew, if so."""
        self._doubts.hear(sender, heartbeat.events, heartbeat.digest)
        names = {standing.member: standing.name for standing in table.by_name()}
        wrong, differs = self._doubts.minority(names, self.events)
        self.differs |= differs
        return "our table differs from the others'" if self._local in wrong else None

    def cut_off(self, now: float, policy: Policy) -> str | None:
        """Why we must let go, if so."""
        if not self.clocks.is_cut_off(now, policy):
            return None
        return f"nothing of ours came back from the bus for {self.clocks.age(now):.1f} s"
