"""Images without a container engine or a registry: mmdebstrap makes the base, buildah builds the project's Dockerfile.

Everything is kept in the cache under the digest of what it was made from, so a second run with the same sources costs
nothing and a changed source file costs the last layers only. The base carries the machine's certificate authorities, so
that package installs inside RUN steps work wherever they work on the machine itself.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.network import run
from tests.cluster.paths import SOURCE, cache_dir, complete, locked, remove_tree
from tests.cluster.progress import say

BASE = "debian:trixie-slim"
TARGETS = ("momentum-operator", "momentum-node")
_SLIM = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*")
_PAUSE_C = """\
#include <signal.h>
#include <unistd.h>

/* Holds a pod's namespaces: reaps nothing, ends on SIGTERM and SIGINT. */
static void leave(int number) { _exit(number == SIGTERM ? 0 : 1); }

int main(void)
{
    signal(SIGTERM, leave);
    signal(SIGINT, leave);
    signal(SIGCHLD, SIG_IGN);
    for (;;)
        pause();
}
"""


@dataclass(frozen=True)
class Image:
    """A built image: the reference that pods name, and the Docker archive that `ctr images import` reads."""

    reference: str
    archive: Path


def project_images() -> dict[str, Image]:
    """Target of the Dockerfile → image, tagged with the digest of its sources. Builds what has changed."""
    digest = source_digest()
    return {target: _archived(target, digest, lambda name, t=target: _build_target(name, t)) for target in TARGETS}


def pause_image() -> Image:
    """The image of the process that holds each pod's namespaces."""
    return _archived("pause", _digest([_PAUSE_C.encode()]), _build_pause)


def source_digest() -> str:
    """12 hexadecimal digits over all that goes into the project's images."""
    return _digest(_inputs())


def _inputs() -> Iterable[bytes]:
    yield _base_recipe()
    files = [SOURCE / "Dockerfile", *sorted((SOURCE / "requirements").glob("*.txt"))]
    for folder in ("operator", "node"):
        found = (path for path in (SOURCE / folder).rglob("*") if path.is_file())
        files.extend(sorted(path for path in found if "__pycache__" not in path.parts and path.suffix != ".pyc"))
    for path in files:
        yield str(path.relative_to(SOURCE)).encode()
        yield path.read_bytes()


def _digest(parts: Iterable[bytes]) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()[:12]


def _archived(name: str, digest: str, build: object) -> Image:
    archive = _home() / f"{name}-{digest}.tar"
    image = Image(f"localhost/{name}:{digest}", archive)
    if archive.exists():
        return image
    with locked("images"):
        if not archive.exists():
            _make_archive(name, image, build)
    return image


def _make_archive(name: str, image: Image, build: object) -> None:
    say(f"building image {name}")
    began = time.monotonic()
    assert callable(build)
    build(image.reference)
    part = image.archive.with_suffix(".part")
    part.unlink(missing_ok=True)
    # Not an OCI archive: buildah always compresses those, which takes longer than all the rest.
    buildah("push", "-q", image.reference, f"docker-archive:{part}:{image.reference}")
    for old in _home().glob(f"{name}-*.tar"):
        _forget(name, old)
    part.rename(image.archive)
    size = image.archive.stat().st_size / 1e6
    say(f"built image {name}: {size:.0f} MB in {time.monotonic() - began:.0f} s")


def _forget(name: str, archive: Path) -> None:
    """Removes an image of earlier sources with the layers that nothing else is built on."""
    reference = f"localhost/{name}:{archive.stem.rpartition('-')[2]}"
    if reference in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        buildah("rmi", reference)
    archive.unlink()


def _build_target(reference: str, target: str) -> None:
    _ensure_base()
    # --layers keeps every step; --pull-never: the base is ours, and nothing may be asked of a registry.
    options = ["--isolation", "chroot", "--pull-never", "--layers", "--format", "oci"]
    buildah("bud", *options, "--target", target, "-t", reference, str(SOURCE))


def _build_pause(reference: str) -> None:
    with complete(_home() / "pause-build") as folder:
        (folder / "pause.c").write_text(_PAUSE_C)
        run(["gcc", "-Os", "-static", "-o", str(folder / "pause"), str(folder / "pause.c")])
        container = buildah("from", "scratch").strip()
        buildah("copy", "-q", container, str(folder / "pause"), "/pause")
        buildah("config", "--entrypoint", '["/pause"]', container)
        buildah("commit", "-q", "--rm", container, reference)
    remove_tree(_home() / "pause-build")


def _ensure_base() -> None:
    """Makes `debian:trixie-slim` in the image store, unless the one there is of the same recipe."""
    mark = _home() / "base.digest"
    digest = _digest([_base_recipe()])
    if mark.exists() and mark.read_text() == digest:
        return
    say(f"making the base image {BASE} (about 50 s, once per machine)")
    archive = _home() / "base.tar"
    run(["nice", *_mmdebstrap(archive)])
    container = buildah("from", "scratch").strip()
    buildah("add", "-q", container, str(archive), "/")
    buildah("config", "--cmd", "bash", container)
    buildah("commit", "-q", "--rm", container, BASE)
    archive.unlink()
    mark.write_text(digest)


def _mmdebstrap(archive: Path) -> list[str]:
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"]
    command.extend(f"--dpkgopt=path-exclude={pattern}" for pattern in _SLIM)
    bundle = _authorities()
    if bundle.exists():
        inside = "/etc/ssl/certs/ca-certificates.crt"
        command.append(f"--customize-hook=upload {bundle} {inside}")
        command.append(f'--customize-hook=printf "[global]\\ncert = {inside}\\n" > "$1/etc/pip.conf"')
    return [*command, "trixie", str(archive)]


def _base_recipe() -> bytes:
    bundle = _authorities()
    return repr(_mmdebstrap(Path("base.tar"))).encode() + (bundle.read_bytes() if bundle.exists() else b"")


def _authorities() -> Path:
    """The certificate authorities that this machine trusts."""
    return Path(
        os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    )


def _home() -> Path:
    home = cache_dir() / "images"
    home.mkdir(exist_ok=True)
    return home


def buildah(*arguments: str) -> str:
    """Runs buildah on a store of our own; returns its output. Raises ClusterError with the end of what it said."""
    home = _home()
    policy = home / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    per_command = ["--signature-policy", str(policy)] if arguments[0] in {"bud", "from", "commit", "push"} else []
    with tempfile.TemporaryDirectory(prefix="momentum-buildah-") as state:
        store = ["--root", str(home / "store"), "--runroot", state, "--storage-driver", "overlay"]
        # buildah forgets mounts: in a mount namespace of its own they end with it.
        command = ["nice", "unshare", "-m", "buildah", *store, arguments[0], *per_command, *arguments[1:]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:]
        raise ClusterError(f"buildah {arguments[0]} failed:\n{said}")
    return done.stdout
