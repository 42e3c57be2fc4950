"""STARTTLS of delivery, with servers of others: aiosmtpd and asyncio's own TLS."""

import ssl
from pathlib import Path

import pytest

from momentum_node.config.model import OutboundOptions, TlsOptions, Wish
from momentum_node.smtp.opening import STARTTLS_MISSING
from momentum_node.smtp.terms import Terms
from tests.support.errand import Errand
from tests.support.nexthop import next_hop
from tests.support.scripted import scripted
from tests.support.tlsfiles import Authority

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def server(authority: Authority, *, client_ca: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("server.pem", "mx.y.test"))
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.path)
    return context


def wishing(tls: Wish) -> Terms:
    return Terms("me.test", tls=tls)


async def test_a_letter_goes_out_encrypted_where_that_is_offered(authority: Authority) -> None:
    async with next_hop(context=server(authority)) as (hop, gateway):
        errand = Errand()
        connection = await errand.run(wishing("ifavailable"), gateway)
    assert [one.code for one in errand.replies] == [250]
    assert connection.tls_version == "TLSv1.3"
    assert hop.tls == [True]


@pytest.mark.parametrize(("wish", "codes"), [("no", [250]), ("ifavailable", [250]), ("required", [])])
async def test_where_it_is_not_offered(wish: Wish, codes: list[int]) -> None:
    async with next_hop() as (hop, gateway):
        errand = Errand()
        await errand.run(wishing(wish), gateway)
    assert [one.code for one in errand.replies] == codes
    assert errand.why == (None if codes else STARTTLS_MISSING)
    assert hop.tls == [False] * len(codes)


@pytest.mark.parametrize(
    ("verify", "host", "is_known", "failure"),
    [
        ("ca", "any.test", True, None),
        ("ca", "any.test", False, "unable to get local issuer certificate"),
        ("host", "mx.y.test", True, None),
        ("host", "127.0.0.1", True, None),
        ("host", "mx.other.test", True, "the certificate is not for mx.other.test"),
        (None, "mx.other.test", False, None),
    ],
)
async def test_a_certificate_is_judged_as_the_options_say(
    authority: Authority, tmp_path: Path, verify: str | None, host: str, *, is_known: bool, failure: str | None
) -> None:
    (tmp_path / "other").mkdir()
    trusted = authority if is_known else Authority(tmp_path / "other", "Another CA")
    tls = TlsOptions(client_ca=str(trusted.path), verify=verify)  # type: ignore[arg-type]
    async with next_hop(context=server(authority)) as (hop, gateway):
        errand = Errand()
        await errand.run(wishing("required"), gateway, tls=tls, host=host)
    assert hop.tls == ([True] if failure is None else [])
    assert (errand.why is None) == (failure is None)
    if failure is not None and errand.why is not None:
        assert errand.why.text == f"451 4.7.5 [internal] TLS negotiation failed: {failure}"


async def test_our_own_certificate_is_shown_where_it_is_asked_for(authority: Authority) -> None:
    context = server(authority, client_ca=True)
    own = TlsOptions(certificate=str(authority.issue("own.pem", "me.test")))
    async with next_hop(context=context) as (hop, gateway):
        await Errand().run(wishing("required"), gateway, tls=own)
        stranger = Errand()
        await stranger.run(wishing("required"), gateway)
    assert hop.tls == [True]
    assert stranger.why is not None


async def test_protocols_and_ciphers_follow_the_options(authority: Authority) -> None:
    context = server(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    cipher = "ECDHE-ECDSA-AES256-GCM-SHA384"
    async with next_hop(context=context) as (_, gateway):
        old = await Errand().run(wishing("required"), gateway, tls=TlsOptions(ciphers=cipher))
        refused = Errand()
        await refused.run(wishing("required"), gateway, tls=TlsOptions(protocols="+TLSv1.3"))
        unknown = Errand()
        await unknown.run(wishing("required"), gateway, tls=TlsOptions(ciphers="ECDHE-RSA-AES256-GCM-SHA384"))
    assert old.tls_version == "TLSv1.2"
    assert refused.why is not None
    assert "TLS negotiation failed" in refused.why.text
    assert unknown.why is not None


OFFER = b"250-mx.y.test\r\n250 STARTTLS\r\n"


async def test_a_server_that_offers_tls_and_refuses_it() -> None:
    async with scripted(OFFER, b"454 4.7.0 no certificate today\r\n") as at:
        errand = Errand()
        await errand.run(wishing("required"), at)
    assert errand.why is not None
    assert errand.why.enhanced == "4.7.5"
    assert "454 4.7.0 no certificate today" in errand.why.text


async def test_a_server_that_says_go_ahead_and_speaks_no_tls() -> None:
    async with scripted(OFFER, b"220 go\r\n", b"HTTP/1.1 400 what\r\n\r\n") as at:
        errand = Errand()
        await errand.run(wishing("ifavailable"), at)
    assert errand.why is not None
    assert errand.why.enhanced == "4.7.5"


async def test_a_handshake_that_does_not_end_is_ended() -> None:
    async with scripted(OFFER, b"220 go\r\n") as at:  # which waits until we have closed
        errand = Errand()
        options = OutboundOptions(ehlo_timeout_s=1.0)
        await errand.run(wishing("required"), at, options=options)
    assert errand.why is not None
    assert errand.why.text == "451 4.7.5 [internal] TLS negotiation failed: no answer"
