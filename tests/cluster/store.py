"""Containerd's store with the images in it, made once and copied to each node by hard links.

Unpacking an image on three nodes is the longest part of a start, and all three do the same. Layers are never written
again, so nodes share their files; only the small databases are copied.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.images import Image
from tests.cluster.packages import CNI_PLUGINS
from tests.cluster.paths import cache_dir, complete, locked, remove_tree
from tests.cluster.processes import wait_until
from tests.cluster.progress import say

ADDRESS = "/run/containerd/containerd.sock"


def image_store(images: Iterable[Image]) -> Path:
    """The folder of a containerd root that has these images. Raises ClusterError when containerd cannot read them."""
    wanted = sorted(images, key=lambda image: image.reference)
    key = hashlib.sha256("\n".join(image.reference for image in wanted).encode()).hexdigest()[:12]
    place = cache_dir() / f"containerd-{key}"
    with locked("containerd"):
        if not place.exists():
            say(f"unpacking {len(wanted)} images into containerd's store")
            earlier = sorted(
                path for path in cache_dir().glob("containerd-*") if path.is_dir() and path.suffix != ".part"
            )
            with complete(place) as part:
                if earlier:
                    copy_store(earlier[-1], part)
                _import(part, wanted)
            for path in earlier:
                remove_tree(path)
    return place


def copy_store(store: Path, into: Path) -> None:
    """A containerd root that shares the layers of `store`; by links, or by copies on another file system."""
    into.mkdir(parents=True, exist_ok=True)
    linked = subprocess.run(["cp", "-al", f"{store}/.", str(into)], capture_output=True, check=False)
    if linked.returncode:
        remove_tree(into)
        subprocess.run(["cp", "-a", str(store), str(into)], check=True)
    for database in into.rglob("*.db"):
        if "/fs/" in str(database.relative_to(into)):
            continue
        own = database.with_suffix(".own")
        shutil.copy2(database, own)
        own.rename(database)


def write_containerd_config(
    path: Path, pause: str, root: str = "/var/lib/containerd", state: str = "/run/containerd"
) -> None:
    """The configuration of one containerd; `pause` is the reference of the pause image."""
    path.write_text(f"""\
version = 2
root = "{root}"
state = "{state}"

[grpc]
address = "{state}/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "/etc/cni/net.d"
""")


def _import(root: Path, images: list[Image]) -> None:
    with tempfile.TemporaryDirectory(prefix="momentum-containerd-") as folder:
        state, config = Path(folder) / "state", Path(folder) / "containerd.toml"
        write_containerd_config(config, "none", str(root), str(state))
        with (Path(folder) / "log").open("wb") as log:
            daemon = subprocess.Popen(["containerd", "--config", str(config)], stdout=log, stderr=log)
        try:
            if not wait_until((state / "containerd.sock").exists, 20):
                raise ClusterError(f"containerd does not start: {(Path(folder) / 'log').read_text()[-1500:]}")
            for image in images:
                _ctr(state, "import", str(image.archive))
            for line in _ctr(state, "list", "-q").split():
                if line not in {image.reference for image in images}:
                    _ctr(state, "rm", "--sync", line)
        finally:
            daemon.terminate()
            daemon.wait(20)


def _ctr(state: Path, *arguments: str) -> str:
    command = ["ctr", "--address", str(state / "containerd.sock"), "-n", "k8s.io", "images", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout
