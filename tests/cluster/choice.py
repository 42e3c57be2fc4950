"""Which cluster the tests get: MOMENTUM_TEST_CLUSTER names it (provider.py says what each can do)."""

from __future__ import annotations

import os

from tests.cluster.errors import ClusterError
from tests.cluster.existing import KindCluster, KubeconfigCluster
from tests.cluster.hermetic import HermeticCluster
from tests.cluster.provider import ClusterProvider

_KNOWN: dict[str, type[ClusterProvider]] = {
    "hermetic": HermeticCluster,
    "kind": KindCluster,
    "kubeconfig": KubeconfigCluster,
}


def chosen_provider() -> ClusterProvider:
    """The provider that MOMENTUM_TEST_CLUSTER names. Raises ClusterError for a name that is none."""
    name = os.environ.get("MOMENTUM_TEST_CLUSTER", "hermetic")
    if name not in _KNOWN:
        raise ClusterError(f"MOMENTUM_TEST_CLUSTER={name} is none of {', '.join(_KNOWN)}")
    return _KNOWN[name]()
