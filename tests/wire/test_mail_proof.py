"""Options of TLS, and what a session knows of how its client proved who it is."""

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.nexthop import next_hop
from tests.support.secured import OUTSIDER, Secured, send

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    async with next_hop() as (hop, gateway):
        made = Secured(tmp_path, hop, gateway)
        yield made
        await made.node.stop()


@pytest.mark.parametrize(("policy", "is_read"), [("ignore", False), ("allow", True)])
async def test_what_was_pipelined_behind_starttls_is_forgotten_or_read(
    secured: Secured, policy: str, is_read: bool
) -> None:
    await secured.start(f'SMTP_Extensions = ( "STARTTLS" ) STARTTLS_Injection_Policy = {policy}')
    reader, writer = await asyncio.open_connection("127.0.0.1", secured.node.port)
    writer.write(b"EHLO x\r\nSTARTTLS\r\nVRFY early\r\n")
    while (await reader.readline()) != b"220 2.0.0 ready to start TLS\r\n":
        pass
    await writer.start_tls(secured.context(), server_hostname="127.0.0.1")
    writer.write(b"NOOP\r\n")
    assert (await asyncio.wait_for(reader.readline(), 20))[:4] == (b"252 " if is_read else b"250 ")
    writer.close()


def handshake(secured: Secured, certificate: Path | None = None) -> tuple[str | None, str]:
    """Version and cipher of a connection to a socket that speaks TLS at once, and the greeting. Raises `OSError`."""
    context = secured.context()
    if certificate is not None:
        context.load_cert_chain(certificate)
    with (
        socket.create_connection(("127.0.0.1", secured.node.port), 20) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
    ):
        greeting = wrapped.recv(1000)
        if not greeting:
            raise ConnectionError("no greeting")
        return wrapped.version(), (wrapped.cipher() or ("",))[0]


async def test_protocols_ciphers_and_a_key_of_its_own(secured: Secured) -> None:
    """TLS_Protocols, TLS_Ciphers, TLS_Key."""
    text = secured.certificate.read_text()
    at = text.index("-----BEGIN PRIVATE KEY")
    secured.certificate.write_text(text[:at])
    (secured.folder / "server.key").write_text(text[at:])
    cipher = "ECDHE-ECDSA-AES256-GCM-SHA384"
    options = f'TLS_Protocols = "+TLSv1.2" TLS_Ciphers = "{cipher}" TLS_Key = "{secured.folder}/server.key"'
    await secured.start(f"Use_SSL = true {options}")
    assert await asyncio.to_thread(handshake, secured) == ("TLSv1.2", cipher)


async def test_a_certificate_may_be_required(secured: Secured) -> None:
    """TLS_Verify_Mode = require."""
    await secured.start("Use_SSL = true TLS_Verify_Mode = require")
    own = secured.authority.issue("client.pem", "client.test")
    with pytest.raises(OSError):  # noqa: PT011 - an alert, or a closed connection
        await asyncio.to_thread(handshake, secured)
    assert (await asyncio.to_thread(handshake, secured, own))[0] == "TLSv1.3"


async def test_a_certificate_that_nobody_asks_for_proves_nothing(secured: Secured) -> None:
    """TLS_Verify_Mode = none."""
    more = "TLS_Verified_Peer_Can_Relay = true TLS_Verify_Mode = none"
    await secured.start(f'SMTP_Extensions = ( "STARTTLS" ) {more} {OUTSIDER}')
    own = secured.authority.issue("client.pem", "client.test")

    def use(client: smtplib.SMTP) -> None:
        context = secured.context()
        context.load_cert_chain(own)
        client.starttls(context=context)
        send(client)

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await secured.talk(use)


async def test_the_context_says_how_a_client_proved_who_it_is(secured: Secured) -> None:
    """auth_status, auth_user, and what TLS came to; before TLS there was nothing."""
    extensions = '"STARTTLS" "AUTH PLAIN" "XDUMPCONTEXT" "XSETCONTEXT"'
    await secured.start(f"SMTP_Extensions = ( {extensions} ) Auth_Requires_TLS = false")
    own = secured.authority.issue("client.pem", "client.test")

    def context(client: smtplib.SMTP) -> dict[str, str]:
        lines = client.docmd("XDUMPCONTEXT")[1].decode().replace("+20", " ").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def use(client: smtplib.SMTP) -> list[dict[str, str]]:
        client.ehlo()
        client.docmd("AUTH", "PLAIN AGFubgBhbnk=")
        client.docmd("XSETCONTEXT", "colour=red")
        before = context(client)
        with_certificate = secured.context()
        with_certificate.load_cert_chain(own)
        client.starttls(context=with_certificate)
        client.ehlo()
        encrypted = context(client)
        client.login("ann", "s3cret")
        return [before, encrypted, context(client)]

    before, encrypted, proved = await secured.talk(use)
    assert (before["auth_status"], before["colour"]) == ("fail", "red")
    assert "tls" not in before
    assert not {"auth_status", "colour"} & set(encrypted)  # RFC 3207 §4.2: it was said in the clear
    assert (encrypted["tls"], encrypted["tls_client_verified"]) == ("true", "true")
    assert encrypted["tls_cipher"].startswith("TLSv1.3 ")
    assert proved["tls_client_cert_subject"] == "/CN+3Dclient.test"
    assert (proved["auth_status"], proved["auth_user"]) == ("pass", "ann")
