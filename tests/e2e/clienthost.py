"""Programs on the client host: on the nodes' own network, outside of Kubernetes."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.cluster.paths import SOURCE
from tests.cluster.provider import ClusterProvider


def start_python(cluster: ClusterProvider, module: str, *arguments: str, nice: int = 0) -> subprocess.Popen[bytes]:
    """Starts a module of the work tree with this interpreter; a negative `nice` where we may."""
    command = cluster.in_clients(["nice", "-n", str(nice), sys.executable, "-m", module, *arguments])
    return subprocess.Popen(command, cwd=SOURCE, stdin=subprocess.DEVNULL, env=dict(os.environ, PYTHONUNBUFFERED="1"))
