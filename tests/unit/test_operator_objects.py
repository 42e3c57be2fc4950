"""Every object and file of examples/cluster.yaml, as files that one reads in review (tests/golden/operator)."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from momentum_operator import names
from momentum_operator.pod import pod_template
from momentum_operator.reading import read
from momentum_operator.render import main_file
from momentum_operator.rendering import RenderError, as_yaml, parse_nodes, read_resource, render_resource, write_files
from momentum_operator.settings import Settings, SettingsError, read_settings
from tests.unit.operator_world import EXAMPLE, example

GOLDEN = Path(__file__).parents[1] / "golden" / "operator"
NODES = "n1=198.18.0.1,n2=198.18.0.2,n3=198.18.0.3"


def _same_as_golden(name: str, text: str) -> None:
    """Equal to the file; `MOMENTUM_REWRITE_GOLDEN=1` writes it instead: read the difference before you keep it."""
    path = GOLDEN / name
    if os.environ.get("MOMENTUM_REWRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_the_example_renders_to_these_objects_and_files(tmp_path: Path) -> None:
    rendered = render_resource(read_resource(EXAMPLE), parse_nodes(NODES), Settings())
    objects = [o for o in rendered.objects if o["metadata"]["name"] != "mail-config"]
    _same_as_golden("objects.yaml", yaml.dump_all(objects, sort_keys=False))
    write_files(rendered, tmp_path)
    for name in ("ecelerity.conf", "corosync.conf", "nodes.json"):
        _same_as_golden(name, (tmp_path / name).read_text())


def test_the_printed_objects_are_yaml_that_reads_back() -> None:
    rendered = render_resource(read_resource(EXAMPLE), parse_nodes(NODES), Settings())
    assert [o["kind"] for o in yaml.safe_load_all(as_yaml(rendered))] == [
        "ConfigMap",
        "ConfigMap",
        "DaemonSet",
        "DuraVIP",
        "DuraVIP",
    ]


def _template(**changes: Any) -> dict[str, Any]:
    spec, problems = read(example(**changes)["spec"])
    assert spec is not None, problems
    return pod_template("mail", "mail", spec, Settings())


def test_no_process_that_reads_bytes_of_strangers_has_a_capability() -> None:
    pod = _template()["spec"]
    added = {c["name"]: c["securityContext"]["capabilities"].get("add", []) for c in pod["containers"]}
    assert added == {"node": ["NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW"], "services": [], "mail": []}
    everyone = pod["containers"] + pod["initContainers"]
    assert all(c["securityContext"]["readOnlyRootFilesystem"] for c in everyone)
    assert all(c["securityContext"]["capabilities"]["drop"] == ["ALL"] for c in everyone)
    assert pod["automountServiceAccountToken"] is False


def test_only_the_bus_container_sees_the_bus_key_and_only_services_the_certificate() -> None:
    pod = _template()["spec"]
    everyone = pod["containers"] + pod["initContainers"]
    seen = {v: [c["name"] for c in everyone for m in c["volumeMounts"] if m["name"] == v] for v in ("bus-key", "tls")}
    assert seen == {"bus-key": ["bus"], "tls": ["services"]}


def test_corosync_can_write_its_lock_and_its_state_though_the_root_is_read_only() -> None:
    pod = _template()["spec"]
    bus = next(c for c in pod["initContainers"] if c["name"] == "bus")
    volumes = {v["name"]: v for v in pod["volumes"]}
    writable = {m["mountPath"]: volumes[m["name"]] for m in bus["volumeMounts"] if not m.get("readOnly")}
    assert writable["/run"] == {"name": "bus-run", "emptyDir": {"medium": "Memory"}}
    assert writable["/run/momentum/corosync"]["hostPath"]["path"] == "/run/momentum/mail/mail/corosync"


def test_no_mount_uses_a_sub_path_because_such_mounts_are_never_refreshed() -> None:
    pod = _template()["spec"]
    assert not [m for c in pod["containers"] + pod["initContainers"] for m in c["volumeMounts"] if "subPath" in m]


def test_what_nodes_load_by_themselves_does_not_ask_for_new_pods() -> None:
    def stamp(**changes: Any) -> str:
        text: str = _template(**changes)["metadata"]["annotations"][names.TEMPLATE_ANNOTATION]
        return text

    assert (
        stamp()
        == stamp(hostname="mx.example.com", configuration="Hostname = a")
        == stamp(nodes={"selector": {"matchLabels": {"other": "yes"}}})
    )


@pytest.mark.parametrize(
    ("nodes", "told"),
    [("", "name at least one node"), ("n1", "'n1' is not NAME=ADDRESS"), ("n1=10.0.0.x", "'n1=10.0.0.x' is not")],
)
def test_render_refuses_a_node_list_it_cannot_read(nodes: str, told: str) -> None:
    with pytest.raises(RenderError, match=told):
        parse_nodes(nodes)


def test_settings_that_are_wrong_name_their_field() -> None:
    with pytest.raises(
        SettingsError, match=r"settings.allowedAddresses\[0\].cidrs\[0\]: '10.0.0.1/8' is not a network"
    ):
        read_settings('{"allowedAddresses": [{"namespaces": ["a"], "cidrs": ["10.0.0.1/8"]}]}')


def test_weights_of_nodes_are_rendered_and_refused_with_their_place() -> None:
    spec = yaml.safe_load(EXAMPLE.read_text())["spec"]
    spec["nodes"]["weights"] = [{"nodeName": "n1", "weight": 2}, {"nodeName": "n3", "weight": 10}]
    told, problems = read(spec)
    assert told is not None, problems
    assert '  duravip_weights = [ "n1" = 2 "n3" = 10 ]\n' in main_file(told, 3)
    spec["nodes"]["weights"] = [{"nodeName": "n1", "weight": 0}, {"nodeName": "n2", "wieght": 2}]
    assert {problem.path for problem in read(spec)[1]} == {
        "spec.nodes.weights[0].weight",
        "spec.nodes.weights[1].wieght",
    }


def test_a_gateway_to_be_asked_is_rendered_into_the_topology() -> None:
    spec = yaml.safe_load(EXAMPLE.read_text())["spec"]
    spec["networks"][0]["probeGateway"] = "198.18.0.254"
    told, problems = read(spec)
    assert told is not None, problems
    assert '    probe_gateway = "198.18.0.254"\n' in main_file(told, 3)
    spec["networks"][0]["probeGateway"] = "2001:db8::1"
    assert [problem.path for problem in read(spec)[1]] == ["spec.networks[0].probeGateway"]
