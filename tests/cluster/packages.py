"""Debian packages that the cluster stands on, installed when a program of theirs is missing.

No service is started by the installation: a policy-rc.d that forbids it is in place meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.progress import say

PROGRAMS: dict[str, str] = {
    "buildah": "buildah",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "etcd": "etcd-server",
    "gcc": "gcc",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
    "smtp-source": "postfix",
    "swaks": "swaks",
}
"""Program → the package that has it."""

CNI_PLUGINS = Path("/usr/lib/cni")
_POLICY = Path("/usr/sbin/policy-rc.d")
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def missing_packages() -> list[str]:
    """Packages to install, sorted; empty on a prepared machine, which takes a few milliseconds."""
    path = f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"
    wanted = {package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None}
    if not (CNI_PLUGINS / "ptp").exists():
        wanted.add("containernetworking-plugins")
    if "gcc" in wanted or not Path("/usr/include/unistd.h").exists():
        wanted.add("libc6-dev")
    return sorted(wanted)


def install_packages() -> None:
    """Installs what is missing. Raises ClusterError when that cannot be done, naming the packages."""
    wanted = missing_packages()
    if not wanted:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ClusterError(f"the test cluster needs root and these Debian packages: {' '.join(wanted)}")
    say(f"installing packages: {' '.join(wanted)}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    with _services_kept_from_starting():
        _debconf("postfix postfix/main_mailer_type select No configuration")
        # Sources that cannot be reached may be configured next to the ones we need: the installation tells.
        subprocess.run(["apt-get", "update", "-q"], env=environment, capture_output=True, check=False)
        command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *wanted]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or missing_packages():
        said = (done.stdout + done.stderr)[-1500:]
        raise ClusterError(f"could not install {' '.join(missing_packages() or wanted)}; apt-get said:\n{said}")


def _debconf(answer: str) -> None:
    if shutil.which("debconf-set-selections"):
        subprocess.run(["debconf-set-selections"], input=f"{answer}\n", text=True, check=False)


@contextlib.contextmanager
def _services_kept_from_starting() -> Iterator[None]:
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
