"""Faults on real kernels and real Corosync: the selection of the catalogue that `make test` has time for.

The judge is the one of `make faults`: a client that asks every 5 ms, a capture, each host's netlink; then our own
status, which must agree. How long a client was without an answer is printed, not judged: a test machine is no place
for figures.
"""

from collections.abc import Iterator

import pytest

from tests.faults import judge
from tests.faults.catalogue import ABSENT, FAULTS, in_order
from tests.faults.fault import THREE, Fault
from tests.faults.wires import why_no_rules
from tests.support.lab import why_no_lab
from tests.support.labcluster import LabCluster
from tests.support.labnode import corosync_is_here

SELECTED = [fault for fault in FAULTS if fault.in_ci]
RULES_OF_THE_LIST = 40


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    if (why := why_no_lab() or why_no_rules()) is not None:
        pytest.skip(why)
    if not corosync_is_here():
        pytest.skip("real Corosync is not installed (package corosync)")
    with THREE.cluster(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.mark.netns
@pytest.mark.timeout(360)
@pytest.mark.parametrize("fault", SELECTED, ids=str)
def test_one_node_answers_and_only_one(cluster: LabCluster, fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    """A run in which the machine stood still says nothing and is done again; two holders are never excused."""
    tries = 3
    shown = judge.run(cluster, fault.shape, fault)
    while shown.problems and not shown.is_valid and (tries := tries - 1):
        shown = judge.run(cluster, fault.shape, fault)
    with capsys.disabled():
        print(f"\n{fault}: {1000 * shown.outage_s:.0f} ms without an answer, ", end="")
        print(f"{1000 * shown.double_s:.0f} ms answered by two, status agrees after {shown.status_s:.1f} s")
    assert shown.double_s <= judge.DOUBLE_LIMIT_S
    if shown.problems and not shown.is_valid:
        pytest.skip(
            f"no verdict: this machine stood still for {shown.pause_s:.2f} s at load {shown.load:.0f}; {shown.problems}"
        )
    assert shown.problems == ()


@pytest.mark.netns
@pytest.mark.timeout(180)
def test_nothing_acknowledged_was_lost(cluster: LabCluster) -> None:
    assert cluster.acknowledged()
    cluster.wait_for("every acknowledged message is somewhere", 60, lambda: not judge.lost(cluster))
    assert {arrival.peer for arrival in cluster.taken()} == {THREE.addresses[0]}


def test_the_whole_list_is_accounted_for() -> None:
    """Each number of the list was built, or it is said why it was not."""
    numbers = {int(entry.number.strip("Fb")) for entry in in_order()}
    assert numbers == set(range(1, RULES_OF_THE_LIST + 1))
    assert all(fault.shape == THREE for fault in SELECTED)
    assert all(entry.why or entry.verdict == "not tested" for entry in ABSENT)
