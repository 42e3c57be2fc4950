"""Delivery to a real Postfix: over TLS, with a certificate of ours, with the client told by XCLIENT."""

import asyncio
from pathlib import Path

import pytest

from momentum_node.config.model import TlsOptions
from momentum_node.smtp.client import Letter
from momentum_node.smtp.terms import Origin, Terms
from tests.support.errand import Errand
from tests.support.nexthop import next_hop
from tests.support.postfix import needs_postfix, postfix
from tests.support.tlsfiles import Authority

pytestmark = [pytest.mark.timeout(120), needs_postfix]


async def arrived(count: int, content: list[bytes]) -> bytes:
    """What Postfix passed on last."""
    async with asyncio.timeout(60):
        while len(content) < count:
            await asyncio.sleep(0.05)
    return content[-1]


async def test_postfix_takes_letters_over_tls_and_knows_us_by_our_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, own = authority.issue("server.pem", "postfix.test"), authority.issue("own.pem", "me.test")
    more = f"""
smtpd_tls_security_level = may
smtpd_tls_cert_file = {server}
smtpd_tls_key_file = {server}
smtpd_tls_CAfile = {authority.path}
smtpd_tls_ask_ccert = yes
smtpd_authorized_xclient_hosts = 127.0.0.0/8
"""
    tls = TlsOptions(certificate=str(own), client_ca=str(authority.path), verify="host")
    letter = Letter("a@x.test", ("b@y.test",), b"Subject: hi\r\n\r\n.body\r\n", origin=Origin("192.0.2.7", "77"))
    async with next_hop() as (hop, sink), postfix(int(sink.rpartition(":")[2]), more) as gateway:
        errand = Errand(letter)
        terms = Terms("me.test", tls="required", xclient="required")
        connection = await errand.run(terms, gateway, tls=tls, host="postfix.test")
        assert [one.code for one in errand.replies] == [250], errand.why
        received = await arrived(1, hop.content)
        assert connection.tls_version == "TLSv1.3"
        assert b'(Client CN "me.test", Issuer "Test CA" (verified OK))' in received
        assert b"from me.test (unknown [192.0.2.7])" in received
        assert received.endswith(b"\r\n.body\r\n")

        wrong = Errand(letter)
        await wrong.run(terms, gateway, tls=tls, host="elsewhere.test")
        assert wrong.why is not None
        assert wrong.why.text.endswith("the certificate is not for elsewhere.test")
