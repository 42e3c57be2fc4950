"""Two nodes and an arbiter on a real Kubernetes: who loses its cable gives the addresses up, who is left may take them.

Two votes of two cannot be more than half when one is gone. The third is Corosync alone, on a node without mail.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.processes import wait_until
from tests.cluster.provider import ClusterProvider, Fault
from tests.e2e import deployment
from tests.e2e.addresses import holders
from tests.e2e.running import REPLICAS, Mail

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.timeout(900),
    pytest.mark.needs(Fault.CUT_PORT, Fault.ENTER_NODE),
]
LABEL = "pair"
ARBITERS = "momentumcluster.io/cluster-name=mail,app.kubernetes.io/component=arbiter"


@pytest.fixture(scope="module")
def pair(cluster: ClusterProvider, folder: Path) -> Iterator[Mail]:
    """A MomentumCluster on the first two nodes."""
    vips = {f"out-{number}": cluster.free_address(40 + number) for number in (1, 2)}
    document = deployment.resource(cluster, vips)
    document["spec"]["nodes"]["selector"]["matchLabels"] = {LABEL: "true"}
    deployment.install_chart(cluster, REPLICAS)
    for node in cluster.nodes()[:2]:
        cluster.kubectl("label", "node", node.name, f"{LABEL}=true", "--overwrite")
    try:
        deployment.apply(cluster, document)
        deployment.wait_ready(cluster)
        yield Mail(cluster, vips, folder, ())
    except Exception:
        print(deployment.describe(cluster))
        raise
    finally:
        cluster.kubectl("label", "node", "--all", f"{LABEL}-")


def arbiters(cluster: ClusterProvider) -> list[str]:
    """The nodes with an arbiter's pod."""
    path = "jsonpath={.items[*].spec.nodeName}"
    return cluster.kubectl("get", "pods", "-n", deployment.NAMESPACE, "-l", ARBITERS, "-o", path).split()


def moved(cluster: ClusterProvider, address: str, lost: str) -> bool:
    """Whether another node than the lost one has it now, and nobody else."""
    having = holders(cluster, address)
    return len(having) == 1 and lost not in having


def test_the_node_without_mail_carries_the_third_vote(pair: Mail) -> None:
    first, second, third = (node.name for node in pair.cluster.nodes())
    assert set(deployment.node_pods(pair.cluster)) == {first, second}
    assert arbiters(pair.cluster) == [third]


def test_the_one_that_is_left_takes_every_address(pair: Mail) -> None:
    lost = pair.holder()
    pair.cluster.cut(lost)
    try:
        assert wait_until(lambda: all(moved(pair.cluster, one, lost) for one in pair.vips.values()), 30, 0.05)
    finally:
        pair.cluster.heal(lost)
    pair.wait_whole()
    assert all(len(holders(pair.cluster, address)) == 1 for address in pair.vips.values())


def test_who_is_left_alone_without_the_arbiter_gives_up(pair: Mail) -> None:
    """The other one and the arbiter are cut off: one vote of three is not more than half."""
    alone = pair.holder()
    others = [node.name for node in pair.cluster.nodes() if node.name != alone]
    for name in others:
        pair.cluster.cut(name)
    try:
        gave_up = wait_until(
            lambda: all(alone not in holders(pair.cluster, one) for one in pair.vips.values()), 30, 0.05
        )
        assert gave_up, f"{alone} keeps addresses without a quorum"
    finally:
        for name in others:
            pair.cluster.heal(name)
    pair.wait_whole()


def test_the_arbiter_goes_with_the_cluster(pair: Mail) -> None:
    deployment.delete(pair.cluster)
    assert wait_until(lambda: not arbiters(pair.cluster), 60), "the arbiter is left"
    assert not [address for address in pair.vips.values() if holders(pair.cluster, address)]
