"""A real API server with its etcd on loopback: no kubelet, no controllers. What they would do, a test does by hand."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.certificates import Authority
from tests.support.ending import end


class ApiServer:
    """Running; `kubectl` speaks as cluster administrator."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.url = f"https://127.0.0.1:{port}"

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl printed, errors included. Raises `CalledProcessError` when it fails and `check` is set."""
        command = [str(binaries.kubernetes() / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        home = {**os.environ, "HOME": str(self.folder)}  # keeps kubectl's cache out of the user's
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False, env=home)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout + done.stderr


@contextlib.contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """Starts both programs in `folder` and ends them."""
    etcd_port, peer_port, port = _free_ports(3)
    authority = Authority(folder / "pki")
    authority.issue("apiserver", "kube-apiserver", names=("localhost", "127.0.0.1", "10.0.0.1"))
    authority.issue("admin", "admin", "system:masters")
    authority.signing_key("service-accounts")
    server = ApiServer(folder, port)
    authority.kubeconfig(server.kubeconfig, server.url, "admin")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_daemon(folder, "etcd", _etcd(folder, etcd_port, peer_port)))
        stack.enter_context(_daemon(folder, "kube-apiserver", _kube_apiserver(folder, etcd_port, port)))
        _wait_until_ready(server)
        yield server


def _etcd(folder: Path, port: int, peer_port: int) -> list[str]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        shutil.which("etcd") or "etcd",
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def _kube_apiserver(folder: Path, etcd_port: int, port: int) -> list[str]:
    pki = folder / "pki"
    return [
        str(binaries.kubernetes() / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",  # it would refuse to advertise a loopback address
        f"--secure-port={port}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount,Priority",  # no controller makes accounts and tokens here
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        "--allow-privileged=true",
        "--profiling=false",
    ]


@contextlib.contextmanager
def _daemon(folder: Path, name: str, command: list[str]) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
    try:
        yield
    finally:
        end(process, 10)


def _wait_until_ready(server: ApiServer) -> None:
    deadline = time.monotonic() + 60
    while "ok" not in server.kubectl("get", "--raw", "/readyz", check=False):
        if time.monotonic() > deadline:
            log = (server.folder / "kube-apiserver.log").read_text()[-2000:]
            raise AssertionError(f"the API server does not become ready; its log ends:\n{log}")
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]
