"""A server that takes mail, by somebody else (aiosmtpd), with answers that a test chooses."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes

from aiosmtpd.smtp import SMTP, Envelope, Session


class NextHop:
    """`answer` is for every recipient, after `first_answers` are used up; the rest is what arrived.

    No message is taken while `may_end` is clear, and each takes `takes_s`; `in_hand` are being taken now.
    """

    def __init__(self) -> None:
        self.content: list[bytes] = []
        self.senders: list[str] = []
        self.peers: list[str] = []
        self.sessions: list[Session] = []
        self.tls: list[bool] = []
        self.names: list[str] = []
        self.recipients: list[list[str]] = []
        self.answer = "250 ok"
        self.first_answers: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.takes_s = 0.0
        self.in_hand = self.most_in_hand = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name and shape
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """See aiosmtpd."""
        answer = self.first_answers.pop(0) if self.first_answers else self.answer
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """See aiosmtpd."""
        self.in_hand += 1
        self.most_in_hand = max(self.most_in_hand, self.in_hand)
        await self.may_end.wait()
        await asyncio.sleep(self.takes_s)
        self.in_hand -= 1
        assert isinstance(envelope.content, bytes)
        self.content.append(envelope.content)
        self.senders.append(envelope.mail_from or "")
        self.peers.append(session.peer[0] if session.peer else "")
        self.sessions.append(session)
        self.tls.append(session.ssl is not None)
        self.names.append(session.host_name or "")
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 taken"

    def subjects(self) -> Counter[str]:
        """How often each subject arrived."""
        return Counter(str(message_from_bytes(one)["Subject"]) for one in self.content)


@asynccontextmanager
async def next_hop(
    address: str = "127.0.0.1", context: ssl.SSLContext | None = None, protocol: type[SMTP] = SMTP
) -> AsyncIterator[tuple[NextHop, str]]:
    """A running one and its `address:port`. With a context it offers STARTTLS."""
    handler = NextHop()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: protocol(
            handler, hostname="hop.test", enable_SMTPUTF8=True, data_size_limit=1 << 28, loop=loop, tls_context=context
        ),
        address,
        0,
    )
    try:
        yield handler, f"{address}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
