"""A worker's side of the counts of clients: tell the core who came and went, ask it where a limit is set.

What needs no answer is collected until the loop turns, so accepting costs no round trip where nothing limits it. A
core that is back hears of everybody first.
"""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Final

from momentum_node import worker_link as wire
from momentum_node.config.model import Rate
from momentum_node.errors import MomentumError
from momentum_node.limits.sessions import Limits, Session

SESSIONS_PER_FRAME: Final = 500


class CoreGone(MomentumError):
    """Nobody can say now whether a client may come in."""


class Door:
    """All clients of one worker. `send` goes to the core."""

    def __init__(self, send: Callable[[wire.Frame], None]) -> None:
        self._send = send
        self._numbers = count(1)
        self._inside: dict[int, tuple[str, str]] = {}
        self._asked: dict[int, asyncio.Future[bool]] = {}
        self._turns: dict[int, asyncio.Future[float]] = {}
        self._arrived: list[int] = []
        self._left: list[int] = []
        self._is_open = False

    def arrive(self, session: Session) -> int:
        """A client that nothing limits is here; its number, for `leave`."""
        number = next(self._numbers)
        self._inside[number] = (str(session.client), session.listener)
        self._arrived.append(number)
        self._tell_soon()
        return number

    async def knock(self, session: Session, limits: Limits) -> int | None:
        """The number of a client that may come in; None: a limit is reached. Raises `CoreGone`."""
        if not self._is_open:
            raise CoreGone("no core says whether a client may come in")
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        self._tell()  # who left before this one came must not be in its way
        self._send(wire.Knock(number, str(session.client), session.listener, tuple(limits)))
        try:
            is_admitted = await answer
        finally:
            del self._asked[number]
        if not is_admitted:
            return None
        self._inside[number] = (str(session.client), session.listener)
        return number

    def leave(self, number: int) -> None:
        """The client is gone."""
        if self._inside.pop(number, None) is not None:
            self._left.append(number)
            self._tell_soon()

    async def turn(self, rate: Rate) -> bool:
        """Wait for the turn of one message; False: it would be too long. Without a core nobody waits."""
        if not self._is_open:
            return True
        number = next(self._numbers)
        answer = self._turns[number] = asyncio.get_running_loop().create_future()
        self._send(wire.Turn(number, rate.counter, rate.most, rate.window_s))
        try:
            wait_s: float = await answer
        finally:
            del self._turns[number]
        await asyncio.sleep(max(0.0, wait_s))
        return wait_s >= 0

    # -- what the core says

    def hear(self, frame: wire.Verdict | wire.YourTurn) -> None:
        """The answer to `knock` or `turn`."""
        if isinstance(frame, wire.YourTurn):
            turn = self._turns.get(frame.number)
            if turn is not None and not turn.done():
                turn.set_result(frame.wait_s)
            return
        answer = self._asked.get(frame.number)
        if answer is not None and not answer.done():
            answer.set_result(isinstance(frame, wire.Admitted))
        elif isinstance(frame, wire.Admitted):  # the client did not wait
            self._left.append(frame.number)
            self._tell_soon()

    def core_is_back(self) -> None:
        """Tell the new core who is here."""
        self._is_open = True
        self._arrived = list(self._inside)
        self._left.clear()
        self._tell()

    def core_lost(self) -> None:
        """Nobody answers the open questions."""
        self._is_open = False
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(CoreGone("the core that was asked is gone"))
        for turn in self._turns.values():
            if not turn.done():
                turn.set_result(0.0)

    # -- telling

    def _tell_soon(self) -> None:
        if len(self._arrived) + len(self._left) == 1:
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        here = [(number, *self._inside[number]) for number in self._arrived if number in self._inside]
        left, self._arrived, self._left = self._left, [], []
        for start in range(0, len(here), SESSIONS_PER_FRAME):
            self._send(wire.Sessions(tuple(here[start : start + SESSIONS_PER_FRAME]), ()))
        for start in range(0, len(left), SESSIONS_PER_FRAME):
            self._send(wire.Sessions((), tuple(left[start : start + SESSIONS_PER_FRAME])))
