"""Certificates say role and cluster, are renewed in time, and a real TLS peer believes the right ones only."""

import datetime as dt
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from momentum_operator import certificates
from momentum_operator.certificates import Pair
from momentum_operator.reports import NodeConnector, NodeReports, WrongPeer
from momentum_operator.tls import client_context
from tests.unit.operator_world import VIP_1, report

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def authority() -> Pair:
    return certificates.make_authority("uid-1", NOW)


def test_a_certificate_is_due_a_month_before_its_end(authority: Pair) -> None:
    node = certificates.make_certificate(authority, "uid-1", "node", NOW)
    assert not certificates.is_due(node.certificate, NOW + dt.timedelta(days=334), authority.certificate)
    assert certificates.is_due(node.certificate, NOW + dt.timedelta(days=336), authority.certificate)


def test_a_certificate_of_another_authority_is_due(authority: Pair) -> None:
    other = certificates.make_authority("uid-1", NOW)
    node = certificates.make_certificate(other, "uid-1", "node", NOW)
    assert certificates.is_due(node.certificate, NOW, authority.certificate)


def test_a_new_authority_renews_all_that_it_signs(authority: Pair) -> None:
    bus = {"authkey": certificates.make_bus_key()}
    assert certificates.secrets_due(bus, None, {"node": b"", "operator": b""}, NOW) == ["ca", "node", "operator"]
    assert certificates.secrets_due({}, authority, {}, NOW) == ["bus"]


async def _node(tmp_path: Path, authority: Pair, role: str, uid: str = "uid-1") -> tuple[web.AppRunner, int]:
    """A status port as a node's, with a certificate of `role`."""
    pair = certificates.make_certificate(authority, uid, role, NOW)
    for name, data in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", authority.certificate)):
        (tmp_path / name).write_bytes(data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "ca.crt")
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(report("n1", ("n1",), {VIP_1: "n1"}, quorum=(1, 1)))

    application = web.Application()
    application.router.add_get("/v1/report", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port: int = runner.addresses[0][1]
    return runner, port


async def test_the_operator_hears_a_node_of_its_cluster_and_drops_it_when_it_falls_silent(
    tmp_path: Path, authority: Pair
) -> None:
    runner, port = await _node(tmp_path, authority, "node")
    own = certificates.make_certificate(authority, "uid-1", "operator", NOW)
    material = {"tls.crt": own.certificate, "tls.key": own.key, "ca.crt": authority.certificate}
    news = _News()
    reports = NodeReports("uid-1", news, port)
    try:
        await reports.watch({"n1": "127.0.0.1"}, material)
        await news.next()
        assert reports.reports["n1"]["node"]["name"] == "n1"
        await runner.cleanup()
        await news.next()
        assert reports.reports == {}
    finally:
        await reports.close()
        await runner.cleanup()


@pytest.mark.parametrize(("role", "uid"), [("node", "uid-2"), ("operator", "uid-1")])
async def test_a_peer_of_another_cluster_or_role_is_not_believed(
    tmp_path: Path, authority: Pair, role: str, uid: str
) -> None:
    runner, port = await _node(tmp_path, authority, role, uid)
    own = certificates.make_certificate(authority, "uid-1", "operator", NOW)
    connector = NodeConnector(
        client_context(own.certificate, own.key, authority.certificate), certificates.identity("uid-1", "node")
    )
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises((WrongPeer, aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError)):
                await session.get(f"https://127.0.0.1:{port}/v1/report")
    finally:
        await runner.cleanup()


class _News:
    """Counts calls; `next` waits for one more."""

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415

        self._event = asyncio.Event()

    def __call__(self) -> None:
        self._event.set()

    async def next(self) -> None:
        await self._event.wait()
        self._event.clear()
