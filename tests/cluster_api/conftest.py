"""One API server for all tests of this folder, with the chart's objects in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster_api.apiserver import ApiServer, api_server
from tests.cluster_api.installation import Installation, install


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server."""
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
