"""Listeners that are not on a DuraVIP: open from the start, whoever owns which address (mta §2, life cycle 1).

Compares what is open with what the running generation wants, and corrects it: closes first, so that a specific address
can take the place of a wildcard in one reload; a socket that both want stays, with all that waits in its backlog.
One configuration serves all nodes, so an address that is another node's is a notice, not an error: the listener opens
when the address appears.
"""

import asyncio
import errno
from collections.abc import Iterable
from typing import TypeAlias

from momentum_node.config.model import Listener
from momentum_node.duravip.link import SupervisorError, SupervisorLink
from momentum_node.log import logger
from momentum_node.worker_link import Listen
from momentum_node.workers import Workers

RETRY_S = 5.0

Key: TypeAlias = tuple[str, int]


class PlainListeners:
    """Opens them through the supervisor and hands them to the workers."""

    def __init__(self, link: SupervisorLink, workers: Workers) -> None:
        self._link = link
        self._workers = workers
        self._wanted: dict[Key, Listener] = {}
        self._open: dict[Key, Listener] = {}
        self._complained: set[Key] = set()
        self._turn = asyncio.Lock()

    async def apply(self, listeners: Iterable[Listener]) -> None:
        """These from now on. What cannot be opened is told once, and tried again later."""
        async with self._turn:
            self._wanted = {_key(one): one for one in listeners if _is_plain(one)}
            for key in [key for key in self._open if key not in self._wanted]:
                await self._close(key)
            await self._open_missing()

    async def keep_trying(self) -> None:
        """For ever: open what could not be opened before."""
        while True:
            await asyncio.sleep(RETRY_S)
            async with self._turn:
                await self._open_missing()

    async def _open_missing(self) -> None:
        for key, listener in self._wanted.items():
            opened = self._open.get(key)
            if opened is None and not self._workers.has(*key):  # else a DuraVIP is still on its way out
                await self._open_one(key, listener)
            elif opened is not None and opened.backlog != listener.backlog:
                await self._listen_anew(key, listener)

    async def _open_one(self, key: Key, listener: Listener) -> None:
        try:
            sock = await self._link.open_listener(listener.address, listener.port, listener.backlog)
        except SupervisorError as error:
            self._complain(key, error)
            return
        self._complained.discard(key)
        self._open[key] = listener
        self._workers.open(Listen(*key, duravip=False), sock)

    async def _listen_anew(self, key: Key, listener: Listener) -> None:
        """Another backlog for the same socket: `listen` again, and nobody who waits in it notices."""
        try:
            sock = await self._link.open_listener(listener.address, listener.port, listener.backlog)
        except SupervisorError as error:
            self._complain(key, error)
            return
        sock.close()
        self._open[key] = listener

    async def _close(self, key: Key) -> None:
        """Sessions go on; the supervisor's `shutdown` ends accepting in every process, a frozen one too."""
        closed = self._open.pop(key)
        self._complained.discard(key)
        self._workers.unlisten(*key)
        try:
            await self._link.close_listener(closed.address, closed.port)
        except SupervisorError as error:
            self._complain(key, error)

    def _complain(self, key: Key, error: SupervisorError) -> None:
        if key in self._complained:
            return
        self._complained.add(key)
        endpoint = f"{key[0] or '*'}:{key[1]}"
        if error.errno == errno.EADDRNOTAVAIL:
            logger().info("notice", text=f"{endpoint} is not on this host: it opens when the address appears")
        else:
            logger().warning("a listener cannot be opened; it is tried again", endpoint=endpoint, error=str(error))


def _key(listener: Listener) -> Key:
    return "" if listener.address is None else str(listener.address), listener.port


def _is_plain(listener: Listener) -> bool:
    return listener.enabled and not listener.duravip and listener.follow is None
