"""etcd, API server, controller manager, scheduler and name server, all in the control plane's namespace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.audit import write_policy
from tests.cluster.certificates import Authority
from tests.cluster.errors import ClusterError
from tests.cluster.network import CONTROL, FIRST_SERVICE, NODES, SERVICES, in_namespace
from tests.cluster.paths import run_dir
from tests.cluster.processes import end, is_running, log_tail, pid_of, start, wait_until

OPERATOR_NAMESPACE = "momentum-system"
SERVER = f"https://{CONTROL.address}:6443"


def pki() -> Path:
    return run_dir() / "pki"


def kubeconfig(user: str = "admin") -> Path:
    """The configuration of one user; `admin` is the one for people and tests on this machine."""
    return run_dir() / "kubeconfig" / user


def audit_log() -> Path:
    """What the operator wrote (`audit.read_writes`)."""
    return run_dir() / "audit.log"


def make_certificates(host_port: int) -> None:
    """The authority, everybody's certificates and kubeconfigs. The admin comes in through 127.0.0.1:`host_port`."""
    authority = Authority(pki())
    service = "kubernetes.default.svc"
    served = ("kubernetes", "kubernetes.default", service, f"{service}.cluster.local", "localhost")
    authority.issue("apiserver", "kube-apiserver", names=(*served, FIRST_SERVICE, CONTROL.address, "127.0.0.1"))
    authority.issue("kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
    authority.signing_key("service-accounts")
    for component in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
        authority.issue(component, f"system:{component}")
        authority.kubeconfig(kubeconfig(component), SERVER, component)
    for node in NODES:
        authority.issue(node.name, f"system:node:{node.name}", "system:nodes")
        authority.kubeconfig(kubeconfig(node.name), SERVER, node.name)
    authority.issue("admin", "admin", "system:masters")
    authority.kubeconfig(kubeconfig(), f"https://127.0.0.1:{host_port}", "admin")


def start_control_plane() -> None:
    """Starts everything; the API server answers some seconds later (`wait_for_api`)."""
    listening = socket.create_server(("127.0.0.1", 0))
    make_certificates(listening.getsockname()[1])
    _start_forwarder(listening)
    write_policy(_audit_policy(), OPERATOR_NAMESPACE)
    data, local = run_dir() / "etcd", "http://127.0.0.1"
    urls = ["--listen-client-urls", f"{local}:2379", "--advertise-client-urls", f"{local}:2379"]
    start(
        "etcd", in_namespace(CONTROL, ["etcd", "--data-dir", str(data), *urls, "--listen-peer-urls", f"{local}:2380"])
    )
    start_api_server()
    program = str(Path(__file__).with_name("nameserver.py"))
    start("nameserver", in_namespace(CONTROL, [sys.executable, program, CONTROL.address, SERVER, str(pki())]))
    kubernetes = binaries.kubernetes()
    start(
        "kube-controller-manager", in_namespace(CONTROL, [str(kubernetes / "kube-controller-manager"), *_controllers()])
    )
    scheduler = [
        str(kubernetes / "kube-scheduler"),
        f"--kubeconfig={kubeconfig('kube-scheduler')}",
        "--leader-elect=false",
    ]
    start("kube-scheduler", in_namespace(CONTROL, scheduler))


def _start_forwarder(listening: socket.socket) -> None:
    program = str(Path(__file__).with_name("forwarder.py"))
    descriptor = os.dup(listening.fileno())
    os.set_inheritable(descriptor, True)
    command = [sys.executable, program, str(descriptor), CONTROL.address, "6443"]
    start("forwarder", in_namespace(CONTROL, command), pass_fds=(descriptor,))
    os.close(descriptor)
    listening.close()


def start_api_server() -> None:
    """Starts the API server, also again after `stop_api_server`."""
    start("kube-apiserver", in_namespace(CONTROL, [str(binaries.kubernetes() / "kube-apiserver"), *_api_server()]))


def stop_api_server() -> None:
    """Kills the API server: clients get no connection, watches end, nodes and controllers go on without it."""
    os.kill(pid_of("kube-apiserver"), signal.SIGKILL)
    end([pid_of("kube-apiserver")])


def wait_for_api(seconds: float = 90) -> None:
    """Returns when the API server says it is ready. Raises ClusterError with the end of its log when it does not."""
    if not wait_until(_api_is_ready, seconds, 0.2):
        raise ClusterError(
            f"the API server is not ready after {seconds:.0f} s; its log ends:\n{log_tail('kube-apiserver')}"
        )


def _api_is_ready() -> bool:
    if not is_running(pid_of("kube-apiserver")):
        raise ClusterError(f"the API server ended; its log ends:\n{log_tail('kube-apiserver')}")
    kubectl = str(binaries.kubernetes() / "kubectl")
    command = [kubectl, f"--kubeconfig={kubeconfig()}", "get", "--raw", "/readyz", "--request-timeout=2s"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _audit_policy() -> Path:
    return run_dir() / "audit-policy.json"


def _api_server() -> list[str]:
    folder = pki()
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={CONTROL.address}",
        f"--bind-address={CONTROL.address}",
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=Node,RBAC",
        f"--client-ca-file={folder}/ca.crt",
        f"--tls-cert-file={folder}/apiserver.crt",
        f"--tls-private-key-file={folder}/apiserver.key",
        f"--kubelet-client-certificate={folder}/kubelet-client.crt",
        f"--kubelet-client-key={folder}/kubelet-client.key",
        # exec and logs would otherwise look the node's name up, and there is no name server.
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder}/service-accounts.pub",
        f"--service-account-signing-key-file={folder}/service-accounts.key",
        # Webhooks of services are reached at their pods' addresses: no kube-proxy runs here.
        "--enable-aggregator-routing=true",
        "--allow-privileged=true",
        f"--audit-policy-file={_audit_policy()}",
        f"--audit-log-path={audit_log()}",
        "--profiling=false",
    ]


def _controllers() -> list[str]:
    folder = pki()
    return [
        f"--kubeconfig={kubeconfig('kube-controller-manager')}",
        "--leader-elect=false",
        "--controllers=*,-nodeipam",
        f"--root-ca-file={folder}/ca.crt",
        f"--service-account-private-key-file={folder}/service-accounts.key",
        "--use-service-account-credentials=true",
        f"--cluster-signing-cert-file={folder}/ca.crt",
        f"--cluster-signing-key-file={folder}/ca.key",
        # A cut node is seen as NotReady after 16 s instead of 40 s.
        "--node-monitor-grace-period=16s",
        "--profiling=false",
    ]
