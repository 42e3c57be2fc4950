"""Builds the node's report from what the core knows, and remembers what it said of each address, and since when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, get_args

from momentum_node import __version__
from momentum_node.clock import monotonic, timestamp, wall
from momentum_node.config.model import Address, Cluster
from momentum_node.duravip.actuator import Count
from momentum_node.duravip.plumbing import State
from momentum_node.duravip.stability import Clocks, Stability
from momentum_node.duravip.takeovers import BOUNDS_S, Takeovers
from momentum_node.duravip.vip import Placement
from momentum_node.status.report import (
    BusReport,
    ConfigurationReport,
    DurationsReport,
    LinkReport,
    MemberReport,
    NodeIdentity,
    Report,
    TakeoverReport,
    TakeoversReport,
    VipReport,
)

if TYPE_CHECKING:
    from momentum_node.core import Core


SILENT_S = 3.0
"""Where no time is set after which a node that hears nothing of its own lets go; else half of that (the resolver's)."""
PART = 1024
"""Of the addresses of a report; after each the supervisor hears that there is progress."""
ON_NIC = frozenset({State.PLUMBED, State.SERVING})


@dataclass(slots=True)
class Told:
    """What was reported of one address, and what that followed from: of 10,000 only a few change at a time."""

    of: tuple[Placement, bool, str | None, Clocks]
    report: VipReport


class Reporting:
    """One per core; `build` is what the board publishes."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._told: dict[Address, Told] = {}
        self._follows_from: tuple[object, ...] = ()
        self._vip_reports: list[VipReport] = []
        self._stability = Stability(wall())

    def build(self, revision: int) -> Report:
        """The whole report, as of now."""
        core = self._core
        core.link.heartbeat()  # the loop got here; with ten thousand addresses what follows takes long
        machine = core.driver.machine
        if machine is not None:
            self._stability.look(machine.basis()[0], wall())
        have, of, is_quorate = machine.quorum() if machine else (0, len(core.listed.ids), False)
        return Report(
            revision=revision,
            node=self._identity(),
            state=self._state(),
            quorate=is_quorate,
            quorum=f"{have}/{of}",
            bus=self._bus(),
            members=[
                MemberReport(name=name, nodeId=node_id, mature=mature, draining=draining)
                for name, node_id, mature, draining in (machine.members() if machine else ())
            ],
            vips=self._vips(machine.placements() if machine else ()),
            transitions={count: core.actuator.counts[count] for count in get_args(Count)},
            configuration=self._configuration(),
            interfaces=[],  # read by the services process, when somebody asks
            mail=core.workers.report(),
            notices=[*core.configuration.notices, *core.news.waiting, *self._weakness(), *core.usability.notices()],
            takeovers=takeovers_report(core.takeovers, wall() - monotonic()),
        )

    def _identity(self) -> NodeIdentity:
        core = self._core
        return NodeIdentity(
            name=core.myself.name,
            id=core.myself.node_id,
            address=core.myself.address,
            incarnation=f"{core.incarnation:016x}",
            version=__version__,
        )

    def _state(self) -> str:
        driver = self._core.driver
        return driver.state if driver.machine is None or driver.state == "DRAINING" else driver.machine.state

    def _bus(self) -> BusReport:
        core, watch = self._core, self._core.ring
        silent_s, ignored = self._silence(), core.driver.ignored
        names = {node.node_id: node.name for node in core.listed.nodes}
        status = watch.status if watch else None
        if watch is None or status is None:
            problem, key = (watch.rival or watch.problem, watch.key) if watch else (None, None)
            return BusReport(
                ring=[],
                links=[],
                gathers=0,
                tokenLosses=0,
                silentSeconds=silent_s,
                ignored=ignored,
                problem=problem,
                key=key,
            )
        failure = "cannot send: a firewall, or the interface is gone" if status.send_failed else None
        return BusReport(
            ring=[names.get(node_id, str(node_id)) for node_id in sorted(status.members)],
            links=[
                LinkReport(
                    node=names.get(link.node_id, str(link.node_id)),
                    connected=link.is_connected,
                    timesDown=link.times_down,
                )
                for link in status.links
            ],
            gathers=status.gathers,
            tokenLosses=status.token_losses,
            silentSeconds=silent_s,
            ignored=ignored,
            problem=watch.rival or watch.problem or failure,
            key=watch.key,
        )

    def _weakness(self) -> list[str]:
        watch = self._core.ring
        return [f"Corosync: {watch.weakness}"] if watch is not None and watch.weakness else []

    def _silence(self) -> int:
        """Every survivor hears nothing while a ring forms without a lost node: that is not told."""
        machine = self._core.driver.machine
        age_s = machine.self_delivery_age(monotonic()) if machine is not None else 0.0
        limit_s = (self._core.configuration.cluster or Cluster()).duravip_self_drop_s / 2 or SILENT_S
        return max(1, int(age_s)) if age_s > limit_s else 0

    def _vips(self, placements: Sequence[Placement]) -> list[VipReport]:
        actuator = self._core.actuator
        problems = actuator.problems()
        follows_from = (placements, actuator.steps, problems, self._stability.looks)
        if follows_from != self._follows_from:
            self._follows_from = follows_from
            self._vip_reports = self._all_vips(placements, problems, timestamp())
        return self._vip_reports

    def _all_vips(self, placements: Sequence[Placement], problems: Mapping[Address, str], now: str) -> list[VipReport]:
        found: list[VipReport] = []
        for at in range(0, len(placements), PART):
            found += [self._vip(placement, problems, now) for placement in placements[at : at + PART]]
            self._core.link.heartbeat()
        return found

    def _vip(self, placement: Placement, problems: Mapping[Address, str], now: str) -> VipReport:
        address = placement.address
        told = self._told.get(address)
        held = self._core.actuator.state(address) in ON_NIC
        of = (placement, held, problems.get(address) if problems else None, self._stability.of(address))
        if told is None or told.of != of:
            told = self._told[address] = Told(of, _vip_report(*of, told, now))
        return told.report

    def _configuration(self) -> ConfigurationReport:
        generations = self._core.generations
        return ConfigurationReport(
            digest=generations.seen_revision, running=generations.running_revision, errors=list(generations.errors)
        )


def takeovers_report(measured: Takeovers, offset_s: float) -> TakeoversReport:
    """`offset_s`: what makes a monotonic moment one of the wall clock."""
    return TakeoversReport(
        recent=[
            TakeoverReport(
                at=timestamp(one.at + offset_s),
                what=one.what,
                addresses=one.granted,
                served=one.served,
                silentSeconds=round(one.silent_s, 4),
                agreedSeconds=round(one.agreed_s, 4),
                firstServedSeconds=round(one.first_s, 4),
                lastServedSeconds=round(one.last_s, 4),
            )
            for one in measured.recent
        ],
        bounds=list(BOUNDS_S),
        seconds=[
            DurationsReport(cause=cause, phase=phase, counts=list(one.counts), sum=round(one.sum_s, 4))
            for (cause, phase), one in sorted(measured.histograms.items())
        ],
    )


def _vip_report(
    placement: Placement, held: bool, problem: str | None, clocks: Clocks, before: Told | None, now: str
) -> VipReport:
    return VipReport(
        address=str(placement.address),
        owner=placement.owner,
        reason=placement.reason,
        since=before.report["since"] if before and before.report["owner"] == placement.owner else now,
        held=held,
        problem=problem,
        viewStableSince=_moment(clocks.view),
        configurationStableSince=_moment(clocks.configuration),
    )


@lru_cache(maxsize=256)
def _moment(at: float) -> str:
    """Thousands of addresses share a few moments."""
    return timestamp(at)
