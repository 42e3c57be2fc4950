"""Joins one membership of the bus to the DuraVIP machine and the actuator; decides nothing.

    bus events, timer, actuator's feedback  →  machine  →  effects  →  bus (Multicast), actuator (the rest)

When the bus is lost, or the supervisor says that our leases may have run out, everything is unplumbed first and the
node joins again with an empty machine (ISOLATED): who cannot prove membership lets go.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from momentum_node.bus.contract import Bus, BusEvent, Delivered, IdentityTaken, Lost, Member, ViewChanged
from momentum_node.clock import monotonic
from momentum_node.config.model import Address
from momentum_node.duravip.actuator import Actuator
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.neighbourhood import Neighbourhood
from momentum_node.duravip.roundtrips import RoundTrips, is_echo
from momentum_node.duravip.sharedarp import is_neighbours
from momentum_node.duravip.unread import Unread
from momentum_node.duravip.vip import Announce, Effect, Isolate, Multicast
from momentum_node.errors import BusError
from momentum_node.log import logger

RECONNECT_S = 0.5
"""Pause between two attempts to join. The original waits 5 s; our daemon is restarted at once, so should we be."""

DRAIN_LIMIT_S = 30.0  # cluster §2.13, graceful stop

TAKEN_LIMIT_S = 10.0
"""An engine that still takes us for a member after so long never lets go of that: only another process can join."""


Told: TypeAlias = Callable[[DuraVip, Sequence[Any], float], None]


class Driver:
    """Keeps the node a member for as long as it runs. One object for the life of the core."""

    def __init__(
        self,
        open_bus: Callable[[], Bus],
        make_machine: Callable[[Member], DuraVip],
        on_change: Callable[[], None],
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._open_bus = open_bus
        self._make_machine = make_machine
        self._on_change = on_change
        self._note = note  # for the flight recorder: what the machine is not told
        self._bus: Bus | None = None
        self._round_trips = RoundTrips(self.multicast)
        self._timer: asyncio.TimerHandle | None = None
        self._over: asyncio.Future[str] | None = None
        self._stopping = False
        self._taken_since: float | None = None  # when the engine first said that we are a member already
        self._settling = False
        self._heard: list[tuple[Told, list[Any]]] = []  # of many addresses in this turn of the loop, in order
        self._mark: object = None  # of the machine when a change was last told
        self._alarms: tuple[str, ...] = ()
        self._unread = Unread()
        self.neighbourhood: Neighbourhood | None = None  # as the next one
        self.actuator: Actuator | None = None  # set once by the composition root: the two need each other
        self.machine: DuraVip | None = None
        self.state = "BOOT"

    async def run(self, group: str) -> None:
        """Join `group`, again and again, until `drain` is done.

        Raises what the machine raises: that is a defect. Raises `IdentityTaken` when no process with our identity can
        join for `TAKEN_LIMIT_S`: one with another pid can.
        """
        while True:
            self._enter("JOINING")
            reason = await self._membership(group)
            if self._stopping:
                return
            logger().error("isolated: every address is given up", reason=reason)
            self._note(f"isolated, every address is given up: {reason}")
            self._enter("ISOLATED")
            await self._flush()
            await asyncio.sleep(RECONNECT_S)

    async def drain(self) -> None:
        """Hand the addresses over, then leave: at most `DRAIN_LIMIT_S`, after which they are dropped."""
        machine = self.machine
        if machine is not None:
            self._enter("DRAINING")
            self.tell(lambda machine, now: machine.on_drain(now))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_LIMIT_S):
                    while not machine.is_drained and self.machine is machine:  # noqa: ASYNC110 - ends within 30 s
                        await asyncio.sleep(0.005)
        self._stopping = True
        await self._flush()
        if self._bus is not None:
            with contextlib.suppress(BusError):
                await self._bus.leave()
        self._end("drained")

    def isolate(self, reason: str) -> None:
        """Leave the bus at once and start anew."""
        if self._bus is not None:
            self._bus.abort()
        self._end(reason)

    def tell(self, what: Callable[[DuraVip, float], None]) -> None:
        """Let the machine know something that is not a bus event; its effects follow at once."""
        machine = self.machine
        if machine is not None:
            self._decide(lambda: what(machine, monotonic()))

    def _hear(self, what: Told, of: object) -> None:
        """The same for what comes for a thousand addresses at once: when this turn of the loop ends, or before anything
        else is told."""
        if self.machine is None:
            return
        if not self._heard:
            asyncio.get_running_loop().call_soon(self._decide, lambda: None)
        if not self._heard or self._heard[-1][0] is not what:
            self._heard.append((what, []))
        self._heard[-1][1].append(of)

    def _pass_on(self) -> None:
        heard, self._heard = self._heard, []
        if self.machine is not None:
            for what, of in heard:
                what(self.machine, tuple(of), monotonic())

    def multicast(self, data: bytes) -> None:
        """Send what is no word of the machine's. Raises `BusError` when it does not go."""
        if self._bus is None:
            raise BusError("not a member now")
        self._bus.send(data)

    # -- what the actuator tells -----------------------------------------------------------------

    def on_plumbed(self, vip: Address, now: float) -> None:
        """The kernel has the address, services run."""
        if self.neighbourhood is not None:
            self.neighbourhood.came(vip)
        self._hear(_plumbed, vip)

    def on_unplumbed(self, vip: Address, now: float) -> None:
        """The kernel confirmed that the address is gone."""
        if self.neighbourhood is not None:
            self.neighbourhood.gone(vip)
        self._hear(_unplumbed, vip)

    def on_plumb_failed(self, vip: Address, reason: str, now: float) -> None:
        """The address cannot be served here."""
        if self.neighbourhood is not None:
            self.neighbourhood.gone(vip)
        logger().error("an address cannot be plumbed", address=str(vip), reason=reason)
        self.tell(lambda machine, _now: machine.on_plumb_failed(vip, reason, now))

    def on_plumb_clear(self, vip: Address, now: float) -> None:
        """What stood in the way is gone."""
        self.tell(lambda machine, _now: machine.on_plumb_clear(vip, now))

    def on_witnessed(self, vip: Address, mac: bytes | None, now: float) -> None:
        """Who answers for an address that another member is about to plumb."""
        self._hear(_witnessed, (vip, mac))

    def whose(self, mac: bytes) -> str | None:
        """The member, present or gone, that has this hardware address."""
        return self.machine.whose(mac) if self.machine is not None else None

    def is_granted(self, vip: Address) -> bool:
        """The ticket still holds (asked immediately before the kernel call)."""
        return self.machine is not None and self.machine.is_granted(vip)

    def round_trip(self) -> "asyncio.Future[None]":
        """Done when all that members said until now has arrived here; not while the ring stands still."""
        return self._round_trips.make()

    # -- one membership --------------------------------------------------------------------------

    async def _membership(self, group: str) -> str:
        """Why it ended."""
        self._over = asyncio.get_running_loop().create_future()
        self._bus = self._open_bus()
        try:
            await self._bus.connect(group, self._on_event)
            self._taken_since = None
            return await self._over
        except IdentityTaken as error:
            self._taken_since = monotonic() if self._taken_since is None else self._taken_since
            if monotonic() - self._taken_since >= TAKEN_LIMIT_S:
                raise
            return str(error)
        except BusError as error:
            return str(error)
        finally:
            self._forget()

    def _on_event(self, event: BusEvent) -> None:
        if isinstance(event, Lost):
            self._end(f"the bus is lost: {event.reason}")
            return
        if self.machine is None:
            self.machine = self._make_machine(self._bus_local())
        machine = self.machine
        if isinstance(event, Delivered) and is_echo(event.data):
            if event.sender == self._bus_local():
                self._round_trips.came(event.data)
            return
        if self.neighbourhood is not None:
            if isinstance(event, Delivered) and is_neighbours(event.data):
                if not self.neighbourhood.take(event.data):
                    self._unread.add("MessageError")
                self._tell_unread(machine)
                return
            if isinstance(event, ViewChanged):
                self.neighbourhood.view_changed()
        self._decide(lambda: _feed(machine, event))
        self._tell_unread(machine)

    def _bus_local(self) -> Member:
        assert self._bus is not None  # noqa: S101 - events come from it
        return self._bus.local

    def _decide(self, feed: Callable[[], None]) -> None:
        """Feed the machine, first with what was heard before; do what follows."""
        if self._or_end(self._pass_on) and self._or_end(feed):
            self._or_end(self._settle)

    def _or_end(self, work: Callable[[], None]) -> bool:
        """A defect in the machine ends `run`: who cannot decide must hold no address."""
        try:
            work()
        except Exception as defect:  # whatever it is, the process ends with it
            if self._over is not None and not self._over.done():
                self._over.set_exception(defect)
            return False
        return True

    def _settle(self) -> None:
        """Carry out what the machine decided, until it has nothing more to say. Feedback may come while we do."""
        if self._settling or self.machine is None:
            return
        self._settling = True
        try:
            while self.machine is not None and (effects := self.machine.effects()):
                for effect in effects:
                    self._perform(effect)
                self._tell_alarms()
        except BusError as error:
            self.isolate(f"the bus does not take our messages: {error}")
        finally:
            self._settling = False
        self._rearm()
        mark = self.machine.mark if self.machine is not None else None
        if mark != self._mark:
            self._mark = mark
            self._on_change()

    def _perform(self, effect: Effect) -> None:
        assert self._bus is not None  # noqa: S101 - a machine exists only with its bus
        assert self.actuator is not None  # noqa: S101 - set by the composition root before run()
        if isinstance(effect, Multicast):
            self._bus.send(effect.data)
        elif isinstance(effect, Isolate):
            self.isolate(effect.reason)
        else:
            self.actuator.perform(effect)
            if isinstance(effect, Announce) and self.neighbourhood is not None:
                self.neighbourhood.announce(effect.vips)

    def _tell_alarms(self) -> None:
        """Log what an administrator must hear of, each once while it lasts."""
        alarms = self.machine.alarms() if self.machine is not None else ()
        for alarm in alarms:
            if alarm not in self._alarms:
                logger().critical("the group has a problem", problem=alarm)
        self._alarms = alarms

    def _tell_unread(self, machine: DuraVip) -> None:
        if (kinds := self._unread.news(machine.ignored, monotonic())) is not None:
            logger().warning("messages of the bus were ignored", **kinds)

    @property
    def ignored(self) -> int:
        """Messages of the bus that were not understood, or came twice, since this process began."""
        return self._unread.total

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.machine.next_timer() if self.machine is not None else None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - monotonic()), self._on_timer)

    def _on_timer(self) -> None:
        self.tell(lambda machine, now: machine.on_timer(now))

    async def _flush(self) -> None:
        if self.actuator is not None:
            await self.actuator.flush()

    def _end(self, reason: str) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(reason)

    def _forget(self) -> None:
        self.machine = None
        self._heard = []
        self._unread.machine_ended()
        self._round_trips.membership_ended()
        if self._bus is not None:  # it may have joined while we were told to give up: nobody would ever leave for it
            self._bus.abort()
        self._bus = None
        self._rearm()

    def _enter(self, state: str) -> None:
        self.state = state
        self._on_change()


def _plumbed(machine: DuraVip, vips: Sequence[Address], now: float) -> None:
    machine.on_plumbed(vips, now)


def _unplumbed(machine: DuraVip, vips: Sequence[Address], now: float) -> None:
    machine.on_unplumbed(vips, now)


def _witnessed(machine: DuraVip, answers: Sequence[tuple[Address, bytes | None]], now: float) -> None:
    machine.on_witnessed(answers, now)


def _feed(machine: DuraVip, event: ViewChanged | Delivered) -> None:
    match event:
        case ViewChanged():
            machine.on_view(event, monotonic())
        case Delivered(sender, data):
            machine.on_message(sender, data, monotonic())
