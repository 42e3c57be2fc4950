"""A mail node with a certificate, users and a next hop, and clients of Python's own."""

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.support.mailnode import MailNode
from tests.support.nexthop import NextHop
from tests.support.tlsfiles import Authority

OUTSIDER = 'Relay_Hosts = ( "192.0.2.0/24" )'  # our own address is nobody's friend there
_T = TypeVar("_T")


class Secured:
    """A mail node, what arrived behind it, and the authority that its certificate is of."""

    def __init__(self, folder: Path, hop: NextHop, gateway: str) -> None:
        self.folder, self.hop, self.gateway = folder, hop, gateway
        self.authority = Authority(folder)
        self.certificate = self.authority.issue("server.pem", "mx.test")
        (folder / "users").write_text("# people\nann:s3cret\n")
        self.node: MailNode

    async def start(self, listener: str, more: str = "") -> None:
        """With these options of the listener."""
        tls = f'TLS_Certificate = "{self.certificate}"\nTLS_Client_CA = "{self.authority.path}"\n'
        store = f'[ uri = "file://{self.folder}/users" ]'
        auth = f"AuthPlainParameters = {store}\nAuthLoginParameters = {store}\n"
        self.node = MailNode(self.folder, self.gateway, listener=f"{tls}{auth}{listener}", more=more)
        await self.node.start()

    def context(self) -> ssl.SSLContext:
        """What a client trusts."""
        return ssl.create_default_context(cafile=str(self.authority.path))

    async def talk(self, what: Callable[[smtplib.SMTP], _T], *, is_tls: bool = False) -> _T:
        """Run `what` with a connected client."""

        def run() -> _T:
            if is_tls:
                context = self.context()
                with smtplib.SMTP_SSL("127.0.0.1", self.node.port, timeout=20, context=context) as client:
                    return what(client)
            with smtplib.SMTP("127.0.0.1", self.node.port, timeout=20) as client:
                return what(client)

        return await asyncio.to_thread(run)

    async def delivered(self) -> bytes:
        """The one message that arrived."""
        await self.node.until(lambda: self.hop.content)
        (content,) = self.hop.content
        return content


def send(client: smtplib.SMTP) -> None:
    """One message."""
    client.sendmail("a@x.test", ["b@y.test"], "Subject: hello\r\n\r\nbody\r\n")
