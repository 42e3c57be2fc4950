"""TLS files that are replaced while a server uses them, judged by the handshakes of real clients."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from momentum_node.certificates import Files, Watched
from momentum_node.config.model import TlsOptions
from momentum_node.smtp.tlscontexts import server_context
from tests.support.tlsfiles import Authority


def watched(folder: Path, client_ca: Path | None = None) -> Watched:
    authority = None if client_ca is None else str(client_ca)
    options = TlsOptions(certificate=str(folder / "server.pem"), client_ca=authority)
    return Watched(partial(server_context, options), Files(options.certificate, options.key, options.client_ca))


@asynccontextmanager
async def served(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = dict(pair[0] for pair in (writer.get_extra_info("peercert") or {}).get("subject", ()))
        writer.write(name.get("commonName", "nobody").encode())
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def met(port: int, authority: Authority, own: Path | None = None) -> tuple[str, str]:
    """The name in the server's certificate, and the name that it knows us by."""
    context = ssl.create_default_context(cafile=str(authority.path))
    context.check_hostname = False
    if own is not None:
        context.load_cert_chain(own)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    said = (await asyncio.wait_for(reader.read(), 20)).decode()
    subject = writer.get_extra_info("peercert")["subject"]
    writer.close()
    return dict(pair[0] for pair in subject)["commonName"], said


async def test_a_renewed_certificate_is_used_by_sockets_that_are_open(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("server.pem", "first.test")
    certificate = watched(tmp_path)
    async with served(certificate.load()) as port:
        assert (await met(port, authority))[0] == "first.test"
        authority.issue("server.pem", "second.test")
        certificate.refresh()
        assert (await met(port, authority))[0] == "second.test"


async def test_what_cannot_be_used_keeps_what_can(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("server.pem", "first.test")
    certificate = watched(tmp_path)
    async with served(certificate.load()) as port:
        (tmp_path / "server.pem").write_text("half a certificate")
        certificate.refresh()
        assert (await met(port, authority))[0] == "first.test"


async def test_files_that_come_late_are_found(tmp_path: Path) -> None:
    certificate = watched(tmp_path)
    certificate.refresh()
    assert not is_usable(certificate)
    authority = Authority(tmp_path)
    authority.issue("server.pem", "late.test")
    certificate.refresh()
    assert is_usable(certificate)


def is_usable(certificate: Watched) -> bool:
    return certificate.context is not None


async def test_an_authority_that_is_new_is_believed_beside_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    old, new = Authority(tmp_path), Authority(tmp_path / "new", "Another CA")
    old.issue("server.pem", "server.test")
    shutil.copy(old.path, tmp_path / "clients.pem")
    certificate = watched(tmp_path, tmp_path / "clients.pem")
    async with served(certificate.load()) as port:
        shutil.copy(new.path, tmp_path / "clients.pem")
        certificate.refresh()
        assert (await met(port, old, new.issue("client.pem", "new client")))[1] == "new client"
        assert (await met(port, old, old.issue("client.pem", "old client")))[1] == "old client"
