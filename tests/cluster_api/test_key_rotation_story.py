"""The bus key is replaced: the operator's own process, a real API server, nodes that do what real ones do."""

import asyncio
import base64
import json
import time
from pathlib import Path

import pytest

from momentum_node.bus.keystages import KeyStages, mounted
from momentum_operator import names
from tests.cluster_api.apiserver import ApiServer
from tests.cluster_api.fake_nodes import FakeNode, fake_nodes, kubectl, start_pods
from tests.cluster_api.installation import Installation
from tests.unit.operator_world import VIP_1, VIP_2, example, report

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(240)]

PATIENCE_S = 90.0


class Nodes:
    """Three nodes that mount the Secret, and follow its stages as the bus container does."""

    def __init__(self, server: ApiServer, nodes: list[FakeNode]) -> None:
        self._server, self._nodes = server, nodes
        self._stages = {node.name: KeyStages(rank) for rank, node in enumerate(nodes)}
        self.seen: list[str] = []
        self.key = b""

    async def start(self) -> None:
        """Each Corosync starts with the key that there is."""
        self.key = (await self._secret())["authkey"]
        for stages in self._stages.values():
            stages.started(self.key)
        await self.look()

    async def look(self) -> str:
        """What the Secret asks for is done and reported; the stage."""
        files = await self._secret()
        folder = mounted(files)
        assert folder is not None
        config = json.loads(await kubectl(self._server, "get", "configmap", "mail-config", "-n", "mail", "-o", "json"))
        members = tuple(node.name for node in self._nodes)
        for node in self._nodes:
            stages = self._stages[node.name]
            stages.look(folder, time.monotonic())
            if stages.is_due(time.monotonic()):
                stages.reloaded()
            said = report(node.name, members, {VIP_1: "n1", VIP_2: "n2"}, revision=config["data"]["revision"])
            links = [{"node": name, "connected": True, "timesDown": 0} for name in members if name != node.name]
            key = stages.state(folder.in_file)
            await node.say({**said, "bus": {**said["bus"], "ring": list(members), "links": links, "key": key}})  # type: ignore[typeddict-item]
        if self.seen[-1:] != [folder.stage.value]:
            self.seen.append(folder.stage.value)
        self.key = folder.current
        return folder.stage.value

    async def _secret(self) -> dict[str, bytes]:
        secret = json.loads(await kubectl(self._server, "get", "secret", "mail-bus", "-n", "mail", "-o", "json"))
        return {name: base64.b64decode(value) for name, value in secret["data"].items()}


async def until(what: str, *arguments: str, server: ApiServer, says: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while says not in (
            told := await asyncio.to_thread(lambda: server.kubectl(*arguments, "-n", "mail", check=False))
        ):
            await asyncio.sleep(0.1)
    assert says in told, what


async def test_the_bus_key_is_replaced_stage_by_stage(
    server: ApiServer, installation: Installation, logs: Path, tmp_path: Path
) -> None:
    resource = example()
    resource["metadata"] = {"name": "mail", "namespace": "mail"}
    with installation.operator(logs):
        async with fake_nodes(server, 3) as made:
            await kubectl(server, "apply", "-f", "-", stdin=resource)
            await until("it is made", "get", "daemonset,secret", server=server, says="mail-node-tls")
            await until("it is made", "get", "daemonset", server=server, says="mail-node")
            await start_pods(server, made, tmp_path)
            nodes = Nodes(server, made)
            await nodes.start()
            old = nodes.key
            await until("it is well", "get", "mc", "mail", server=server, says="3 nodes, 2 addresses, as declared")

            await kubectl(server, "annotate", "mc", "mail", "-n", "mail", f"{names.ROTATE_ANNOTATION}=2030-01")
            async with asyncio.timeout(PATIENCE_S):
                while nodes.key == old:
                    await nodes.look()
                    await asyncio.sleep(0.2)
            assert nodes.seen == ["", "distribute", "install", "switch", ""]
            await until("it is told", "get", "events", server=server, says="every node uses the new bus key")
            secret = json.loads(await kubectl(server, "get", "secret", "mail-bus", "-n", "mail", "-o", "json"))
            assert set(secret["data"]) == {
                "authkey",
                "rotation",
            }  # the next key and the stage are gone

            await kubectl(server, "delete", "mc", "mail", "-n", "mail", "--wait=false")
            await until("its pods end", "get", "daemonset", server=server, says="No resources found")
            for node in made:
                pod = f"mail-node-{node.name}"
                await kubectl(server, "delete", "pod", pod, "-n", "mail", "--grace-period=0", "--force")
            await until("it is gone", "get", "mc", server=server, says="No resources found")
    assert "a round failed" not in logs.read_text()
