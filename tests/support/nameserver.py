"""A name server on loopback that knows one zone, which a test may change."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias, cast

import dns.message
import dns.rcode
import dns.rrset

Zone: TypeAlias = Mapping[tuple[str, str], list[str]]
"""(name with its dot, type) → records."""


class NameServer(asyncio.DatagramProtocol):
    """Answers from `zone`; what is in `broken` fails."""

    def __init__(self, zone: Zone, broken: Collection[tuple[str, str]]) -> None:
        self.zone, self.broken = zone, broken
        self.questions = 0
        self.ttl = 300

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """See `asyncio.DatagramProtocol`."""
        self.questions += 1
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text().lower()
        kind = query.question[0].rdtype.name
        answer = dns.message.make_response(query)
        if (name, kind) in self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif (name, kind) in self.zone:
            answer.answer.append(dns.rrset.from_text(name, self.ttl, "IN", kind, *self.zone[name, kind]))
        elif not any(known == name for known, _ in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def name_server(zone: Zone, broken: Collection[tuple[str, str]] = ()) -> AsyncIterator[tuple[NameServer, int]]:
    """A running one, and its port on 127.0.0.1."""
    _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(zone, broken), ("127.0.0.1", 0)
    )
    try:
        yield protocol, protocol.port
    finally:
        protocol.transport.close()
