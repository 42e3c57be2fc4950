"""A worker's side of the limits: ask the core, hold what it grants, tell when it ends.

Without a core nothing is granted; what was granted before stays, and the next core is told of it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Final

from momentum_node import worker_link as wire
from momentum_node.limits.remotes import Heads

MOST_GIVEN_UP: Final = 1000
MOST_HOSTS: Final = 32  # named in one question


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to open one connection to `host`."""

    number: int
    host: str


class Grants:
    """All of one worker. `send` goes to the core; `on_recall` is told the number of a grant that others wait for."""

    def __init__(self, send: Callable[[wire.Frame], None], on_recall: Callable[[int], None]) -> None:
        self._send = send
        self._on_recall = on_recall
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[str | None]] = {}
        self._held: dict[int, wire.Holds] = {}
        self._heading: dict[int, Heads] = {}
        self._given_up: dict[int, wire.Unused] = {}  # tokens that may still be on their way to us

    async def connection(self, binding: str, domain: str, hosts: tuple[str, ...], active: int) -> Grant | None:
        """Wait for leave to open one more connection; None: the queue needs none, or the core is gone."""
        number = next(self._numbers)
        host = await self._ask(wire.Ask(number, binding, domain, hosts[:MOST_HOSTS], active, False))
        if host is None:
            return None
        self._held[number] = wire.Holds(number, binding, domain, host)
        return Grant(number, host)

    async def message(self, binding: str, domain: str, active: int) -> bool:
        """Wait for leave to begin one message; to be used at once or given back. False: not now."""
        number = next(self._numbers)
        try:
            return await self._ask(wire.Ask(number, binding, domain, (), active, True)) is not None
        except asyncio.CancelledError:
            self._given_up[number] = wire.Unused(number, binding, domain)
            if len(self._given_up) > MOST_GIVEN_UP:  # most of them were withdrawn in time: no answer comes
                del self._given_up[next(iter(self._given_up))]
            raise

    def unused(self, binding: str, domain: str) -> None:
        """A token of `message` was not needed."""
        self._send(wire.Unused(0, binding, domain))

    def heads(self, number: int, address: str) -> None:
        """The connection is on its way to this address, or is one to it."""
        held = self._held.get(number)
        if held is not None:
            told = self._heading[number] = Heads(number, held.binding, address)
            self._send(told)

    def release(self, number: int) -> None:
        """The connection is closed."""
        self._heading.pop(number, None)
        if self._held.pop(number, None) is not None:
            self._send(wire.Withdraw(number))

    async def _ask(self, ask: wire.Ask) -> str | None:
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._asked[ask.number] = answer
        self._send(ask)
        try:
            return await answer
        except asyncio.CancelledError:
            self._send(wire.Withdraw(ask.number))
            raise
        finally:
            del self._asked[ask.number]

    # -- what the core says

    def hear(self, frame: wire.Granted | wire.Denied | wire.Recalled) -> None:
        """An answer, or a recall."""
        match frame:
            case wire.Recalled(number):
                self._on_recall(number)
            case wire.Granted(number, host):
                answer = self._asked.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(host)
                elif number in self._given_up:
                    self._send(self._given_up.pop(number))
            case wire.Denied(number):
                answer = self._asked.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(None)

    def core_is_back(self) -> None:
        """Tell the new core what is held."""
        for held in self._held.values():
            self._send(held)
        for heading in self._heading.values():
            self._send(heading)

    def core_lost(self) -> None:
        """Nobody answers the open questions."""
        self._given_up.clear()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(None)
