"""Where the cluster keeps what it makes: binaries by version in a cache, and the state of the one running cluster."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
"""The work tree whose Dockerfile, chart and packages are tested. Nothing is written into it."""


def cache_dir() -> Path:
    """What survives between runs and machines' reboots: `${XDG_CACHE_HOME:-~/.cache}/momentum-cluster`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "momentum-cluster"
    path.mkdir(parents=True, exist_ok=True)
    return path


def run_dir() -> Path:
    """State of the running cluster; removed by `down`."""
    return Path(os.environ.get("MOMENTUM_TEST_CLUSTER_DIR", "/var/tmp/momentum-cluster-test"))


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one process at a time builds one thing; the others wait and then find it made."""
    with (cache_dir() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def complete(place: Path) -> Iterator[Path]:
    """A folder that appears at `place` only when the block has ended well: half a build never counts."""
    part = place.with_name(f"{place.name}.part")
    remove_tree(part)
    part.mkdir(parents=True)
    yield part
    part.rename(place)


def remove_tree(path: Path) -> None:
    """Removes a folder with read-only files in it, which Go's module cache and image layers have."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=False)
        shutil.rmtree(path)
