"""What the report says of the bus beside the ring itself."""

from types import SimpleNamespace
from typing import cast

import pytest

from momentum_node.config.model import Cluster
from momentum_node.core import Core
from momentum_node.reporting import Reporting
from momentum_node.status.metrics import render
from tests.unit.operator_world import report


def reporting(silent_s: float, self_drop_s: float, weakness: str | None = None) -> Reporting:
    """Of a core whose machine heard nothing of its own for so long."""
    core = SimpleNamespace(
        driver=SimpleNamespace(machine=SimpleNamespace(self_delivery_age=lambda _now: silent_s), ignored=3),
        configuration=SimpleNamespace(cluster=Cluster(duravip_self_drop_s=self_drop_s)),
        ring=SimpleNamespace(status=None, rival=None, problem=None, key=None, weakness=weakness),
        listed=SimpleNamespace(nodes=()),
    )
    return Reporting(cast("Core", core))


@pytest.mark.parametrize(
    ("silent_s", "self_drop_s", "said"),
    [(0.2, 3.0, 0), (1.2, 3.0, 0), (2.2, 3.0, 2), (4.0, 10.0, 0), (7.5, 10.0, 7), (1.0, 0.0, 0), (60.5, 0.0, 60)],
)
def test_a_bus_that_brings_nothing_of_ours_back_is_told_when_no_lost_node_explains_it(
    silent_s: float, self_drop_s: float, said: int
) -> None:
    bus = reporting(silent_s, self_drop_s)._bus()
    assert (bus["silentSeconds"], bus["ignored"]) == (said, 3)


def test_what_weakens_the_ring_is_a_notice() -> None:
    assert reporting(0.0, 3.0)._weakness() == []
    assert reporting(0.0, 3.0, "cannot set nice -20")._weakness() == ["Corosync: cannot set nice -20"]


def test_the_figures_of_bus_and_addresses_are_metrics() -> None:
    said = report("n1", ("n1", "n2"), {})
    said["bus"] |= {"silentSeconds": 4, "ignored": 7}
    lines = render(said).splitlines()
    for line in (
        "momentum_bus_silent_seconds 4",
        "momentum_bus_ignored_messages_total 7",
        'momentum_duravip_transitions_total{action="plumbed"} 2',
        'momentum_duravip_transitions_total{action="conflict"} 1',
    ):
        assert line in lines
