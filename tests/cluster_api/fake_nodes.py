"""Nodes that are not there: Node objects, the pods that a kubelet would run, and status ports that answer as nodes do.

Each node has a loopback address of its own and serves the report that the test gives it, with the certificate that the
operator made.
"""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from momentum_node.status.report import Report
from momentum_operator import names
from tests.cluster_api.apiserver import ApiServer

NAMESPACE = "mail"


class FakeNode:
    """One node; `say` changes its report and answers who waits for news."""

    def __init__(self, number: int) -> None:
        self.name, self.address = f"n{number}", f"127.0.50.{number}"
        self._report: dict[str, Any] | None = None
        self._news = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def say(self, report: Report) -> None:
        """From now on this is the report."""
        async with self._news:
            revision = self._report["revision"] + 1 if self._report else 1
            self._report = {**report, "revision": revision}
            self._news.notify_all()

    async def start(self, folder: Path) -> None:
        """Open the status port with the certificate in `folder`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "ca.crt")
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        application = web.Application()
        application.router.add_get("/v1/report", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.address, names.STATUS_PORT, ssl_context=context).start()

    async def stop(self) -> None:
        """The machine is gone: nothing answers."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        after, wait_s = int(request.query.get("after", "0")), float(request.query["wait"])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s), self._news:
                await self._news.wait_for(lambda: self._report is not None and self._report["revision"] > after)
        if self._report is None:
            return web.Response(status=503)
        return web.json_response(self._report)


@contextlib.asynccontextmanager
async def fake_nodes(server: ApiServer, count: int) -> AsyncIterator[list[FakeNode]]:
    """Node objects with the label of the example; pods and ports come with `start_pods`."""
    nodes = [FakeNode(number) for number in range(1, count + 1)]
    for node in nodes:
        metadata = {"name": node.name, "labels": {"mail": "true"}}
        await kubectl(server, "apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        status = {
            "addresses": [{"type": "InternalIP", "address": node.address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        await patch_status(server, "node", node.name, status)
    try:
        yield nodes
    finally:
        for node in nodes:
            await node.stop()
            await kubectl(server, "delete", "node", node.name, "--ignore-not-found")


async def start_pods(server: ApiServer, nodes: list[FakeNode], folder: Path) -> None:
    """What the DaemonSet controller and the kubelets do: a ready pod on each node, its status port open."""
    text = await kubectl(server, "get", "daemonset", "mail-node", "-n", NAMESPACE, "-o", "json")
    template = json.loads(text)["spec"]["template"]
    secret = json.loads(await kubectl(server, "get", "secret", "mail-node-tls", "-n", NAMESPACE, "-o", "json"))
    for key, value in secret["data"].items():
        (folder / key).write_bytes(base64.b64decode(value))
    for node in nodes:
        await node.start(folder)
        await kubectl(server, "apply", "-f", "-", stdin=_pod(node, template))
        status = {
            "phase": "Running",
            "hostIP": node.address,
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        await patch_status(server, "pod", f"mail-node-{node.name}", status)


async def patch_status(server: ApiServer, kind: str, name: str, status: Mapping[str, Any]) -> None:
    """Write a status as its owner would."""
    body = json.dumps({"status": status})
    await kubectl(server, "patch", kind, name, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", body)


async def kubectl(server: ApiServer, *arguments: str, stdin: Mapping[str, Any] | None = None) -> str:
    """kubectl beside the event loop."""
    text = None if stdin is None else json.dumps(stdin)
    return await asyncio.to_thread(lambda: server.kubectl(*arguments, stdin=text))


def _pod(node: FakeNode, template: Mapping[str, Any]) -> dict[str, Any]:
    container = {"name": "node", "image": "none"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": f"mail-node-{node.name}", "namespace": NAMESPACE},
        "spec": {"nodeName": node.name, "containers": [container]},
    }
