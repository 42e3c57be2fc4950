"""TLS, passwords, PROXY headers and XCLIENT, with clients that are not ours: Python's smtplib and swaks."""

import asyncio
import shutil
import smtplib
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.nexthop import next_hop
from tests.support.postfix import needs_postfix, postfix
from tests.support.secured import OUTSIDER, Secured, send

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    async with next_hop() as (hop, gateway):
        made = Secured(tmp_path, hop, gateway)
        yield made
        await made.node.stop()


async def test_starttls_is_offered_used_and_noted(secured: Secured) -> None:
    await secured.start('SMTP_Extensions = ( "STARTTLS" )')

    def upgrade(client: smtplib.SMTP) -> tuple[bool, bool]:
        client.ehlo()
        before = client.has_extn("starttls")
        client.starttls(context=secured.context())
        client.ehlo()
        send(client)
        return before, client.has_extn("starttls")

    assert await secured.talk(upgrade) == (True, False)
    assert b"with ESMTPS (TLSv1.3 " in await secured.delivered()


async def test_without_being_asked_for_there_is_no_starttls(secured: Secured) -> None:
    await secured.start("")

    def ask(client: smtplib.SMTP) -> tuple[bool, int]:
        client.ehlo()
        return client.has_extn("starttls"), client.docmd("STARTTLS")[0]

    assert await secured.talk(ask) == (False, 500)


async def test_tls_from_the_first_byte(secured: Secured) -> None:
    await secured.start('SMTP_Extensions = ( "STARTTLS" ) Use_SSL = true')

    def use(client: smtplib.SMTP) -> bool:
        client.ehlo()
        send(client)
        return client.has_extn("starttls")

    assert await secured.talk(use, is_tls=True) is False
    assert b"with ESMTPS (" in await secured.delivered()


async def test_a_renewed_certificate_is_used_and_a_damaged_one_is_not(secured: Secured) -> None:
    await secured.start("Use_SSL = true")

    def name() -> str:
        with (
            socket.create_connection(("127.0.0.1", secured.node.port), 20) as raw,
            secured.context().wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
        ):
            return str(wrapped.getpeercert()["subject"])  # type: ignore[index]

    assert "mx.test" in await asyncio.to_thread(name)
    secured.certificate.write_text("nonsense")
    await asyncio.sleep(0)
    secured.authority.issue("server.pem", "renewed.test")
    async with asyncio.timeout(40):
        while "renewed.test" not in await asyncio.to_thread(name):
            await asyncio.sleep(0.5)


async def test_what_was_pipelined_behind_starttls_is_refused(secured: Secured) -> None:
    await secured.start('SMTP_Extensions = ( "STARTTLS" )')
    reader, writer = await asyncio.open_connection("127.0.0.1", secured.node.port)
    writer.write(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<evil@x.test>\r\n")
    said = await reader.read()
    assert b"554 5.5.1 nothing may follow STARTTLS" in said
    assert b"sender ok" not in said
    writer.close()


async def test_a_password_lets_one_relay_and_only_over_tls(secured: Secured) -> None:
    await secured.start(f'SMTP_Extensions = ( "STARTTLS" "AUTH PLAIN" "AUTH LOGIN" ) {OUTSIDER}')

    def use(client: smtplib.SMTP) -> None:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN AGFubgBzM2NyZXQ=")[0] == 538
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(client)
        client.starttls(context=secured.context())
        client.ehlo()
        assert set(client.esmtp_features["auth"].split()) == {"PLAIN", "LOGIN"}
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            client.login("ann", "wrong", initial_response_ok=True)
        assert caught.value.smtp_code == 535
        client.login("ann", "s3cret", initial_response_ok=False)
        assert client.docmd("AUTH", "PLAIN AGFubgBzM2NyZXQ=")[0] == 503
        send(client)

    await secured.talk(use)
    assert b"with ESMTPSA (" in await secured.delivered()


async def test_guessing_passwords_ends_the_connection(secured: Secured) -> None:
    await secured.start('SMTP_Extensions = ( "AUTH PLAIN" ) Auth_Requires_TLS = false')

    def guess(client: smtplib.SMTP) -> list[int]:
        client.ehlo()
        return [client.docmd("AUTH", "PLAIN AGFubgBh")[0] for _ in range(3)]

    assert await secured.talk(guess) == [535, 535, 421]


async def test_a_store_that_cannot_be_read_is_no_refusal(secured: Secured) -> None:
    (secured.folder / "users").write_text("no colon here\n")
    await secured.start('SMTP_Extensions = ( "AUTH PLAIN" ) Auth_Requires_TLS = false')

    def login(client: smtplib.SMTP) -> int:
        client.ehlo()
        return client.docmd("AUTH", "PLAIN AGFubgBzM2NyZXQ=")[0]

    assert await secured.talk(login) == 454
    (secured.folder / "users").write_text("ann:s3cret\n")
    assert await secured.talk(login) == 235


async def test_a_client_certificate_lets_one_relay(secured: Secured) -> None:
    await secured.start(f'SMTP_Extensions = ( "STARTTLS" ) TLS_Verified_Peer_Can_Relay = true {OUTSIDER}')
    own = secured.authority.issue("client.pem", "client.test")

    def use(client: smtplib.SMTP, *, shows: bool) -> None:
        context = secured.context()
        if shows:
            context.load_cert_chain(own)
        client.starttls(context=context)
        send(client)

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await secured.talk(lambda client: use(client, shows=False))
    await secured.talk(lambda client: use(client, shows=True))
    assert b"with ESMTPS (" in await secured.delivered()


async def start_behind_proxy(secured: Secured) -> None:
    await secured.start("")
    text = (secured.folder / "ecelerity.conf").read_text()
    listen = (
        f'Listen "127.0.0.1:{secured.node.port}" {{ Proxy_Protocol = true Proxy_Protocol_From = ( "127.0.0.0/8" ) }}'
    )
    secured.node.replace(f"{text[: text.index('ESMTP_Listener')]}ESMTP_Listener {{ {OUTSIDER} {listen} }}\n")
    secured.node.core.reload("2")
    await asyncio.sleep(1)


async def test_a_proxy_that_does_not_say_whom_it_brings_is_let_go(secured: Secured) -> None:
    await start_behind_proxy(secured)

    async def heard(beginning: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", secured.node.port)
        writer.write(beginning)
        try:
            return await asyncio.wait_for(reader.read(), 40)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    said = await asyncio.gather(heard(b""), heard(b"PROXY TCP4 192.0.2.7 198.1"))
    assert list(said) == [b"", b""]


async def test_the_client_behind_a_proxy_is_the_one_that_counts(secured: Secured) -> None:
    await start_behind_proxy(secured)

    async def dialogue(header: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", secured.node.port)
        writer.write(header)
        writer.write(b"EHLO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nQUIT\r\n")
        said = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        return said

    friend = await dialogue(b"PROXY TCP4 192.0.2.7 198.18.0.41 5321 25\r\n")
    assert b"says EHLO to 192.0.2.7" in friend
    assert b"250 2.1.5" in friend
    assert b"550 5.7.1" in await dialogue(b"PROXY TCP4 203.0.113.9 198.18.0.41 5321 25\r\n")
    assert await dialogue(b"") == b""  # the header is missing: not a word


async def test_xclient_says_who_the_client_is(secured: Secured) -> None:
    await secured.start(f'SMTP_Extensions = ( "XCLIENT" ) {OUTSIDER}')

    def use(client: smtplib.SMTP) -> None:
        client.ehlo()
        assert client.has_extn("xclient")
        assert client.docmd("XCLIENT", "ADDR=nonsense")[0] == 501
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(client)
        client.rset()
        assert client.docmd("XCLIENT", "ADDR=192.0.2.7 PORT=77 HELO=real.test PROTO=ESMTP")[0] == 220
        send(client)

    await secured.talk(use)
    assert b"from [192.0.2.7] ([192.0.2.7:77] helo=real.test)" in await secured.delivered()


async def test_who_is_not_trusted_has_no_xclient(secured: Secured) -> None:
    await secured.start("")
    assert (await secured.talk(lambda client: client.docmd("XCLIENT", "ADDR=192.0.2.7")))[0] == 500


@pytest.mark.parametrize(
    ("option", "after", "says"),
    [("Max_Receptions_Per_Connection = 2", 2, b"messages per connection"),
     ("Max_Recipients_Per_Connection = 2", 2, b"recipients per connection")],
)  # fmt: skip
async def test_a_connection_may_bring_so_much(secured: Secured, option: str, after: int, says: bytes) -> None:
    await secured.start(option)
    one = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nSubject: n\r\n\r\n.\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", secured.node.port)
    writer.write(b"EHLO x\r\n" + one * 3)
    said = await asyncio.wait_for(reader.read(), 20)
    assert said.count(b"250 2.0.0 OK") == after
    assert b"421 4.5.3" in said
    assert says in said
    writer.close()


async def test_swaks_sends_with_tls_and_a_password(secured: Secured) -> None:
    if shutil.which("swaks") is None:
        pytest.skip("swaks is not installed")
    await secured.start('SMTP_Extensions = ( "STARTTLS" "AUTH PLAIN" "AUTH LOGIN" )')
    command = ["swaks", "--server", f"127.0.0.1:{secured.node.port}", "--from", "a@x.test", "--to", "b@y.test"]
    command += ["--tls", "--auth", "LOGIN", "--auth-user", "ann", "--auth-password", "s3cret", "--timeout", "20"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"with ESMTPSA (" in await secured.delivered()


async def test_login_asks_for_name_and_password(secured: Secured) -> None:
    """AuthLoginParameters, offered without PLAIN."""
    await secured.start(f'SMTP_Extensions = ( "AUTH LOGIN" ) Auth_Requires_TLS = false {OUTSIDER}')

    def use(client: smtplib.SMTP) -> None:
        client.ehlo()
        assert set(client.esmtp_features["auth"].split()) == {"LOGIN"}
        client.user, client.password = "ann", "wrong"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.auth("LOGIN", client.auth_login, initial_response_ok=False)
        client.password = "s3cret"
        assert client.auth("LOGIN", client.auth_login, initial_response_ok=False)[0] == 235
        send(client)

    await secured.talk(use)
    assert b"with ESMTPA" in await secured.delivered()


@needs_postfix
async def test_postfix_delivers_to_us_over_tls(secured: Secured) -> None:
    """It insists on TLS, and on a certificate of the authority that it knows."""
    await secured.start('SMTP_Extensions = ( "STARTTLS" )')
    verify = "smtp_tls_security_level = verify\nsmtp_tls_verify_cert_match = mx.test\n"
    more = f"{verify}smtp_tls_CAfile = {secured.authority.path}\n"
    async with postfix(secured.node.port, more) as gateway:
        command = ["smtp-source", "-f", "a@x.test", "-t", "b@y.test", gateway]
        process = await asyncio.create_subprocess_exec(*command)
        assert await asyncio.wait_for(process.wait(), 60) == 0
        received = await secured.delivered()
    assert b"helo=postfix.test" in received
    assert b"with ESMTPS (TLSv1.3" in received
