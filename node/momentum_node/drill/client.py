"""The drill itself, from the side of whoever asked for it: measure, move away, wait, move back, measure.

Every way out goes through `back`: an end, a failure, a signal. When this process is killed, the core brings the address
home because the connection ends; when the core dies, its successor is asked to.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from momentum_node.clock import monotonic
from momentum_node.config.model import Address
from momentum_node.drill.asking import NOBODY_LISTENS, Asking
from momentum_node.drill.figures import Seen, Try, seen
from momentum_node.errors import MomentumError

BASELINE_S: Final = 0.5
AFTER_S: Final = 1.0
LOOK_S: Final = 0.005
AWAY_LIMIT_S: Final = 30.0
HOME_LIMIT_S: Final = 75.0  # more than the core takes before it gives up
REACH_CORE_S: Final = 30.0
ANSWER_S: Final = 10.0


class DrillError(MomentumError):
    """A drill that was refused, or a core that does not answer. Nothing is left moved."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line. Times are seconds; `port` None: the first that listens there."""

    address: Address
    to: str | None
    port: int | None
    stay_s: float
    every_s: float
    even_if_others_move: bool


@dataclass(frozen=True, slots=True)
class Way:
    """One of the two moves. `moved_s`: until the group agreed that it is there and nowhere else; None: it never was."""

    origin: str
    target: str
    moved_s: float | None
    seen: Seen


@dataclass(frozen=True, slots=True)
class Outcome:
    """A drill that is over. `problem`: why the address is not where it was, or None."""

    address: Address
    seen_from: str
    port: int
    ways: tuple[Way, ...]
    problem: str | None
    was_interrupted: bool


class Line:
    """A connection to the core's drill desk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> None:
        """Raises `DrillError` when no core takes drills there."""
        try:
            self._streams = await asyncio.open_unix_connection(self._path)
        except OSError as error:
            reason = f"no node answers at {self._path}: {error.strerror}; is it running, and are you root?"
            raise DrillError(reason) from None

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer. Raises `DrillError` when it is a refusal, `ConnectionError` when the core is gone."""
        assert self._streams is not None  # noqa: S101 - open() comes first
        reader, writer = self._streams
        try:
            async with asyncio.timeout(ANSWER_S):
                writer.write(json.dumps(request).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
        except (OSError, TimeoutError) as error:
            raise ConnectionResetError(str(error)) from None
        if not line:
            raise ConnectionResetError("the core ended the connection")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise DrillError(str(told["error"]))
        return told

    def close(self) -> None:
        """The core brings home what is away."""
        if self._streams is not None:
            self._streams[1].close()


class Drill:
    """One drill; `interrupt` may be set at any time."""

    def __init__(self, path: Path, wish: Wish) -> None:
        self._path, self._wish = path, wish
        self._line = Line(path)
        self.plan: dict[str, Any] = {}
        self.interrupt = asyncio.Event()
        self._problem: str | None = None

    async def prepare(self) -> dict[str, Any]:
        """What would be done. Raises `DrillError` with what speaks against it."""
        wish = self._wish
        await self._line.open()
        request = {"drill": str(wish.address), "to": wish.to, "even_if_others_move": wish.even_if_others_move}
        try:
            self.plan = await self._line.ask(request)
        except ConnectionError as error:
            raise DrillError(f"the core does not answer: {error}") from None
        return self.plan

    @property
    def port(self) -> int:
        """Where it is asked: as wished, else the first listener's, else one where nobody listens."""
        return self._wish.port or next(iter(self.plan["ports"]), NOBODY_LISTENS)

    def close(self) -> None:
        """Let go of the core."""
        self._line.close()

    async def run(self) -> Outcome:
        """Away and back. Raises `DrillError` when nothing was moved."""
        asking = Asking(self._wish.address, self.port, self._wish.every_s)
        asking.start()
        try:
            await self._wait(BASELINE_S)
            if not any(one.is_answered for one in asking.tries):
                where = f"{self._wish.address} port {self.port}"
                raise DrillError(f"{where} does not answer from here, so nothing could be measured: nothing was moved")
            moved_s = None
            try:
                moved_s = await self._go("away", "is_away", AWAY_LIMIT_S)
                if moved_s is not None:
                    await self._wait(self._wish.stay_s)
            except ConnectionError:
                pass  # the core died: its successor brings the address home
            finally:
                turned = monotonic()
                returned_s = await self._return()
            await asyncio.sleep(AFTER_S)
        finally:
            await asking.stop()
        return self._outcome(asking.tries, turned, moved_s, returned_s)

    def _outcome(self, tries: list[Try], turned: float, moved_s: float | None, returned_s: float | None) -> Outcome:
        origin, target = str(self.plan["from"]), str(self.plan["to"])
        first = [one for one in tries if one.at < turned]
        second = [one for one in tries if one.at >= turned - BASELINE_S / 2]
        out = Way(origin, target, moved_s, seen(first, turned))
        back = Way(target, origin, returned_s, seen(second, monotonic()))
        return Outcome(
            address=self._wish.address,
            seen_from=str(self.plan["node"]),
            port=self.port,
            ways=(out, back),
            problem=self._problem,
            was_interrupted=self.interrupt.is_set(),
        )

    async def _wait(self, seconds: float) -> None:
        """That long, or until interrupted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.interrupt.wait()

    async def _go(self, word: str, sign: str, limit_s: float) -> float | None:
        """Say it and wait for the sign; the seconds it took, or None. On the way out an interrupt ends the waiting."""
        began = monotonic()
        told = await self._line.ask({"do": word})
        while not told[sign] and monotonic() - began < limit_s and not told["problem"]:
            if word == "away" and self.interrupt.is_set():
                return None
            await asyncio.sleep(LOOK_S)
            told = await self._line.ask({"do": "look"})
        self._problem = told["problem"]
        return monotonic() - began if told[sign] else None

    async def _return(self) -> float | None:
        """Home, also when the core that we asked died."""
        try:
            returned_s = await self._go("back", "is_home", HOME_LIMIT_S)
        except ConnectionError:
            returned_s = await self._return_by_another_core()
        if returned_s is None and self._problem is None:
            self._problem = f"{self._wish.address} is not back on {self.plan['from']} yet; the core goes on trying"
        return returned_s

    async def _return_by_another_core(self) -> float | None:
        home = {"address": str(self._wish.address), "from": self.plan["from"], "to": self.plan["to"]}
        until = monotonic() + REACH_CORE_S
        while monotonic() < until:
            self._line.close()
            self._line = Line(self._path)
            try:
                await self._line.open()
                await self._line.ask({"home": home})
                return await self._go("look", "is_home", HOME_LIMIT_S)
            except (DrillError, ConnectionError):
                await asyncio.sleep(0.2)
        self._problem = "the core died, and no other one answers: see `momentum-node status`"
        return None
