"""The cluster of the Kubernetes stories: made once for all of them, removed at the end.

MOMENTUM_TEST_CLUSTER chooses it (tests/cluster/provider.py). One made before by `python -m tests.cluster up` is used
and left running, for a look at what a story did.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.choice import chosen_provider
from tests.cluster.provider import ClusterProvider, Fault
from tests.e2e import deployment
from tests.e2e.running import Mail, running


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "needs(fault, …): faults that the cluster must be able to make, else the story is skipped"
    )


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterProvider]:
    """A running Kubernetes with the project's images on three nodes."""
    provider = chosen_provider()
    try:
        provider.up()
        yield provider
    finally:
        provider.release()


@pytest.fixture(autouse=True)
def _needed_faults(request: pytest.FixtureRequest) -> None:
    """Skips a story whose `needs` marks name what the cluster cannot do, and says what that is."""
    needed = [fault for mark in request.node.iter_markers("needs") for fault in mark.args]
    if not needed:
        return
    provider: ClusterProvider = request.getfixturevalue("cluster")
    missing = sorted({fault.value for fault in needed if isinstance(fault, Fault) and fault not in provider.faults})
    if missing:
        pytest.skip(f"a {provider.name} cluster cannot {', '.join(missing)}")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where the instruments write, in memory: on a disk they would wait for the syncs of what they measure."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="momentum-story-", dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


@pytest.fixture(scope="module")
def mail(cluster: ClusterProvider, folder: Path) -> Iterator[Mail]:
    """The MomentumCluster of the stories; the first module that asks makes it, the last story deletes it."""
    with running(cluster, folder) as mail:
        yield mail


@pytest.fixture(autouse=True)
def _say_what_was_seen(request: pytest.FixtureRequest, cluster: ClusterProvider) -> Iterator[None]:
    """After a failure, what a person would look at next."""
    failures = request.session.testsfailed
    yield
    if request.session.testsfailed > failures:
        print(deployment.describe(cluster))
