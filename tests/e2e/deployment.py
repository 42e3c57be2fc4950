"""The chart on the cluster and one MomentumCluster in it: installed, applied, waited for, deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.cluster.paths import SOURCE
from tests.cluster.provider import ClusterProvider, Fault

CHART = SOURCE / "charts" / "momentum-operator"
RELEASE, RELEASE_NAMESPACE = "momentum", "momentum-system"
NAMESPACE, NAME = "mail", "mail"
SINK_PORT = 2525
NODE_PODS = "momentumcluster.io/cluster-name=mail,app.kubernetes.io/component=node"


def resource(cluster: ClusterProvider, vips: Mapping[str, str]) -> dict[str, Any]:
    """A MomentumCluster on all nodes with these addresses (name → address), a binding for each, next hop the sink.

    No preferred nodes, no balancing: an address stays where a fault brought it. Greetings carry the node's own name.
    """
    names = sorted(vips)
    spec = {
        "nodes": {"selector": {"matchLabels": {"mail": "true"}}},
        "networks": [{"cidr": cluster.node_network, "interface": "eth0", "prefixLength": 32}],
        "vips": [{"name": name, "address": vips[name]} for name in names],
        "listeners": [{"name": "smtp", "port": 25, "vips": names}],
        "bindings": [{"name": f"from-{name}", "vip": name} for name in names],
        "mail": {"retry": {"intervalSeconds": 2, "maxIntervalSeconds": 10}, **_through_client_host(cluster)},
        "bus": {"profile": "Fast", "partitionPolicy": "Majority"},
        "deletionPolicy": "Purge",
        "configuration": "cluster { view_balance_interval = 0 }\n",
    }
    metadata = {"name": NAME, "namespace": NAMESPACE}
    return {"apiVersion": "momentumcluster.io/v1alpha1", "kind": "MomentumCluster", "metadata": metadata, "spec": spec}


def _through_client_host(cluster: ClusterProvider) -> dict[str, Any]:
    """Where mail comes from and goes to, where there is a client host."""
    if Fault.CLIENT_HOST not in cluster.faults:
        return {}
    return {
        "relayNetworks": [f"{cluster.client_address}/32"],
        "gateway": f"{cluster.client_address}:{SINK_PORT}",
    }


def install_chart(cluster: ClusterProvider, replicas: int = 1) -> None:
    """Installs the chart with the images of this work tree, or upgrades it; the operator is Ready when it returns."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(namespace))
    values = {
        "operator": {"image": _image(cluster.image("momentum-operator")), "replicas": replicas},
        "node": {"image": _image(cluster.image("momentum-node"))},
        "allowedAddresses": [{"namespaces": [NAMESPACE], "cidrs": [cluster.node_network]}],
    }
    options = ["--namespace", RELEASE_NAMESPACE, "--create-namespace", "--wait", "--timeout", "120s"]
    settings = [option for key, value in values.items() for option in ("--set-json", f"{key}={json.dumps(value)}")]
    cluster.helm("upgrade", "--install", RELEASE, str(CHART), *options, *settings)


def _image(reference: str) -> dict[str, str]:
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}


def apply(cluster: ClusterProvider, document: Mapping[str, Any]) -> None:
    """Labels the nodes that it selects, and applies it."""
    for node in cluster.nodes():
        cluster.kubectl("label", "node", node.name, "mail=true", "--overwrite")
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))


def wait_ready(cluster: ClusterProvider, seconds: int = 240) -> None:
    """Returns when the condition Ready is True. Raises ClusterError otherwise."""
    target = f"momentumcluster/{NAME}"
    options = ["-n", NAMESPACE, "--for=condition=Ready", f"--timeout={seconds}s"]
    cluster.kubectl("wait", target, *options, timeout_s=seconds + 10)


def node_pods(cluster: ClusterProvider) -> dict[str, str]:
    """Node → the name of its node pod."""
    listed = cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", NODE_PODS, "-o", "json")
    return {item["spec"]["nodeName"]: item["metadata"]["name"] for item in json.loads(listed)["items"]}


def delete(cluster: ClusterProvider, seconds: int = 120) -> None:
    """`kubectl delete`, which returns when the finalizer is gone. Raises ClusterError when that takes longer."""
    options = ["-n", NAMESPACE, "--wait=true", f"--timeout={seconds}s"]
    cluster.kubectl("delete", "momentumcluster", NAME, *options, timeout_s=seconds + 10)


def uninstall(cluster: ClusterProvider) -> None:
    """What a person does at the end: the chart, its definitions, both namespaces and the labels of the nodes."""
    cluster.helm("uninstall", RELEASE, "--namespace", RELEASE_NAMESPACE, "--wait", "--timeout", "120s")
    kinds = [f"{kind}.momentumcluster.io" for kind in ("momentumclusters", "duravips")]
    cluster.kubectl("delete", "customresourcedefinition", *kinds, "--timeout=60s", timeout_s=70)
    cluster.kubectl("delete", "namespace", NAMESPACE, RELEASE_NAMESPACE, "--timeout=60s", timeout_s=70)
    cluster.kubectl("label", "node", "--all", "mail-")


def describe(cluster: ClusterProvider) -> str:
    """What a person would look at when something went wrong."""
    commands = (
        ("get", "mc,dvip,pods", "-A", "-o", "wide"),
        ("get", "mc", "-n", NAMESPACE, NAME, "-o", "jsonpath={.status.conditions}"),
        ("get", "events", "-A", "--sort-by=.lastTimestamp"),
        ("logs", "-n", RELEASE_NAMESPACE, "-l", "app.kubernetes.io/name=momentum-operator", "--tail=30"),
        ("logs", "-n", NAMESPACE, "-l", NODE_PODS, "--all-containers", "--prefix", "--tail=15"),
    )
    return "\n".join(f"$ kubectl {' '.join(c)}\n{cluster.kubectl(*c, check=False)}" for c in commands)
