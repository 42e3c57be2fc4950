"""Listening to the nodes of one cluster: one long poll for each, HTTPS with mutual TLS.

A node that says nothing for `SILENCE_S` does not count any more: `reports` holds those that answer now. Counters of
mail change all the time and decide nothing, so they wake nobody.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp

from momentum_node.status.report import Report
from momentum_operator.certificates import identity
from momentum_operator.names import STATUS_PORT
from momentum_operator.tls import client_context

POLL_S: Final = 0.7
"""How long a node may wait for news before it answers all the same: its sign of life."""
SILENCE_S: Final = 1.5
PAUSE_S: Final = 0.1
"""Between two polls of one node, also when each brings something new."""
RETRY_S: Final = 0.3
MAX_REPORT_BYTES: Final = 16 << 20


class WrongPeer(aiohttp.ClientError):
    """Who answers is not a node of this cluster."""


class NodeConnector(aiohttp.TCPConnector):
    """Connections to nodes of one cluster only: a certificate of ours that says another role or cluster is refused."""

    def __init__(self, context: ssl.SSLContext, node_uri: str) -> None:
        super().__init__(ssl=context, limit=64)
        self._node_uri = node_uri

    async def connect(self, *arguments: Any, **options: Any) -> Any:
        """As the base class; the peer is checked before a byte is sent."""
        connection = await super().connect(*arguments, **options)
        certificate = connection.transport.get_extra_info("peercert") if connection.transport else None
        if ("URI", self._node_uri) not in (certificate or {}).get("subjectAltName", ()):
            connection.close()
            raise WrongPeer(f"the peer's certificate does not carry {self._node_uri}")
        return connection


class NodeReports:
    """The reports of one cluster's nodes by name on the bus, kept fresh; `on_change` is called on news."""

    def __init__(self, cluster_uid: str, on_change: Callable[[], None], port: int = STATUS_PORT) -> None:
        self.cluster_uid = cluster_uid
        self._uri = identity(cluster_uid, "node")
        self._on_change = on_change
        self._port = port
        self._tasks: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._material: tuple[bytes, ...] = ()
        self.reports: dict[str, Report] = {}

    async def watch(self, addresses: Mapping[str, str], material: Mapping[str, bytes]) -> None:
        """Listen to exactly these nodes (name → address) with the operator's certificate in `material`."""
        wanted = tuple(material.get(name, b"") for name in ("tls.crt", "tls.key", "ca.crt"))
        if wanted != self._material:
            await self.close()
            self._material = wanted
        if not all(wanted):
            return
        if self._session is None:
            connector = NodeConnector(client_context(*wanted), self._uri)
            self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=SILENCE_S))
        for name in [name for name, (address, _) in self._tasks.items() if addresses.get(name) != address]:
            await self._forget(name)
        for name, address in addresses.items():
            if name not in self._tasks:
                self._tasks[name] = address, asyncio.create_task(self._listen(name, address, self._session))

    async def close(self) -> None:
        """Stop listening and forget what was heard."""
        for name in list(self._tasks):
            await self._forget(name)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _forget(self, name: str) -> None:
        _, task = self._tasks.pop(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        self.reports.pop(name, None)

    async def _listen(self, name: str, address: str, session: aiohttp.ClientSession) -> None:
        while True:
            report = await self._ask(name, address, session)
            before = self.reports.get(name)
            if report is not None:
                self.reports[name] = report
            else:
                self.reports.pop(name, None)
            if _essence(report) != _essence(before):
                self._on_change()
            await asyncio.sleep(PAUSE_S if report is not None else RETRY_S)

    async def _ask(self, name: str, address: str, session: aiohttp.ClientSession) -> Report | None:
        host = f"[{address}]" if ":" in address else address
        known = self.reports.get(name)
        query = {"wait": str(POLL_S)}
        if known is not None:
            query |= {"after": str(known["revision"]), "incarnation": known["node"]["incarnation"]}
        try:
            async with session.get(f"https://{host}:{self._port}/v1/report", params=query) as answer:
                if answer.status != 200:
                    return None
                report: Report = await answer.json()
                return report
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None


def _essence(report: Report | None) -> object:
    """What decides and is shown: everything but counters."""
    if report is None:
        return None
    accepting = report["mail"]["accepting"]
    return {**report, "revision": 0, "mail": accepting}
