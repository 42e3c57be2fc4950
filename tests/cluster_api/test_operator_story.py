"""The operator's own process against a real API server, with the chart's rights and nodes that a test speaks for."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from momentum_node.status.report import Report
from tests.cluster_api.apiserver import ApiServer
from tests.cluster_api.fake_nodes import FakeNode, fake_nodes, kubectl, start_pods
from tests.cluster_api.installation import Installation
from tests.unit.operator_world import VIP_1, VIP_2, example, report

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(180)]

ALL = ("n1", "n2", "n3")


async def _until(server: ApiServer, what: Callable[[dict[str, Any]], bool], *object_: str, within_s: float) -> float:
    """Polls an object until `what` holds of it; the seconds that took. Fails with what was there instead."""
    began = time.monotonic()
    seen: dict[str, Any] = {}
    while True:
        text = await asyncio.to_thread(server.kubectl, "get", *object_, "-n", "mail", "-o", "json", check=False)
        if text.startswith("{"):
            seen = json.loads(text)
            if what(seen):
                return time.monotonic() - began
        elif "NotFound" in text and what({}):
            return time.monotonic() - began
        if time.monotonic() - began > within_s:
            raise AssertionError(
                f"not within {within_s} s; last seen: {json.dumps(seen.get('status', text), indent=1)}"
            )
        await asyncio.sleep(0.05)


def _ready(status: str, reason: str = "") -> Callable[[dict[str, Any]], bool]:
    def holds(value: dict[str, Any]) -> bool:
        found = [c for c in value.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
        return any(c["status"] == status and reason in c["reason"] for c in found)

    return holds


def _owner(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda value: value.get("status", {}).get("owner") == name


async def _revision(server: ApiServer) -> str:
    text = await kubectl(server, "get", "configmap", "mail-config", "-n", "mail", "-o", "json")
    revision: str = json.loads(text)["data"]["revision"]
    return revision


def _resource(**changes: Any) -> dict[str, Any]:
    resource = example(**changes)
    resource["metadata"] = {"name": "mail", "namespace": "mail"}
    return resource


async def _all_say(nodes: list[FakeNode], owners: dict[str, str | None], revision: str) -> None:
    members = tuple(node.name for node in nodes)
    for node in nodes:
        said: Report = report(node.name, members, owners, quorum=(len(members), 3), revision=revision)
        await node.say(said)


async def test_from_apply_over_a_lost_node_to_delete(
    server: ApiServer, installation: Installation, logs: Path, tmp_path: Path
) -> None:
    with installation.operator(logs) as process:
        async with fake_nodes(server, 3) as nodes:
            await kubectl(server, "apply", "-f", "-", stdin=_resource())
            await _until(server, _ready("False", "WaitingForNodes"), "mc", "mail", within_s=40)

            await start_pods(server, nodes, tmp_path)
            revision = await _revision(server)
            await _all_say(nodes, {VIP_1: "n1", VIP_2: "n2"}, revision)
            await _until(server, _ready("True"), "mc", "mail", within_s=20)
            table = await kubectl(server, "get", "mc,dvip", "-n", "mail")
            assert "3 nodes, 2 addresses, as declared" in table
            assert "n1 is preferred" in table

            # The owner's machine is gone: the survivors agree at once, and the truth is out within two seconds.
            await nodes[0].stop()
            await _all_say(nodes[1:], {VIP_1: "n2", VIP_2: "n2"}, revision)
            assert await _until(server, _owner("n2"), "dvip", "mail-198-18-0-41", within_s=10) < 2
            await _until(server, _ready("False", "NodesMissing"), "mc", "mail", within_s=5)
            events = await kubectl(server, "get", "events", "-n", "mail")
            assert f"{VIP_1} from n1 to n2: n2 is preferred" in events

            # A wrong text is told with its place, and what nodes mount stays.
            await kubectl(server, "apply", "-f", "-", stdin=_resource(configuration="Hostname = a\nBinding {\n"))
            await _until(server, _ready("False", "Invalid"), "mc", "mail", within_s=10)
            assert "spec.configuration:2:" in await kubectl(server, "get", "mc", "mail", "-n", "mail", "-o", "json")
            assert await _revision(server) == revision

            # A settled cluster is left alone: nothing is written.
            await kubectl(server, "apply", "-f", "-", stdin=_resource())
            await nodes[0].start(tmp_path)
            await _all_say(nodes, {VIP_1: "n1", VIP_2: "n2"}, revision)
            await _until(server, _ready("True"), "mc", "mail", within_s=20)
            await asyncio.sleep(2)
            before = await _versions(server)
            await asyncio.sleep(17)  # longer than the operator's own re-check
            assert await _versions(server) == before

            await kubectl(server, "delete", "mc", "mail", "-n", "mail", "--wait=false")
            await _until(server, _ready("False", "Deleting"), "mc", "mail", within_s=10)
            await _until(server, lambda value: not value, "daemonset", "mail-node", within_s=10)
            for name in ALL:  # what the kubelets would do, once each node has drained
                await kubectl(server, "delete", "pod", f"mail-node-{name}", "-n", "mail", "--grace-period=0", "--force")
            await _until(server, lambda value: not value, "mc", "mail", within_s=10)
            assert process.poll() is None
    assert "a round failed" not in logs.read_text()


async def test_a_resource_where_none_is_allowed_is_told_so_and_gets_nothing(
    server: ApiServer, installation: Installation, logs: Path
) -> None:
    resource = _resource() | {"metadata": {"name": "mail", "namespace": "stranger"}}
    with installation.operator(logs):
        await kubectl(server, "apply", "-f", "-", stdin=resource)
        try:
            deadline = time.monotonic() + 40
            while "stranger is not in the chart's allowedAddresses" not in (
                await kubectl(server, "get", "mc", "mail", "-n", "stranger", "-o", "json")
            ):
                assert time.monotonic() < deadline, logs.read_text()
                await asyncio.sleep(0.2)
            owned = await kubectl(server, "get", "daemonsets,secrets,dvip", "-n", "stranger")
            assert "No resources found" in owned
        finally:
            await kubectl(server, "delete", "mc", "mail", "-n", "stranger")


async def test_what_an_earlier_cluster_of_the_name_left_is_made_anew(
    server: ApiServer, installation: Installation, logs: Path
) -> None:
    """This API server collects no garbage, like one whose controller manager is slow: everything of the first stays."""
    with installation.operator(logs):
        certificates = []
        for _ in range(2):
            await kubectl(server, "apply", "-f", "-", stdin=_resource())
            await _until(server, _ready("False"), "mc", "mail", within_s=40)
            cluster = json.loads(await kubectl(server, "get", "mc", "mail", "-n", "mail", "-o", "json"))
            for kind, name in (("secret", "mail-node-tls"), ("configmap", "mail-state"), ("dvip", "mail-198-18-0-41")):
                kept = json.loads(await kubectl(server, "get", kind, name, "-n", "mail", "-o", "json"))
                assert [o["uid"] for o in kept["metadata"]["ownerReferences"]] == [cluster["metadata"]["uid"]], kind
                if kind == "secret":
                    certificates.append(kept["data"])
            await kubectl(server, "delete", "mc", "mail", "-n", "mail")
        assert certificates[0] != certificates[1]
    assert "a round failed" not in logs.read_text()


async def _versions(server: ApiServer) -> dict[str, str]:
    """resourceVersion of everything the operator writes."""
    text = await kubectl(server, "get", "mc,dvip,configmap,secret,daemonset,pod", "-n", "mail", "-o", "json")
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in json.loads(text)["items"]}


async def test_an_address_of_the_services_network_is_refused(
    server: ApiServer, installation: Installation, logs: Path
) -> None:
    """Kubernetes tells by ServiceCIDR objects which that is; the chart lets the operator read them."""
    vips = [{"name": "out-1", "address": "10.0.0.77"}, {"name": "out-2", "address": VIP_2}]
    networks = [{"cidr": f"{net}/24", "interface": "eth0"} for net in ("10.0.0.0", "198.18.0.0")]

    def is_refused(value: dict[str, Any]) -> bool:
        told = [c.get("message", "") for c in value.get("status", {}).get("conditions", [])]
        return any("10.0.0.77 is in 10.0.0.0/24, from which Kubernetes gives services" in text for text in told)

    with installation.operator(logs):
        await kubectl(server, "apply", "-f", "-", stdin=_resource(vips=vips, networks=networks))
        try:
            await _until(server, is_refused, "mc", "mail", within_s=40)
        finally:
            await kubectl(server, "delete", "mc", "mail", "-n", "mail", "--wait=false")
            await _until(server, lambda value: not value, "mc", "mail", within_s=20)
