"""TLS towards the next hop, as options of a running node: where it falls back, where mail waits for it."""

import ssl
from pathlib import Path

import pytest

from tests.support.mailnode import mail_node
from tests.support.nexthop import next_hop
from tests.support.tlsfiles import Authority

pytestmark = pytest.mark.timeout(120)
IMPATIENT = 'Retry_Interval = "1" Host_Failure_Retry = "1"'


def older(folder: Path) -> ssl.SSLContext:
    """A server that knows TLS 1.2 only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Authority(folder).issue("server.pem", "hop.test"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


async def test_mail_goes_out_in_the_clear_where_tls_fails_and_is_only_wished_for(tmp_path: Path) -> None:
    async with (
        next_hop(context=older(tmp_path)) as (hop, gateway),
        mail_node(tmp_path, gateway, f"TLS = ifavailable TLS_Protocols = +TLSv1.3 {IMPATIENT}") as node,
    ):
        await node.submit("in the clear")
        await node.until(lambda: hop.tls == [False])
        await node.until(lambda: dict(node.core.figures()["secured"]) == {"failed": 1, "none": 1})


async def test_mail_waits_for_tls_when_the_fallback_is_off_and_goes_when_it_works(tmp_path: Path) -> None:
    strict = f"TLS = ifavailable TLS_Ifavailable_Fallback = false {IMPATIENT}"
    newer = f"{strict} TLS_Protocols = +TLSv1.3"
    async with next_hop(context=older(tmp_path)) as (hop, gateway), mail_node(tmp_path, gateway, newer) as node:
        await node.submit("patient")
        await node.until(lambda: '"retries": 1' in node.listed())
        assert hop.tls == []
        node.configure(gateway, more=strict)
        node.core.reload("2")
        await node.until(lambda: hop.tls == [True])


async def test_mail_that_requires_tls_is_never_sent_without_and_tells_why(tmp_path: Path) -> None:
    async with (
        next_hop() as (hop, gateway),
        mail_node(tmp_path, gateway, "Domain y.test { TLS = required Never_Retry = true }") as node,
    ):
        await node.submit("secret")
        await node.until(lambda: len(hop.content) == 1)  # the bounce, to a domain that requires nothing
        assert b"exceeded max retries" in hop.content[0]
        assert hop.senders == ["<>"]
