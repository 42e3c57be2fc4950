"""One API server for all tests of this folder, with the chart's objects in it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import binaries
from tests.cluster_api.apiserver import ApiServer, api_server
from tests.cluster_api.installation import Installation, install


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server, of the hermetic cluster's binaries; where another cluster is chosen they may not be there."""
    if os.environ.get("MOMENTUM_TEST_CLUSTER", "hermetic") != "hermetic" and not binaries.are_built():
        pytest.skip("the hermetic cluster's binaries are not built: python -m tests.cluster prepare")
    with api_server(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(scope="session")
def installation(server: ApiServer) -> Installation:
    """The chart as `helm install` would put it there, but for the pods."""
    return install(server)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Where a test's operator writes its log."""
    return tmp_path / "operator.log"
