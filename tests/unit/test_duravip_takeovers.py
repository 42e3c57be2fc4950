"""How long a takeover took, phase by phase, from what the machine is told."""

import pytest

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.recorded import RecordedDuraVip, Taps
from momentum_node.duravip.takeovers import Takeovers
from momentum_node.duravip.vip import Effect, Identity, Plumb
from momentum_node.reporting import takeovers_report
from momentum_node.status.metrics import render
from momentum_node.status.reader import describe
from tests.support.declared import declared
from tests.support.machines import POLICY, V1, V2, cluster, the
from tests.unit.operator_world import report

ME = Member(1, 101)
LOST = Member(2, 101)


class Told:
    """Takeovers that are told of a node n1 beside n2."""

    def __init__(self) -> None:
        self.machine: DuraVip = the(cluster(2), "n1")
        self.takeovers = Takeovers()
        self.takeovers.started(self.machine)

    def hear(self, now: float) -> None:
        self.takeovers.took(self.machine, "on_message", (LOST, b"a beacon", now))

    def lose(self, now: float) -> None:
        event = ViewChanged((ME,), frozenset(), frozenset({LOST}), frozenset({1}))
        self.takeovers.took(self.machine, "on_view", (event, now))

    def grant(self, now: float, *effects: Effect) -> None:
        self.takeovers.took(self.machine, "on_timer", (now,))
        self.takeovers.did(list(effects))

    def plumb(self, now: float, *vips: object) -> None:
        self.takeovers.took(self.machine, "on_plumbed", (vips, now))

    def counted(self) -> dict[tuple[str, str], tuple[int, float]]:
        found = self.takeovers.histograms.items()
        return {key: (sum(one.counts), round(one.sum_s, 6)) for key, one in found}


def test_a_lost_node_is_measured_from_its_last_word() -> None:
    told = Told()
    told.hear(10.0)
    told.lose(10.7)
    told.grant(10.71, Plumb(V1, planned=False), Plumb(V2, planned=False))
    told.plumb(10.75, V1)
    told.plumb(10.80, V2)
    (one,) = told.takeovers.recent
    assert (one.what, one.cause, one.granted, one.served) == ("n2 left", "loss", 2, 2)
    assert [one.silent_s, one.agreed_s, one.first_s, one.last_s] == pytest.approx([0.7, 0.01, 0.05, 0.1])
    assert told.counted() == {
        ("loss", "silent"): (2, 1.4),
        ("loss", "agreed"): (2, 0.02),
        ("loss", "served"): (2, 0.13),
        ("loss", "total"): (2, 1.55),
    }


def test_addresses_that_are_handed_over_together_are_one_takeover_each_with_its_own_gap() -> None:
    told = Told()
    told.grant(20.0, Plumb(V1, planned=True))
    told.plumb(20.01, V1)
    told.grant(20.5, Plumb(V2, planned=True))
    told.plumb(20.53, V2)
    (one,) = told.takeovers.recent
    assert (one.what, one.granted, one.served) == ("handed over", 2, 2)
    assert told.counted() == {("handover", "served"): (2, 0.04), ("handover", "total"): (2, 0.04)}


def test_what_is_served_already_is_no_takeover_and_what_comes_back_is_one() -> None:
    told = Told()
    told.grant(1.0, Plumb(V1, planned=False))
    told.plumb(1.1, V1)
    told.grant(2.0, Plumb(V1, planned=False))  # as after each gather
    told.plumb(2.0, V1)
    assert [one.granted for one in told.takeovers.recent] == [1]
    told.takeovers.took(told.machine, "on_unplumbed", ((V1,), 3.0))
    told.grant(70.0, Plumb(V1, planned=False))
    assert [(one.what, one.served) for one in told.takeovers.recent] == [("nobody had it", 1), ("nobody had it", 0)]


def test_it_is_told_in_status_and_metrics() -> None:
    told = Told()
    told.hear(10.0)
    told.lose(10.7)
    told.grant(10.7, Plumb(V1, planned=False), Plumb(V2, planned=False))
    told.plumb(10.8, V1)
    said = report("n1", ("n1",), {})
    said["takeovers"] = takeovers_report(told.takeovers, 0.0)
    assert (
        "1970-01-01T00:00:10.700Z n2 left, 2 addresses came here: silent for 0.700 s before, agreed after 0.000 s, "
        "the first served after 0.100 s, the last after 0.100 s, 1 not"
    ) in describe(said).splitlines()
    lines = render(said).splitlines()
    assert "# TYPE momentum_duravip_takeover_seconds histogram" in lines
    for bound, count in (("0.5", 0), ("1", 1), ("+Inf", 1)):
        assert f'momentum_duravip_takeover_seconds_bucket{{cause="loss",phase="total",le="{bound}"}} {count}' in lines
    assert 'momentum_duravip_takeover_seconds_sum{cause="loss",phase="total"} 0.8' in lines
    assert "momentum_duravip_takeover" not in render(report("n1", ("n1",), {}))


def test_a_machine_tells_all_its_taps() -> None:
    first, second = Takeovers(), Takeovers()
    taps = Taps(first, second)
    machine = RecordedDuraVip(taps, Identity("n1", "198.18.0.1", 7), ME, declared("n1", ["192.0.2.1"]), POLICY)
    machine.on_view(ViewChanged((ME,), frozenset({ME}), frozenset(), frozenset({1})), 1.0)
    taps.did([Plumb(V1, planned=False)])
    assert [one.what for one in first.recent] == [one.what for one in second.recent] == ["a node joined"]
