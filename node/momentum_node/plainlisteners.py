"""Listeners that are not on a DuraVIP: open from the start, whoever owns which address (mta §2, life cycle 1).

One configuration serves all nodes, so an address that is another node's is a notice, not an error: the socket is bound
all the same (IP_FREEBIND) and works as soon as the address appears.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable

from momentum_node.config.model import Address, Listener
from momentum_node.duravip.link import SupervisorLink
from momentum_node.errors import DriverError
from momentum_node.log import logger
from momentum_node.worker_link import Listen
from momentum_node.workers import Workers

RETRY_S = 5.0


class PlainListeners:
    """Opens them through the supervisor and hands them to the workers."""

    def __init__(self, link: SupervisorLink, workers: Workers) -> None:
        self._link = link
        self._workers = workers
        self._complained: set[tuple[str, int]] = set()

    async def open(self, listeners: Iterable[Listener]) -> None:
        """Open what is enabled and not open yet. What cannot be opened is told once, and tried again later."""
        for listener in listeners:
            address = "" if listener.address is None else str(listener.address)
            if listener.enabled and not listener.duravip and not self._workers.has(address, listener.port):
                await self._open_one(listener, address)

    async def keep_trying(self, listeners: Callable[[], Iterable[Listener]]) -> None:
        """For ever: open what could not be opened before."""
        while True:
            await asyncio.sleep(RETRY_S)
            await self.open(listeners())

    async def _open_one(self, listener: Listener, address: str) -> None:
        first = (address, listener.port) not in self._complained
        endpoint = f"{address or '*'}:{listener.port}"
        try:
            sock = await self._link.open_listener(listener.address, listener.port, listener.backlog)
        except DriverError as error:
            if first:
                logger().warning("a listener cannot be opened; it is tried again", endpoint=endpoint, error=str(error))
            self._complained.add((address, listener.port))
            return
        self._complained.discard((address, listener.port))
        if listener.address is not None and not _is_local(listener.address):
            logger().info("notice", text=f"{endpoint} is not on this host: it opens when the address appears")
        self._workers.open(Listen(address, listener.port, duravip=False), sock)


def _is_local(address: Address) -> bool:
    """Whether the kernel lets us use the address as a source now."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
