"""Addresses that leave this worker, in two steps, each answered to the core when nothing is left to wait for.

leaves   Nothing new is sent from the address. What takes long ends: deliveries, whose servers answer when they like,
         and messages that clients are sending. Whoever comes meanwhile is served as ever.
lost     Everybody on the address is told 421, and comes back to the new owner.

All workers take the second step together, when the last of them is quiet: clients are without an answer only as long as
the commands in hand take, not as long as the slowest delivery.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

from momentum_node import clock
from momentum_node import worker_link as wire
from momentum_node.config.model import Address
from momentum_node.smtp import reply as say
from momentum_node.smtp.inbound import Inbound

LOOK_S = 0.005


class Sources(Protocol):
    """What deliveries leave from: `spool.sources.Sources`."""

    def lose(self, address: Address) -> None: ...
    def uses(self, address: Address) -> bool: ...
    def drop(self, address: Address) -> None: ...


class Departures:
    """`sessions`: all of the worker; `answer` goes to the core."""

    def __init__(
        self, sources: Sources, sessions: Collection[Inbound], answer: Callable[[wire.Quiet | wire.Released], None]
    ) -> None:
        self._sources = sources
        self._sessions = sessions
        self._answer = answer
        self._work: dict[Address, asyncio.Task[None]] = {}
        self._refused: set[Address] = set()

    def refuses(self, address: Address) -> bool:
        """A new client of this address is told to come back: it finds the new owner."""
        return address in self._refused

    def leaves(self, address: Address, within_s: float) -> None:
        """The first step; answers `Quiet`, after `within_s` in any case."""
        self._begin(address, self._become_quiet(address, within_s))

    def lost(self, address: Address, within_s: float) -> None:
        """The second step; answers `Released` when nothing uses the address. After `within_s` what does is cut off."""
        self._refused.add(address)
        self._begin(address, self._let_go(address, within_s))

    def sockets_gone(self, address: Address) -> None:
        """Nobody comes any more; what is under way goes on."""
        self._refused.discard(address)

    def over(self, address: Address) -> None:
        """It is ours again."""
        self._refused.discard(address)
        if (work := self._work.pop(address, None)) is not None:
            work.cancel()

    def _begin(self, address: Address, work: "asyncio._CoroutineLike[None]") -> None:
        if (before := self._work.get(address)) is not None:
            before.cancel()
        self._sources.lose(address)
        self._work[address] = asyncio.create_task(work)

    async def _become_quiet(self, address: Address, within_s: float) -> None:
        slow = {session for session in self._on(address) if session.is_receiving}

        def is_quiet() -> bool:
            slow.intersection_update([session for session in self._on(address) if session.is_receiving])
            return not slow and not self._sources.uses(address)

        await until(is_quiet, within_s)
        self._answer(wire.Quiet(str(address)))

    async def _let_go(self, address: Address, within_s: float) -> None:
        for session in self._on(address):
            session.end(say.ADDRESS_MOVES)
        await until(lambda: not self._on(address) and not self._sources.uses(address), within_s)
        self._sources.drop(address)
        for session in self._on(address):
            session.abort(say.ADDRESS_MOVES)
        self._answer(wire.Released(str(address)))

    def _on(self, address: Address) -> list[Inbound]:
        return [session for session in self._sessions if session.local == address]


async def until(is_done: Callable[[], bool], limit_s: float) -> None:
    """Return when `is_done`, or after `limit_s`."""
    deadline = clock.monotonic() + limit_s
    while not is_done() and clock.monotonic() < deadline:  # noqa: ASYNC110 - a few times an hour at most
        await asyncio.sleep(LOOK_S)
