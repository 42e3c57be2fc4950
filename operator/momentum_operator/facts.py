"""What the conditions are judged by: one cluster's declaration, its nodes and their common truth, put side by side."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from momentum_node.status.report import Report
from momentum_operator.fields import Problem
from momentum_operator.observe import Pod
from momentum_operator.ring import RingMember
from momentum_operator.roster import Roster
from momentum_operator.rotation import BusKey
from momentum_operator.spec import Topology
from momentum_operator.view import ClusterView, VipTruth


@dataclass(frozen=True)
class Facts:
    """Everything a condition may look at. `addresses` are those that the accepted spec declares."""

    roster: Roster = field(default_factory=Roster)
    problems: tuple[Problem, ...] = ()
    is_running_another: bool = False
    """Whether nodes go on with an earlier spec because this one has problems."""
    revision: str = ""
    networks: tuple[Topology, ...] = ()
    addresses: tuple[str, ...] = ()
    pods: tuple[Pod, ...] = ()
    reports: Mapping[str, Report] = field(default_factory=dict)
    view: ClusterView = field(default_factory=ClusterView)
    notices: tuple[str, ...] = ()
    bus_key: BusKey | None = None
    rotation: str = ""
    """Where a replacement of the bus key stands; empty without one."""
    is_deleting: bool = False

    @property
    def members(self) -> tuple[RingMember, ...]:
        """The node list."""
        return self.roster.members

    @property
    def truths(self) -> tuple[VipTruth, ...]:
        """One for each declared address."""
        return tuple(self.view.truth(address) for address in self.addresses)

    def pod(self, member: RingMember) -> Pod | None:
        """The member's pod; a new one rather than one that ends."""
        found = sorted((p for p in self.pods if p.node == member.kubernetes_name), key=lambda p: p.is_ending)
        return found[0] if found else None

    def missing(self, member: RingMember) -> str | None:
        """Why the member does not take part as it should, or None."""
        pod, report = self.pod(member), self.reports.get(member.name)
        if pod is None:
            return "has no pod"
        if report is None:
            return "does not answer" if pod.is_ready else "does not answer; its pod is not ready"
        if report["state"] != "RUN":
            return f"is in state {report['state']}"
        if not report["mail"]["accepting"]:
            return "accepts no mail"
        return None


def some(texts: Iterable[str], limit: int = 3) -> str:
    """The first texts in one line, and how many there are more."""
    all_of_them = list(texts)
    more = len(all_of_them) - limit
    return "; ".join(all_of_them[:limit]) + (f"; and {more} more" if more > 0 else "")
