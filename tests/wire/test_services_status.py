"""The status port: who gets the report, when a long poll returns, what readiness says, over real TLS."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from momentum_node.services import Latest, Status, tls_context, why_not_ready
from momentum_node.status.report import Report
from momentum_operator import certificates
from tests.support.quietbus import QUIET_BUS

CLUSTER = "5f3a"
OPERATOR = f"momentum://{CLUSTER}/operator"


def report(revision: int, state: str = "RUN", *, accepting: bool = True) -> Report:
    mail = {
        "workers": 1,
        "accepting": accepting,
        "sessions": 0,
        "queued": 0,
        "received": 0,
        "delivered": 0,
        "failed": 0,
    }
    node = {"name": "n1", "id": 1, "address": "198.18.0.1", "incarnation": "aa", "version": "0"}
    whole = {
        "revision": revision,
        "node": node,
        "state": state,
        "quorate": True,
        "quorum": "3/3",
        "bus": {**QUIET_BUS},
        "members": [],
        "vips": [],
        "transitions": {"plumbed": 2, "conflict": 1},
        "configuration": {"digest": "d", "running": "d", "errors": []},
        "interfaces": [],
        "mail": mail,
        "notices": [],
    }
    return cast("Report", whole)


class Authority:
    """The cluster's CA, and folders with certificates that it signed."""

    def __init__(self, folder: Path, cluster: str = CLUSTER) -> None:
        self._folder = folder
        self._cluster = cluster
        self._pair = certificates.make_authority(cluster, self._now())

    def folder(self, role: str) -> Path:
        pair = certificates.make_certificate(self._pair, self._cluster, role, self._now())
        folder = self._folder / f"{self._cluster}-{role}"
        folder.mkdir(parents=True)
        (folder / "tls.crt").write_bytes(pair.certificate)
        (folder / "tls.key").write_bytes(pair.key)
        (folder / "ca.crt").write_bytes(self._pair.certificate)
        return folder

    def client(self, role: str) -> ssl.SSLContext:
        folder = self.folder(role)
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        context.check_hostname = False  # certificates carry roles, not names
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        return context

    @staticmethod
    def _now() -> dt.datetime:
        return dt.datetime.now(dt.UTC)


@contextlib.asynccontextmanager
async def served(latest: Latest, context: ssl.SSLContext) -> AsyncIterator[str]:
    """The address of a status port with `latest` behind it."""
    application = web.Application()
    application.router.add_get("/v1/report", Status(latest, OPERATOR).report)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    host, port = runner.addresses[0][:2]
    yield f"https://{host}:{port}/v1/report"
    await runner.cleanup()


async def fetch(url: str, context: ssl.SSLContext) -> tuple[int, dict[str, object]]:
    async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as response:
        return response.status, await response.json()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_the_operator_gets_the_report(authority: Authority) -> None:
    latest = Latest()
    latest.put(report(3))
    async with served(latest, tls_context(authority.folder("node"))) as url:
        status, body = await fetch(url, authority.client("operator"))
    assert (status, body["revision"]) == (200, 3)


async def test_another_role_of_the_same_cluster_is_refused(authority: Authority) -> None:
    latest = Latest()
    latest.put(report(3))
    async with served(latest, tls_context(authority.folder("node"))) as url:
        status, body = await fetch(url, authority.client("manager"))
    assert status == 403
    assert OPERATOR in str(body["error"])


async def test_an_operator_of_another_cluster_does_not_get_through_the_handshake(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "other", CLUSTER).client("operator")
    stranger.verify_mode = ssl.CERT_NONE
    async with served(Latest(), tls_context(authority.folder("node"))) as url:
        with pytest.raises(aiohttp.ClientError):
            await fetch(url, stranger)


async def test_a_long_poll_returns_as_soon_as_there_is_news(authority: Authority) -> None:
    latest = Latest()
    latest.put(report(3))
    client = authority.client("operator")
    async with served(latest, tls_context(authority.folder("node"))) as url:
        poll = asyncio.create_task(fetch(f"{url}?after=3&incarnation=aa&wait=30", client))
        await asyncio.sleep(0.3)
        assert not poll.done()
        latest.put(report(4))
        status, body = await asyncio.wait_for(poll, 2)
    assert (status, body["revision"]) == (200, 4)


async def test_without_a_core_it_says_so(authority: Authority) -> None:
    async with served(Latest(), tls_context(authority.folder("node"))) as url:
        status, body = await fetch(f"{url}?wait=0", authority.client("operator"))
    assert status == 503
    assert "core" in str(body["error"])


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (None, "the core is not running"),
        (report(1, "GATHER"), "the node is in state GATHER"),
        (report(1, accepting=False), "no mail worker accepts"),
        (report(1), None),
    ],
)
def test_readiness_names_what_is_missing(seen: Report | None, reason: str | None) -> None:
    assert why_not_ready(seen) == reason
