"""Listeners that are not on a DuraVIP: open from the start, whoever owns which address (mta §2, life cycle 1).

One configuration serves all nodes, so an address that is another node's is a notice, not an error: the listener opens
when the address appears.
"""

import asyncio
import errno
from collections.abc import Callable, Iterable

from momentum_node.config.model import Listener
from momentum_node.duravip.link import SupervisorError, SupervisorLink
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
            is_plain = not listener.duravip and listener.follow is None
            if listener.enabled and is_plain and not self._workers.has(address, listener.port):
                await self._open_one(listener, address)

    async def keep_trying(self, listeners: Callable[[], Iterable[Listener]]) -> None:
        """For ever: open what could not be opened before."""
        while True:
            await asyncio.sleep(RETRY_S)
            await self.open(listeners())

    async def _open_one(self, listener: Listener, address: str) -> None:
        try:
            sock = await self._link.open_listener(listener.address, listener.port, listener.backlog)
        except SupervisorError as error:
            self._complain(address, listener.port, error)
            return
        self._complained.discard((address, listener.port))
        self._workers.open(Listen(address, listener.port, duravip=False), sock)

    def _complain(self, address: str, port: int, error: SupervisorError) -> None:
        if (address, port) in self._complained:
            return
        self._complained.add((address, port))
        endpoint = f"{address or '*'}:{port}"
        if error.errno == errno.EADDRNOTAVAIL:
            logger().info("notice", text=f"{endpoint} is not on this host: it opens when the address appears")
        else:
            logger().warning("a listener cannot be opened; it is tried again", endpoint=endpoint, error=str(error))
