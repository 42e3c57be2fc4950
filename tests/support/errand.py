"""Letters by one outbound connection, without queues: what was said of it, and how it went."""

import asyncio

from momentum_node.config.model import OutboundOptions, TlsOptions
from momentum_node.smtp.client import Letter
from momentum_node.smtp.outbound import Connection
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.routes import Target
from momentum_node.smtp.terms import Terms
from momentum_node.smtp.tlscontexts import client_context

LETTER = Letter("a@x.test", ("b@y.test",), b"Subject: errand\r\n\r\nhello\r\n")


class Errand:
    """Is the owner of its connection. `replies`: of the letters; `why`: of the end, None after our own QUIT."""

    def __init__(self, *letters: Letter) -> None:
        self.replies: tuple[Reply, ...] = ()
        self.why: Reply | None = None
        self._letters = list(letters or [LETTER])
        self._ended = asyncio.Event()

    def connection_ready(self, connection: Connection) -> None:
        """See `Owner`."""
        if self._letters:
            connection.send(self._letters.pop(0))
        else:
            connection.quit()

    def letter_finished(self, _connection: Connection, replies: tuple[Reply, ...]) -> None:
        """See `Owner`."""
        self.replies += replies

    def connection_closed(self, _connection: Connection, why: Reply | None) -> None:
        """See `Owner`."""
        self.why = why
        self._ended.set()

    async def run(
        self,
        terms: Terms,
        gateway: str,
        *,
        tls: TlsOptions | None = None,
        host: str = "",
        options: OutboundOptions | None = None,
    ) -> Connection:
        """To the end of the connection."""
        address, _, port = gateway.rpartition(":")
        tls = tls or TlsOptions()
        target = Target(address, int(port), host or address, 0)
        connection = Connection(self, target, options or OutboundOptions(tls=tls), terms, client_context(tls))
        await connection.open(None)
        async with asyncio.timeout(20):
            await self._ended.wait()
        return connection
