"""kubectl and helm, run with one kubeconfig, with errors that say what was asked and what was answered."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError


def tool(
    command: Sequence[str], kubeconfig: Path, *, stdin: str | None = None, check: bool = True, timeout_s: float = 60
) -> str:
    """Standard output of the command. Raises ClusterError when it fails and `check` is set, or takes too long."""
    shown = " ".join([Path(command[0]).name, *command[1:]])
    environment = dict(os.environ, KUBECONFIG=str(kubeconfig))
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(f"`{shown}` did not end in {timeout_s:.0f} s") from None
    if done.returncode and check:
        raise ClusterError(f"`{shown}` failed:\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
