"""The cluster of the Kubernetes stories: made once for all of them, removed at the end.

MOMENTUM_TEST_CLUSTER chooses it (tests/cluster/provider.py). One made before by `python -m tests.cluster up` is used
and left running, for a look at what a story did.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.choice import chosen_provider
from tests.cluster.provider import ClusterProvider, Fault


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
    """Skips a story whose `needs` mark names what the cluster cannot do, and says what that is."""
    mark = request.node.get_closest_marker("needs")
    if mark is None:
        return
    provider: ClusterProvider = request.getfixturevalue("cluster")
    missing = [fault.value for fault in mark.args if isinstance(fault, Fault) and fault not in provider.faults]
    if missing:
        pytest.skip(f"a {provider.name} cluster cannot {', '.join(missing)}")
