"""The test cluster is a real Kubernetes: nodes, pods, exec, logs, services, and a cable that can be pulled."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.cluster.processes import wait_until
from tests.cluster.provider import ClusterProvider, Fault

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(2700)]
_LABEL = "app=cluster-itself"


@pytest.fixture(scope="module")
def pods(cluster: ClusterProvider) -> Iterator[dict[str, str]]:
    """Node → a host-network pod on it that says `hello` and waits."""
    container = {
        "name": "main",
        "image": cluster.image("momentum-node"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "echo hello; exec sleep 3600"],
    }
    pod = {"hostNetwork": True, "terminationGracePeriodSeconds": 0, "containers": [container]}
    labels = {"app": "cluster-itself"}
    document = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "cluster-itself"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    cluster.kubectl("rollout", "status", "daemonset/cluster-itself", "--timeout=60s", timeout_s=70)
    items = json.loads(cluster.kubectl("get", "pods", "-l", _LABEL, "-o", "json"))["items"]
    yield {item["spec"]["nodeName"]: item["metadata"]["name"] for item in items}
    cluster.kubectl("delete", "daemonset", "cluster-itself", "--wait=true")


def test_three_nodes_are_ready(cluster: ClusterProvider) -> None:
    assert len(cluster.nodes()) == 3
    cluster.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=10s")


def test_a_daemonset_runs_on_every_node(cluster: ClusterProvider, pods: dict[str, str]) -> None:
    assert sorted(pods) == sorted(node.name for node in cluster.nodes())


def test_logs_and_exec_reach_a_pod(cluster: ClusterProvider, pods: dict[str, str]) -> None:
    pod = pods[cluster.nodes()[1].name]
    assert cluster.kubectl("logs", pod) == "hello\n"
    assert cluster.kubectl("exec", pod, "--", "id", "-un", "10025") == "ecuser\n"


def test_a_pod_on_the_pod_network_reaches_the_api_by_the_name_of_its_service(cluster: ClusterProvider) -> None:
    ask = "import socket; socket.create_connection(('kubernetes.default.svc', 443), 20); print('reached')"
    arguments = ["run", "asker", "--restart=Never", "--image-pull-policy=IfNotPresent", "--quiet"]
    cluster.kubectl(*arguments, f"--image={cluster.image('momentum-node')}", "--command", "--", "python3", "-c", ask)
    try:
        cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/asker", "--timeout=60s", timeout_s=70)
        assert cluster.kubectl("logs", "asker") == "reached\n"
    finally:
        cluster.kubectl("delete", "pod", "asker", "--grace-period=0", "--force")


@pytest.mark.needs(Fault.CUT_PORT, Fault.CLIENT_HOST)
def test_a_cut_port_silences_one_node_and_no_other(cluster: ClusterProvider) -> None:
    first, second, _ = cluster.nodes()
    assert _is_heard(cluster, first.address)
    cluster.cut(first.name)
    try:
        assert not _is_heard(cluster, first.address)
        assert _is_heard(cluster, second.address)
    finally:
        cluster.heal(first.name)
    assert wait_until(lambda: _is_heard(cluster, first.address), 10)


@pytest.mark.needs(Fault.KILL_PROCESS)
def test_a_killed_process_is_seen_and_its_container_starts_again(
    cluster: ClusterProvider, pods: dict[str, str]
) -> None:
    node = cluster.nodes()[2].name
    sleeper = next(process for process in cluster.pod_processes(node) if process.argv[:1] == ("sleep",))
    cluster.kill(node, sleeper.pid)
    count = "jsonpath={.status.containerStatuses[0].restartCount}"
    assert wait_until(lambda: cluster.kubectl("get", "pod", pods[node], "-o", count) == "1", 20)


@pytest.mark.needs(Fault.STOP_API_SERVER)
def test_pods_go_on_without_the_api_server(cluster: ClusterProvider, pods: dict[str, str]) -> None:
    node = cluster.nodes()[0].name
    cluster.stop_api_server()
    try:
        assert not cluster.kubectl("get", "nodes", check=False, timeout_s=20)
        assert any(process.argv[:1] == ("sleep",) for process in cluster.pod_processes(node))
    finally:
        cluster.start_api_server()
    assert pods[node] in cluster.kubectl("get", "pods", "-l", _LABEL, "-o", "name")


def _is_heard(cluster: ClusterProvider, address: str) -> bool:
    """Whether the client host gets an answer from the kubelet's port of the node, within a second."""
    ask = f"exec 3<>/dev/tcp/{address}/10250"
    command = cluster.in_clients(["timeout", "1", "bash", "-c", ask])
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
