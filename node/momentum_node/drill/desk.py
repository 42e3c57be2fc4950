"""Drills over a Unix socket of the core: one JSON line in, one JSON line out, and the promise to bring addresses home.

→ {"drill": "198.18.0.41", "to": "n2" | null, "even_if_others_move": false}
← {"from": "n1", "to": "n2", "along": […], "ports": [25], "node": "n3"}          or {"error": "why not"}
→ {"do": "away"}                     → {"do": "back"}                     → {"do": "look"}
← {"is_away": …, "is_home": …, "problem": null | "…"}        after each of them

→ {"home": {"address": …, "from": "n1", "to": "n2"}}      ends a drill whose core died; then {"do": "look"}
→ {"unpin": "198.18.0.41"}                                ← {"says": "…"}

Whatever ends the connection while the address is away, this side brings it back: a drill that is killed does no harm.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol

from momentum_node.clock import monotonic
from momentum_node.config.model import Address
from momentum_node.drill.rehearsal import DrillRefused, Rehearsal, Step, is_at, next_step, rehearse
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.moves import MoveRefused
from momentum_node.duravip.table import Table
from momentum_node.errors import ProtocolError
from momentum_node.log import logger
from momentum_node.peer import is_welcome, listen_for_streams

SOCKET: Final = "drill.sock"  # in the node's run folder
MAX_REQUEST_BYTES: Final = 4096
LOOK_S: Final = 0.005
AGAIN_S: Final = 1.0
"""A move that changed nothing for so long is asked for again: a gather may have swallowed it."""
HOME_LIMIT_S: Final = 60.0


class Membership(Protocol):
    """The driver, as far as a drill needs it."""

    @property
    def machine(self) -> DuraVip | None:
        """None while this node is no member."""
        ...

    def tell(self, what: Callable[[DuraVip, float], None]) -> None:
        """Let the machine know something."""
        ...


class DrillDesk:
    """One drill at a time on this node; a second one elsewhere is refused because the address is pinned."""

    def __init__(
        self,
        node: str,
        membership: Membership,
        ports: Callable[[Address], list[int]],
        uids: frozenset[int],
        note: Callable[[str], None],
    ) -> None:
        self._node = node
        self._membership = membership
        self._ports = ports
        self._uids = uids
        self._note = note
        self._server: asyncio.Server | None = None
        self._sessions: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._under_way: Rehearsal | None = None
        self._homing: asyncio.Task[None] | None = None
        self._problem: str | None = None

    async def listen(self, path: Path) -> None:
        """Take drills at `path`."""
        self._server = await listen_for_streams(path, self._serve, mode=0o600, limit=MAX_REQUEST_BYTES)

    async def close(self, limit_s: float) -> None:
        """Take no more; an address that is away comes home first, if that is done within `limit_s`."""
        if self._server is not None:
            self._server.close()
        for writer in self._sessions.values():
            writer.close()
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=limit_s)

    # -- a session -------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as a task
        self._sessions[task] = writer
        session = _Session(self)
        try:
            with contextlib.closing(writer), contextlib.suppress(OSError, ValueError):
                if is_welcome(writer.get_extra_info("socket"), self._uids, "refused a drill"):
                    await self._answer(session, reader, writer)
        finally:
            await session.end()
            del self._sessions[task]

    async def _answer(self, session: "_Session", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            try:
                told = session.answer(json.loads(line))
            except (DrillRefused, MoveRefused, ProtocolError) as refused:
                told = {"error": str(refused)}
            writer.write(json.dumps(told).encode() + b"\n")
            await writer.drain()

    # -- what a session may have done --------------------------------------------------------------

    def plan(self, vip: Address, to: str | None, *, even_if_others_move: bool) -> Rehearsal:
        """Raises `DrillRefused`."""
        if self._under_way is not None:
            raise DrillRefused(f"a drill of {self._under_way.address} is under way on this node")
        machine = self._membership.machine
        if machine is None:
            raise DrillRefused("this node is not a member now: try again when it is")
        table, reachable, definitions = machine.basis()
        return rehearse(table, reachable, definitions, vip, to, even_if_others_move=even_if_others_move)

    def described(self, plan: Rehearsal) -> dict[str, Any]:
        """For the other side."""
        along = list(map(str, plan.along))
        ports = self._ports(plan.address)
        return {"from": plan.origin, "to": plan.target, "along": along, "ports": ports, "node": self._node}

    def away(self, plan: Rehearsal) -> None:
        """Ask for the move to the target. Raises `DrillRefused` when the plan is not true any more."""
        if self.plan(plan.address, plan.target, even_if_others_move=True) != plan:
            raise DrillRefused(f"{plan.address} has moved since the drill was planned")
        self._under_way, self._problem = plan, None
        self._log(f"a drill moves {plan.address} from {plan.origin} to {plan.target}")
        self._move(plan.address, plan.target)

    def home(self, plan: Rehearsal) -> "asyncio.Task[None]":
        """Begin to bring it home, once."""
        self._under_way = plan
        if self._homing is None:
            self._problem = None
            self._log(f"a drill brings {plan.address} back to {plan.origin}")
            self._homing = asyncio.create_task(self._bring_home(plan))
        return self._homing

    def looks(self, plan: Rehearsal) -> dict[str, Any]:
        """How it stands."""
        table = self._table()
        is_home = self._homing is None and is_at(table, plan.address, plan.origin)
        return {"is_away": is_at(table, plan.address, plan.target), "is_home": is_home, "problem": self._problem}

    def unpin(self, vip: Address) -> str:
        """End a manual move; what that does, in words. Raises `MoveRefused`."""
        machine = self._membership.machine
        if machine is None:
            raise DrillRefused("this node is not a member now: try again when it is")
        says = machine.outlook(vip, None)
        self._move(vip, None)
        return says

    async def _bring_home(self, plan: Rehearsal) -> None:
        try:
            began, asked, asked_at = monotonic(), Step.WAIT, 0.0
            while (step := next_step(self._table(), plan)) is not Step.DONE:
                now = monotonic()
                if now - began > HOME_LIMIT_S:
                    self._give_up(plan)
                    return
                if step is not Step.WAIT and (step is not asked or now - asked_at >= AGAIN_S):
                    asked, asked_at = step, now
                    self._move(plan.address, plan.origin if step is Step.MOVE else None)
                await asyncio.sleep(LOOK_S)
            if not is_at(self._table(), plan.address, plan.origin):
                self._problem = f"{plan.address} is not on {plan.origin}: that node cannot have it, or it was moved"
        finally:
            self._under_way = self._homing = None

    def _give_up(self, plan: Rehearsal) -> None:
        self._problem = f"{plan.address} did not come back to {plan.origin} within {HOME_LIMIT_S:.0f} s"
        logger().critical("a drill did not end", problem=self._problem)
        self._move(plan.address, None)

    def _move(self, vip: Address, node: str | None) -> None:
        self._membership.tell(lambda machine, now: machine.on_move(vip, node, now))

    def _table(self) -> Table | None:
        machine = self._membership.machine
        return machine.basis()[0] if machine else None

    def _log(self, text: str) -> None:
        logger().info("drill", does=text)
        self._note(text)


class _Session:
    """What one connection wants."""

    def __init__(self, desk: DrillDesk) -> None:
        self._desk = desk
        self._plan: Rehearsal | None = None
        self._is_away = self._was_away = False
        self._homing: asyncio.Task[None] | None = None

    def answer(self, request: Any) -> dict[str, Any]:
        """Raises what says no: `DrillRefused`, `MoveRefused`, `ProtocolError`."""
        match request:
            case {"drill": str(address)}:
                force = bool(request.get("even_if_others_move"))
                self._plan = self._desk.plan(_address(address), request.get("to"), even_if_others_move=force)
                self._was_away = False
                return self._desk.described(self._plan)
            case {"home": {"address": str(address), "from": str(origin), "to": str(target)}}:
                self._plan, self._is_away = Rehearsal(_address(address), origin, target, ()), True
                return self._do("back", self._plan)
            case {"do": str(word)} if self._plan is not None:
                return self._do(word, self._plan)
            case {"unpin": str(address)}:
                return {"says": self._desk.unpin(_address(address))}
        raise ProtocolError(f"not understood: {json.dumps(request)[:80]}")

    def _do(self, word: str, plan: Rehearsal) -> dict[str, Any]:
        if word == "away" and not self._was_away:
            self._desk.away(plan)
            self._is_away = self._was_away = True
        elif word == "back" and self._is_away:
            self._homing = self._desk.home(plan)
            self._is_away = False
        return self._desk.looks(plan)

    async def end(self) -> None:
        """Leave nothing away."""
        if self._is_away and self._plan is not None:
            self._homing = self._desk.home(self._plan)
        if self._homing is not None:
            await asyncio.shield(self._homing)


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise ProtocolError(f"{text} is not an IP address") from None
