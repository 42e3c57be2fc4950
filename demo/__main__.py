"""The entry of `make demo`: finds out what this machine allows, then tells the story.

As root it uses network namespaces directly. As an ordinary user it goes into a user namespace first, where the kernel
allows that: everything then runs under one uid, which is said. It leaves nothing behind.
"""

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSIDE = "MOMENTUM_DEMO_INSIDE"


def main() -> int:
    """Exit code 0 when the story ended as it should."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--bus", choices=("auto", "corosync", "embedded"), default="auto")
    parser.add_argument("--messages", type=int, default=500, help="how many messages are sent (default: %(default)s)")
    parsed = parser.parse_args()
    if os.geteuid() != 0:
        return _in_a_user_namespace()
    missing = _missing_packages(install=INSIDE not in os.environ)
    if "iproute2" in missing:
        print("the demo needs the command `ip`: install the package iproute2 (as root: apt-get install iproute2)")
        return 1
    from demo.story import tell  # noqa: PLC0415 - needs the environment that was just looked at

    engine = "embedded" if parsed.bus == "embedded" or (parsed.bus == "auto" and "corosync" in missing) else "corosync"
    if INSIDE in os.environ:
        print("As an ordinary user, inside a user namespace: all processes share one uid.")
    with tempfile.TemporaryDirectory(prefix="momentum-demo-") as directory:
        Path(directory).chmod(0o755)  # mail workers run under a uid of their own
        return tell(Path(directory), engine, parsed.messages)


def _missing_packages(install: bool) -> set[str]:
    needed = {"iproute2": "ip", "corosync": "corosync"}
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = {package for package, command in needed.items() if shutil.which(command, path=path) is None}
    if missing and install:
        subprocess.run([ROOT / "scripts" / "system-packages", *sorted(missing)], check=False)
        missing = {package for package in missing if shutil.which(needed[package], path=path) is None}
    return missing


def _in_a_user_namespace() -> int:
    """Run ourselves as root of a new user, mount and network namespace with a /run of its own."""
    command = 'mount -t tmpfs tmpfs /run && exec "$@"'
    argv = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--", "sh", "-c", command, "sh"]
    argv += [sys.executable, "-m", "demo", *sys.argv[1:]]
    probe = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "--net", "mount", "-t", "tmpfs", "tmpfs", "/run"],
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode != 0:
        print(f"this machine lets ordinary users make no user namespaces ({probe.stderr.strip()}).")
        print(
            "Either run `make demo` as root, or allow them: sysctl user.max_user_namespaces=10000, and on kernels that"
        )
        print("have it kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0.")
        return 1
    environment = {**os.environ, INSIDE: "1"}
    child = subprocess.Popen(argv, env=environment, cwd=ROOT, preexec_fn=_die_with_parent)  # noqa: PLW1509
    return child.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM (prctl(2)): ^C or a kill ends the namespaces too


if __name__ == "__main__":
    sys.exit(main())
