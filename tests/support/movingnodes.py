"""Several nodes that hand mail to each other: real workers, cluster listeners with mutual TLS, the view fed by hand."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address
from pathlib import Path

from momentum_node.cluster.running import cluster_services
from momentum_node.mmove.owners import told
from momentum_node.services import tls_context
from tests.support.mailnode import MailNode, hand_over
from tests.support.nodetls import certify
from tests.support.ownnetwork import ip

ADDRESS = ip_address("198.18.0.9")
CONFIGURATION = """
Binding "moving" {{ Bind_Address = "198.18.0.9" Enable_Duravip = true Match_Domain = ( "moving.test" ) }}
ECCluster_Listener {{ Listen "*:{port}" {{ }} }}
Cluster {{ {cluster} Topology "198.18.0.0/24" {{ CidrMask = "32" Interface = "lo" }} }}
"""


class Nodes:
    """Made by `moving_nodes`. Only the owner has the address in its view of itself; all know who that is."""

    def __init__(
        self, folder: Path, gateway: str, count: int, workers: Sequence[int], cluster: str, kind: type[MailNode]
    ) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        more = CONFIGURATION.format(port=self.port, cluster=cluster)
        self.nodes = [
            kind(
                folder / f"n{number}",
                gateway,
                more=more,
                name=f"n{number}",
                node_id=number,
                workers=workers[number - 1],
            )
            for number in range(1, count + 1)
        ]
        listed = [{"name": node.name, "id": node.node_id, "address": self.address(node)} for node in self.nodes]
        (folder / "nodes.json").write_text(json.dumps({"cluster": "moves", "nodes": listed, "arbiter": None}))
        certify(folder / "tls", "moves")
        self._services: dict[MailNode, contextlib.AsyncExitStack] = {}
        self.up: set[str] = set()
        self.owner: MailNode | None = None

    @staticmethod
    def address(node: MailNode) -> str:
        """Where its cluster listener is."""
        return f"127.0.78.{node.node_id}"

    async def start(self, node: MailNode) -> None:
        """Mail and services of one node; it is in the view from now on."""
        await node.start()
        await self.serve(node)
        self.up.add(node.name)
        self.tell()

    async def serve(self, node: MailNode) -> None:
        """Its services process, as far as it is about moves."""
        stack = self._services[node] = contextlib.AsyncExitStack()
        await stack.enter_async_context(cluster_services(node.settings, tls_context(node.settings.tls)))

    async def unserve(self, node: MailNode) -> None:
        """Its services process ends."""
        await self._services.pop(node).aclose()

    def tell(self) -> None:
        """The view, to every node that is up."""
        owned = {self.owner.name: [ADDRESS]} if self.owner is not None else {}
        for node in self.nodes:
            if node.name in self.up:
                node.core.tell_owners(told(owned, self.up))

    async def give(self, owner: MailNode | None, *, is_served: bool = True) -> None:
        """The address moves: whoever has it lets go of it, and the new owner gets it, as soon as `is_served`."""
        before, self.owner = self.owner, owner
        self.tell()
        if before is not None and before.name in self.up:
            await hand_over(before.core, ADDRESS, 5.0)
        if is_served and owner is not None and owner.name in self.up:
            await owner.core.start(ADDRESS, [])

    async def kill(self, node: MailNode) -> None:
        """kill -9 of manager and workers, all at once; the others see it leave."""
        assert node.manager is not None
        for pid in [node.manager.pid, *node.worker_pids()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(node.manager.wait)
        node.manager = None
        await self.unserve(node)
        node.core_dies()
        self.up.discard(node.name)
        if self.owner is node:
            self.owner = None
        self.tell()

    async def stop(self) -> None:
        """All of it."""
        for node in list(self._services):
            await self.unserve(node)
        for node in self.nodes:
            await node.stop()


@contextlib.asynccontextmanager
async def moving_nodes(
    folder: Path,
    gateway: str,
    count: int = 2,
    workers: Sequence[int] = (1, 1, 1),
    cluster: str = "",
    kind: type[MailNode] = MailNode,
) -> AsyncIterator[Nodes]:
    """In a network of its own: `count` nodes, started, none of which has the address. `workers`: how many each has."""
    ip("address", "add", f"{ADDRESS}/32", "dev", "lo")  # one host plays all nodes: who may use it is the view's word
    nodes = Nodes(folder, gateway, count, workers, cluster, kind)
    try:
        for node in nodes.nodes:
            await nodes.start(node)
        yield nodes
    finally:
        await nodes.stop()
