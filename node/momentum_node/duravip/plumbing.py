"""How far one address got on this node, and the two ways it takes: up (acquire) and down (release), cluster §2.12.

    idle ─▶ probing ─▶ plumbed ─▶ serving          up: wire silent, listeners, kernel and ARP/NA, mail
      ▲        │ (contested: answered, asks on)
      ├── failed (asks on by itself, ever rarer)
      └────── unplumbing ◀── draining ◀────┘       down: sessions end, then reset, kernel confirms

Knows no table: who decides is asked once more, immediately before the kernel call (rule S7).
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from momentum_node.config.model import Address
from momentum_node.duravip.link import Mac, SupervisorError, mac_bytes
from momentum_node.duravip.witness import Hearsay
from momentum_node.errors import DriverError

CONTESTED_S: Final = (0.01, 0.1)
"""Pauses between two questions while another host answers, the first and the longest (failover §5.4: 100 ms).

The supervisor of a core that was killed removes its addresses within 50 ms, and our first question comes before that.
"""
REMOVE_AGAIN_S: Final = 0.5
LEASE_SLACK_S: Final = 0.5  # the kernel removes an address up to 0.33 s after its lease (failover §0, finding 5)
GRACE_SLACK_S: Final = 1.0
GOING_AT_ONCE: Final = 8
"""Of many addresses that are handed over together so many are without an answer at a time, each for a moment: all at
once would be away until the last of them is up again (F11).
"""
GOING_TIMES: Final = 64
"""Of thousands more go at once: in so many times all are gone, well within the 30 s that a node has to leave."""
SHORT_LEASE_S, LONG_LEASE_S, SHORT_LIMIT = 2.0, 10.0, 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VipPlan:
    """How an address is plumbed on this node. `ports` = (port, backlog) of each listener on it."""

    interface: str
    prefix_length: int
    ports: tuple[tuple[int, int], ...] = ()
    probe: bool = True


class State(Enum):
    """Of one address on this node."""

    IDLE = "idle"
    PROBING = "probing"
    PLUMBED = "plumbed"
    SERVING = "serving"
    DRAINING = "draining"
    UNPLUMBING = "unplumbing"


class Direction(Enum):
    """What was last asked for, until it is answered: an address that is up stays UP."""

    NONE = "none"
    UP = "up"
    DOWN = "down"


class InUse(DriverError):
    """Another host answers for the address, for longer than a departed owner's kernel could."""

    def __init__(self, mac: Mac) -> None:
        super().__init__(f"in use by {mac}")
        self.mac = mac


@dataclass(eq=False)
class Place:
    """One address on this node. Only who has the `lock` changes `state`.

    `contested_by` answers for it now; `stranger` did so for too long; `plan` = what it was plumbed with; `hearsay` =
    what other members hear while we ask; `asked`: is answered soon, and need not be once the order is `planned`.
    """

    address: Address
    state: State = State.IDLE
    order: Direction = Direction.NONE
    grace_s: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    planned: asyncio.Event = field(default_factory=asyncio.Event)
    asked: "asyncio.Future[Any] | None" = None
    task: "asyncio.Task[None] | None" = None
    retry: "asyncio.Task[None] | None" = None
    sockets: list[tuple[int, socket.socket]] = field(default_factory=list)
    is_started: bool = False
    contested_by: Mac | None = None
    stranger: Mac | None = None
    problem: str | None = None
    failures: int = 0
    plan: VipPlan | None = None
    hearsay: Hearsay = field(default_factory=Hearsay)

    def expect_silence(self) -> None:
        """The order is `planned`: nobody will answer."""
        self.planned.set()
        if self.asked is not None:
            self.asked.cancel()

    def keep(self, port: int, opened: "asyncio.Future[socket.socket]") -> None:
        """A listener of ours, unless it could not be opened."""
        if not opened.cancelled() and opened.exception() is None:
            self.sockets.append((port, opened.result()))


class Link(Protocol):
    """What this module asks of the supervisor: `SupervisorLink`."""

    def probe(self, interface: str, address: Address) -> Awaitable[Mac | None]: ...
    def plumb(self, interface: str, address: Address, prefix_length: int) -> Awaitable[None]: ...
    def unplumb(self, address: Address) -> Awaitable[None]: ...
    def announce(self, address: Address) -> Awaitable[None]: ...
    def announce_again(self, addresses: Iterable[Address]) -> None: ...
    def look(self) -> Awaitable[None]: ...
    def open_listener(
        self, address: Address | None, port: int, backlog: int, floating: bool = False
    ) -> Awaitable[socket.socket]: ...
    def close_listener(self, address: Address | None, port: int) -> Awaitable[None]: ...


class Services(Protocol):
    """Mail on an address: what the core tells its workers."""

    async def start(self, address: Address, sockets: list[tuple[int, socket.socket]]) -> None:
        """The address is here: accept on these (port, socket) pairs, which are the callee's now; deliver from it."""

    async def leave(self, address: Address, grace_s: float) -> None:
        """Begin nothing that takes long on the address, serve its clients; returns when what took long has ended."""

    async def stop(self, address: Address, grace_s: float) -> None:
        """End what uses the address within `grace_s`; returns when nothing does, or the grace is over."""


class Decider(Protocol):
    """Who decides: the driver, in the machine's name."""

    def is_granted(self, vip: Address) -> bool:
        """The ticket of the order still holds."""

    def round_trip(self) -> Awaitable[None]:
        """Done when all that members said until now has arrived here; not while the ring stands still."""


class Plumbing:
    """The two ways, for any address. `lease_s` = how long a dead owner's kernel may still answer."""

    def __init__(self, link: Link, services: Services, tell: Decider, clock: Callable[[], float]) -> None:
        self._link = link
        self._services = services
        self._tell = tell
        self._clock = clock
        self._going = asyncio.Semaphore(GOING_AT_ONCE)
        self.lease_s = SHORT_LEASE_S
        self.steps = 0
        """Counts every change of a state."""

    def expect(self, addresses: int) -> None:
        """So many may be here at a time."""
        self._going = asyncio.Semaphore(max(GOING_AT_ONCE, addresses // GOING_TIMES))

    async def acquire(self, place: Place, plan: VipPlan) -> bool:
        """Bring the address up and serve it; False when the ticket was gone before the kernel call (S7).

        Raises `InUse`, `SupervisorError`: then the caller takes down what there may be.
        """
        place.plan = plan
        self._enter(place, State.PROBING)
        unopened = plan.ports
        asks = plan.probe and not place.planned.is_set()
        while asks:
            await self._await_silence(place, plan)
            await _all(*self._opening(place, unopened), self._heard_out(place))
            unopened = ()
            asks = await self._ask_witnesses(place) is not None  # a word that came meanwhile
        if not self._tell.is_granted(place.address):
            return False
        # In one go: the supervisor announces in the turn in which it plumbs, and nobody waits for two answers.
        opening = self._opening(place, unopened)
        plumb = self._link.plumb(plan.interface, place.address, plan.prefix_length)
        await _all(*opening, plumb, self._link.announce(place.address))
        self._enter(place, State.PLUMBED)
        await self._serve(place)
        self._enter(place, State.SERVING)
        return True

    async def release(self, place: Place, grace_s: float) -> None:
        """Take the address down; returns when the kernel has confirmed that it is gone (S8).

        With a grace sessions end first; without, the address goes first and whoever used it learns afterwards.
        """
        if grace_s > 0 and place.is_started:
            self._enter(place, State.DRAINING)
            began = self._clock()
            await _within(grace_s, self._services.leave(place.address, grace_s))
            left_s = max(0.0, grace_s - (self._clock() - began))
            async with self._going:
                await _within(left_s + GRACE_SLACK_S, self._services.stop(place.address, left_s))
                place.is_started = False
                await self._go(place)
        else:
            await self._go(place)

    async def _go(self, place: Place) -> None:
        self._enter(place, State.UNPLUMBING)
        await self._unplumb(place)
        if place.is_started:
            place.is_started = False
            await self._services.stop(place.address, 0.0)
        self._enter(place, State.IDLE)
        place.plan = place.contested_by = None

    def _enter(self, place: Place, state: State) -> None:
        place.state = state
        self.steps += 1

    async def change_ports(self, place: Place, plan: VipPlan) -> None:
        """Open and close listeners of an address that stays. Raises `SupervisorError` when one cannot be opened."""
        before = place.plan.ports if place.plan is not None else ()
        kept = {port for port, _ in plan.ports}
        for port in [port for port, _ in before if port not in kept]:
            await self._link.close_listener(place.address, port)
        place.plan = plan
        await _all(*self._opening(place, tuple(pair for pair in plan.ports if pair not in before)))
        await self._serve(place)

    async def is_clear(self, place: Place, plan: VipPlan) -> bool:
        """Whoever made us fail no longer answers. Another member that answers meanwhile does not count."""
        if place.stranger is None:
            return True
        try:
            return await self._link.probe(plan.interface, place.address) != place.stranger
        except SupervisorError:
            return False

    async def _await_silence(self, place: Place, plan: VipPlan) -> None:
        """Returns when nobody answers, or a `planned` order says that nobody will. Never by force."""
        began = self._clock()
        pause_s, longest_s = CONTESTED_S
        while not place.planned.is_set():
            answered = await self._ask_wire(place, plan)
            place.contested_by = mac = answered or await self._ask_witnesses(place)
            if mac is None:
                return
            if self._clock() - began > self.lease_s + 1.0:
                raise InUse(mac)
            if answered is not None:
                await _within(pause_s, place.planned.wait())
                pause_s = min(longest_s, 2 * pause_s)
        place.contested_by = None

    async def _ask_wire(self, place: Place, plan: VipPlan) -> Mac | None:
        """Who answers; None also when a `planned` order came while we asked."""
        place.asked = asyncio.ensure_future(self._link.probe(plan.interface, place.address))
        try:
            mac: Mac | None = await place.asked
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return None
        if mac is not None:
            place.hearsay.heard(mac_bytes(mac))
        return mac

    async def _ask_witnesses(self, place: Place) -> Mac | None:
        """Nobody answered us. Who does by the word of members that hear him and we do not (failover F15).

        Waits a little for the word to be taken back; after that the wire must be asked anew.
        """
        step_s, longest_s = CONTESTED_S
        until = self._clock() + longest_s
        while not place.planned.is_set() and (mac := place.hearsay.against(self._clock())) is not None:
            place.contested_by = mac.hex(":")
            if self._clock() >= until:
                return place.contested_by
            await _within(step_s, place.planned.wait())
        return None

    def _heard_out(self, place: Place) -> Awaitable[None]:
        """Done when what a witness said while we asked has arrived (decision 0034)."""
        place.asked = asyncio.ensure_future(self._tell.round_trip())
        return place.asked

    def _opening(self, place: Place, ports: tuple[tuple[int, int], ...]) -> list["asyncio.Future[socket.socket]"]:
        return [self._open(place, port, backlog) for port, backlog in ports]

    def _open(self, place: Place, port: int, backlog: int) -> "asyncio.Future[socket.socket]":
        opened = asyncio.ensure_future(self._link.open_listener(place.address, port, backlog, floating=True))
        opened.add_done_callback(partial(place.keep, port))
        return opened

    async def _serve(self, place: Place) -> None:
        """From here on the sockets are the services'."""
        sockets, place.sockets, place.is_started = place.sockets, [], True
        await self._services.start(place.address, sockets)

    async def _unplumb(self, place: Place) -> None:
        """Until it is gone. A delete that the kernel refuses is repeated; the lease is no longer renewed meanwhile."""
        for _, sock in place.sockets:
            sock.close()
        place.sockets.clear()
        while True:
            try:
                await self._link.unplumb(place.address)
            except SupervisorError as error:
                if error.errno == errno.ESTALE:  # the supervisor gave everything up by itself
                    return
                # 0: the supervisor is gone. If it was killed the kernel keeps the address until its lease is over, and
                # to confirm before that would let another node plumb it beside ours (S8).
                await asyncio.sleep(REMOVE_AGAIN_S if error.errno else self.lease_s + LEASE_SLACK_S)
                if error.errno:
                    continue
            return


async def _all(*work: Awaitable[T]) -> list[T | None]:
    """What they bring, when all have ended. Raises the first error; who was cancelled by a `planned` order has none."""
    brought: list[T | None] = []
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
        brought.append(None if isinstance(outcome, BaseException) else outcome)
    return brought


async def _within(limit_s: float, work: Awaitable[object]) -> None:
    """Returns when it has ended, or been ended by the limit."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await work
