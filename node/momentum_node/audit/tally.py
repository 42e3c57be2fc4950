"""A worker's side: adds up what its clients do, and tells the core a few times a second. Nothing where nobody asks.

connection: a client came, whatever it was told     reception: a message, as the mainlog has an R line
rejection: it was told 4yz or 5yz, as the rejectlog has a line
"""

import asyncio
from collections.abc import Callable
from typing import Final

from momentum_node.audit.windows import Audited
from momentum_node.clock import monotonic
from momentum_node.config.model import Address
from momentum_node.logs.events import MailEvent, Received, Rejected
from momentum_node.logs.sink import Hub

PAUSE_S: Final = 0.05
MOST_WAITING: Final = 10_000  # addresses, while there is no core
CLIENTS_PER_FRAME: Final = 500
_CONNECTION, _RECEPTION, _REJECTION = range(3)


class ClientTally:
    """All clients of one worker. `send` goes to the core."""

    def __init__(self, send: Callable[[Audited], None], hub: Hub) -> None:
        self._send = send
        self._hub = hub
        self._is_wanted = False
        self._is_open = False
        self._since = 0.0
        self._counts: dict[str, list[int]] = {}

    def configure(self, is_wanted: bool) -> None:
        """Whether anything is to be counted from now on."""
        if is_wanted == self._is_wanted:
            return
        self._is_wanted = is_wanted
        if is_wanted:
            self._hub.listen(self._hear, (Received, Rejected))
        else:
            self._hub.unlisten(self._hear)

    def came(self, client: Address) -> None:
        """A client is here: a new connection, or one that speaks for somebody else now."""
        if self._is_wanted:
            self._add(str(client), _CONNECTION)

    def core_is_back(self) -> None:
        """Tell it what happened while there was none."""
        self._is_open = True
        self._tell()

    def core_lost(self) -> None:
        """Nobody listens."""
        self._is_open = False

    def _hear(self, event: MailEvent) -> None:
        if isinstance(event, Rejected):
            self._add(event.peer.rpartition(":")[0], _REJECTION)
        elif isinstance(event, Received) and event.peer:  # else it was made here, or another node handed it over
            self._add(event.peer, _RECEPTION)

    def _add(self, client: str, kind: int) -> None:
        counts = self._counts.get(client)
        if counts is None:
            if len(self._counts) >= MOST_WAITING:
                return
            counts = self._counts[client] = [0, 0, 0]
            if len(self._counts) == 1:
                self._since = monotonic()
                asyncio.get_running_loop().call_later(PAUSE_S, self._tell)
        counts[kind] += 1

    def _tell(self) -> None:
        if not self._is_open:
            return
        clients = [(client, came, took, refused) for client, (came, took, refused) in self._counts.items()]
        self._counts.clear()
        for start in range(0, len(clients), CLIENTS_PER_FRAME):
            self._send(Audited(self._since, tuple(clients[start : start + CLIENTS_PER_FRAME])))
