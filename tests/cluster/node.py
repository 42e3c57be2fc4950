"""One Kubernetes node: containerd, kubelet and kube-proxy in namespaces of their own: network, mounts, host name.

Each node sees its own /var/lib/kubelet, /var/lib/containerd … and its own copies of the host paths that our pods use,
as on a real machine. A `sleep` holds the mount namespace; everything else of the node enters it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.controlplane import kubeconfig, pki
from tests.cluster.errors import ClusterError
from tests.cluster.network import CONTROL, Machine, in_namespace
from tests.cluster.paths import run_dir
from tests.cluster.processes import log_tail, pid_of, start, wait_until
from tests.cluster.store import ADDRESS, copy_store, write_containerd_config

OWN_FOLDERS = (
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/run/containerd",
    "/run/netns",
    "/var/log/pods",
    "/var/log/containers",
    "/etc/cni/net.d",
    "/var/lib/cni",
    # Host paths of our own pods.
    "/var/lib/momentum",
    "/run/momentum",
)


def start_node(node: Machine, store: Path, pause: str) -> None:
    """Starts the node's daemons; it registers itself with the API server. `store` holds the images it begins with."""
    _make_folders(node)
    copy_store(store, _own(node, "/var/lib/containerd"))
    _write_configuration(node, pause)
    _hold_mount_namespace(node)
    folder = _folder(node)
    start(f"{node.name}-containerd", inside(node, ["containerd", "--config", str(folder / "containerd.toml")]))
    if not wait_until((_own(node, "/run/containerd") / "containerd.sock").exists, 20):
        raise ClusterError(
            f"containerd of {node.name} does not start; its log ends:\n{log_tail(f'{node.name}-containerd')}"
        )
    kubernetes = binaries.kubernetes()
    kubelet = [str(kubernetes / "kubelet"), f"--config={folder}/kubelet.json", f"--kubeconfig={kubeconfig(node.name)}"]
    identity = [f"--hostname-override={node.name}", f"--node-ip={node.address}"]
    start(f"{node.name}-kubelet", inside(node, [*kubelet, *identity]))
    proxy = [str(kubernetes / "kube-proxy"), f"--config={folder}/kube-proxy.json", f"--hostname-override={node.name}"]
    start(f"{node.name}-kube-proxy", inside(node, proxy))


def inside(node: Machine, command: Sequence[str]) -> list[str]:
    """The command, run where the node's own daemons run: its network and its view of the file system."""
    holder = pid_of(f"{node.name}-holder")
    spaces = [f"--mount=/proc/{holder}/ns/mnt", f"--uts=/proc/{holder}/ns/uts"]
    return ["nsenter", f"--net={node.netns}", *spaces, "--", *command]


def import_image(node: Machine, archive: Path) -> None:
    """Gives a running node one more image."""
    ctr = ["ctr", "--address", ADDRESS, "-n", "k8s.io", "images", "import", str(archive)]
    done = subprocess.run(inside(node, ctr), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{node.name} cannot import {archive}: {done.stderr.strip()}")


def _folder(node: Machine) -> Path:
    return run_dir() / "nodes" / node.name


def _own(node: Machine, path: str) -> Path:
    return _folder(node) / "own" / path.strip("/").replace("/", "-")


def _make_folders(node: Machine) -> None:
    made = run_dir() / "made-folders"
    for path in OWN_FOLDERS:
        _own(node, path).mkdir(parents=True, exist_ok=True)
        missing = [folder for folder in (Path(path), *Path(path).parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir()
            with made.open("a") as notes:
                notes.write(f"{folder}\n")


def remove_made_folders() -> None:
    """Removes the empty mount points that the host did not have before."""
    made = run_dir() / "made-folders"
    if made.exists():
        for line in reversed(made.read_text().splitlines()):
            folder = Path(line)
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _hold_mount_namespace(node: Machine) -> None:
    ready = _folder(node) / "mounted"
    binds = [f"mount --bind {_own(node, path)} {path}" for path in OWN_FOLDERS]
    script = [
        "set -e",
        f"hostname {node.name}",
        "mount --make-rprivate /",
        *binds,
        "mount --make-rshared /",
        f"touch {ready}",
        "exec sleep infinity",
    ]
    start(f"{node.name}-holder", in_namespace(node, ["unshare", "-m", "-u", "sh", "-c", "\n".join(script)]))
    if not wait_until(ready.exists, 10):
        raise ClusterError(f"cannot mount the folders of {node.name}: {log_tail(f'{node.name}-holder')}")


def _write_configuration(node: Machine, pause: str) -> None:
    folder = _folder(node)
    (folder / "resolv.conf").write_text(
        "# No name server of the node's own: one that cannot be reached costs every start many seconds.\n"
    )
    (folder / "kubelet.json").write_text(json.dumps(_kubelet(node), indent=1))
    (folder / "kube-proxy.json").write_text(json.dumps(_kube_proxy(), indent=1))
    write_containerd_config(folder / "containerd.toml", pause)
    (_own(node, "/etc/cni/net.d") / "10-ptp.conflist").write_text(json.dumps(_cni(node), indent=1))


def _kubelet(node: Machine) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(pki() / "ca.crt")}},
        "containerRuntimeEndpoint": f"unix://{ADDRESS}",
        "clusterDNS": [CONTROL.address],
        "clusterDomain": "cluster.local",
        "resolvConf": str(_folder(node) / "resolv.conf"),
        # Works with version 1 of control groups and without a hierarchy of the kubelet's own.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": dict.fromkeys(("imagefs.available", "nodefs.available", "nodefs.inodesFree"), "0%"),
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "4s",
        "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
    }


def _kube_proxy() -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig("kube-proxy"))},
        "mode": "nftables",
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _cni(node: Machine) -> dict[str, object]:
    everywhere = [{"dst": "0.0.0.0/0"}]
    addresses = {"type": "host-local", "ranges": [[{"subnet": node.pods}]], "routes": everywhere}
    ptp = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [ptp, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }
