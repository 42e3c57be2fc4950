"""What the API server itself refuses, before the operator hears of it."""

from typing import Any

import pytest
import yaml

from tests.cluster_api.apiserver import ApiServer
from tests.cluster_api.installation import Installation, chart
from tests.unit.operator_world import example

pytestmark = pytest.mark.kubernetes


def _resource(name: str = "mail", **changes: Any) -> str:
    resource = example(**changes)
    resource["metadata"] = {"name": name, "namespace": "mail"}
    return yaml.safe_dump(resource)


def _dry_run(server: ApiServer, text: str) -> str:
    return server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text, check=False)


def test_the_example_is_accepted(server: ApiServer, installation: Installation) -> None:
    assert "momentumcluster.momentumcluster.io/mail created" in _dry_run(server, _resource())


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "bad address": ({"vips": [{"name": "a", "address": "198.18.0.400"}]}, "spec.vips[0].address"),
    "bad network": ({"networks": [{"cidr": "198.18.0.0", "interface": "eth0"}]}, "spec.networks[0].cidr"),
    "two vips of one name": (
        {"vips": [{"name": "a", "address": "198.18.0.41"}, {"name": "a", "address": "198.18.0.42"}]},
        "spec.vips[1]: Duplicate value",
    ),
    "two bindings of one name": (
        {"bindings": [{"name": "a", "vip": "out-1"}, {"name": "a", "vip": "out-2"}]},
        "spec.bindings[1]: Duplicate value",
    ),
    "a reserved binding": ({"bindings": [{"name": "default", "vip": "out-1"}]}, "names the product uses itself"),
    "no selector": ({"nodes": {}}, "spec.nodes.selector: Required value"),
    "an empty selector": ({"nodes": {"selector": {}}}, "spec.nodes.selector"),
    "an unknown field": ({"replication": []}, 'unknown field "spec.replication"'),
    "an unknown profile": ({"bus": {"profile": "Quick"}}, "spec.bus.profile: Unsupported value"),
    "a port out of range": ({"listeners": [{"name": "a", "port": 70000, "vips": ["out-1"]}]}, "spec.listeners[0].port"),
    "values for Exists": (
        {"nodes": {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}},
        "Exists and DoesNotExist take none",
    ),
    "a file that the operator writes": (
        {"configurationFiles": [{"name": "nodes.json", "content": "x"}]},
        "the operator writes a file of this name itself",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_the_field_path(server: ApiServer, installation: Installation, name: str) -> None:
    changes, told = REFUSED[name]
    said = _dry_run(server, _resource(**changes))
    assert told in said
    assert "created" not in said


def test_a_long_name_is_refused(server: ApiServer, installation: Installation) -> None:
    assert "at most 40 characters" in _dry_run(server, _resource("m" * 41))


def test_defaults_are_filled_in(server: ApiServer, installation: Installation) -> None:
    server.kubectl("create", "-f", "-", stdin=_resource("defaults", bus={}))
    try:
        spec = yaml.safe_load(server.kubectl("get", "mc", "defaults", "-n", "mail", "-o", "yaml"))["spec"]
        assert spec["bus"] == {"profile": "Fast", "partitionPolicy": "Majority", "arbiter": "Auto"}
        assert (spec["deletionPolicy"], spec["deletionTimeoutSeconds"]) == ("Keep", 300)
    finally:
        server.kubectl("delete", "mc", "defaults", "-n", "mail")


def test_the_operator_may_read_secrets_only_where_clusters_are_allowed(
    server: ApiServer, installation: Installation
) -> None:
    account = "--as=system:serviceaccount:momentum-system:momentum-operator"
    allowed = {
        namespace: server.kubectl("auth", "can-i", "get", "secrets", "-n", namespace, account, check=False).strip()
        for namespace in ("mail", "stranger", "kube-system", "momentum-system")
    }
    assert allowed == {"mail": "yes", "stranger": "no", "kube-system": "no", "momentum-system": "no"}


def test_crds_stay_when_the_chart_goes_unless_told_otherwise() -> None:
    def kept(*values: str) -> list[bool]:
        crds = [o for o in chart(*values) if o["kind"] == "CustomResourceDefinition"]
        return ["helm.sh/resource-policy" in (o["metadata"].get("annotations") or {}) for o in crds]

    assert kept() == [True, True]
    assert kept("crds.keep=false") == [False, False]
    assert kept("crds.install=false") == []


def test_two_replicas_get_a_disruption_budget() -> None:
    assert "PodDisruptionBudget" not in [o["kind"] for o in chart()]
    assert "PodDisruptionBudget" in [o["kind"] for o in chart("operator.replicas=2")]


def test_replicas_are_spread_over_the_nodes_and_leave_a_lost_one_soon() -> None:
    pod = next(o for o in chart("operator.tolerations[0].key=mail") if o["kind"] == "Deployment")["spec"]["template"]
    (spread,) = pod["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    patience = {toleration["key"]: toleration.get("tolerationSeconds") for toleration in pod["spec"]["tolerations"]}
    assert patience == {"node.kubernetes.io/unreachable": 30, "node.kubernetes.io/not-ready": 30, "mail": None}


def test_uninstalling_is_refused_while_a_cluster_exists(server: ApiServer, installation: Installation) -> None:
    assert installation.guard() == (0, "")
    server.kubectl("create", "-f", "-", stdin=_resource("left"))
    try:
        assert installation.guard() == (1, "delete these MomentumClusters first: mail/left\n")
    finally:
        server.kubectl("delete", "mc", "left", "-n", "mail")
