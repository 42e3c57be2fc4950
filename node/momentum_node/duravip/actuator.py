"""Carries out what the DuraVIP machine decides, one task an address, and tells it what came of it.

    machine ── Plumb, Unplumb, Announce ──▶ actuator ──▶ supervisor (kernel, wire), services (mail)
            ◀── on_plumbed, on_unplumbed, on_plumb_failed, on_plumb_clear ──

Work on one address is done in order: a new order waits until the one before has ended, or ends it. Every `Unplumb` is
answered, and only after the kernel confirmed (S8); a `Plumb` whose ticket is gone is not: a new order follows.
"""

import asyncio
import contextlib
import errno
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Final, Literal, Protocol, TypeAlias

from momentum_node.config.model import Address
from momentum_node.duravip.link import Mac, SupervisorError, SupervisorEvent, mac_bytes
from momentum_node.duravip.plumbing import (
    LONG_LEASE_S,
    SHORT_LEASE_S,
    SHORT_LIMIT,
    Direction,
    InUse,
    Link,
    Place,
    Plumbing,
    Services,
    State,
    VipPlan,
)
from momentum_node.duravip.turns import Turns
from momentum_node.duravip.vip import Announce, Contest, Plumb, Unplumb, Witness

__all__ = ["Actuator", "Feedback", "Services", "VipPlan"]

CHECK_INTERVAL_S: Final = 30.0  # if_check_interval, cluster §1.7
CHECK_LIMIT_S: Final = 600.0
CLAIMED_S: Final = 10.0
"""A claim of a stranger to what is served here is told for so long; it may be the only one that is seen."""

Count: TypeAlias = Literal["plumbed", "released", "failed", "restored", "conflict"]
"""What happened to an address here: restored = somebody removed it, conflict = somebody else announced it."""

Order: TypeAlias = Plumb | Unplumb | Announce | Witness | Contest


class Feedback(Protocol):
    """Who is told: the driver, which passes it to the machine. `now` is monotonic, in seconds."""

    def is_granted(self, vip: Address) -> bool: ...
    def round_trip(self) -> Awaitable[None]: ...
    def whose(self, mac: bytes) -> str | None: ...
    def on_plumbed(self, vip: Address, now: float) -> None: ...
    def on_unplumbed(self, vip: Address, now: float) -> None: ...
    def on_plumb_failed(self, vip: Address, reason: str, now: float) -> None: ...
    def on_plumb_clear(self, vip: Address, now: float) -> None: ...
    def on_witnessed(self, vip: Address, mac: bytes | None, now: float) -> None: ...


class Actuator:
    """All addresses of this node. `plans` says how each that can be served here is plumbed."""

    def __init__(
        self,
        link: Link,
        services: Services,
        plans: Mapping[Address, VipPlan],
        tell: Feedback,
        clock: Callable[[], float],
        *,
        check_interval_s: float = CHECK_INTERVAL_S,
        lease_s: float | None = None,
    ) -> None:
        self._link = link
        self._tell = tell
        self._clock = clock
        self._check_interval_s = check_interval_s
        self._lease_s = lease_s
        self._plumbing = Plumbing(link, services, tell, clock)
        self._places: dict[Address, Place] = {}
        self._turns = Turns()
        self._asides: set[asyncio.Task[None]] = set()
        self.plans: Mapping[Address, VipPlan] = {}
        self.counts: Counter[str] = Counter()  # by `Count`
        self._claims: dict[Address, tuple[Mac, float]] = {}  # who else announced it, and when
        self.set_plans(plans)

    # -- orders ----------------------------------------------------------------------------------

    def perform(self, order: Order) -> None:
        """Begin to carry out `order`; returns at once."""
        match order:
            case Plumb(vip, planned):
                self._plumb(self._place(vip), planned=planned)
            case Unplumb(vip, grace_s):
                self._unplumb(self._place(vip), grace_s)
            case Announce(vips, is_known=True):
                self._link.announce_again(vips)
            case Announce(vips):
                for vip in vips:
                    self._announce(vip)
            case Witness(vips):
                for vip in vips:
                    self._aside(self._listen(vip))
            case Contest(vip, witness, mac):
                self._place(vip).hearsay.said(witness, mac, self._clock())

    async def keep_checking(self) -> None:
        """Have what we hold compared with the kernel, every `if_check_interval`. For ever (cluster §2.12).

        What goes the kernel says at once (R11); this finds what it said to nobody, or keeps and does not use.
        """
        while True:
            await asyncio.sleep(self._check_interval_s)
            with contextlib.suppress(SupervisorError):  # it is gone: then the core ends
                await self._link.look()

    async def flush(self) -> None:
        """Give up everything now, without grace; returns when the kernel has confirmed all of it."""
        busy = [p for p in self._places.values() if p.state is not State.IDLE or p.order is not Direction.NONE]
        for place in self._places.values():
            self._end_retry(place)
            place.problem, place.failures = None, 0
        for place in busy:
            self._unplumb(place, 0.0)
        await asyncio.gather(*(place.task for place in busy if place.task is not None))

    def configure(self, check_interval_s: float, lease_s: float | None) -> None:
        """Use these from the next check and the next `set_plans` on; `lease_s` None: as long as so many need."""
        self._check_interval_s, self._lease_s = check_interval_s, lease_s

    def set_plans(self, plans: Mapping[Address, VipPlan]) -> None:
        """A new generation: what is served is moved to its new interface, or gets its new listeners, at once."""
        self.plans = plans
        lease = LONG_LEASE_S if len(plans) > SHORT_LIMIT else SHORT_LEASE_S
        self._plumbing.lease_s = lease if self._lease_s is None else self._lease_s
        self._plumbing.expect(len(plans))
        for place in self._places.values():
            plan = plans.get(place.address)
            if plan is not None and place.state is State.SERVING and plan != place.plan:
                place.task = asyncio.create_task(self._change(place, plan))

    def on_event(self, event: SupervisorEvent) -> None:
        """What happened to an address behind our back: another host announces it, or it cannot be put back."""
        if event.kind in {"restored", "conflict"}:
            self.counts[event.kind] += 1
        place = self._places.get(event.address) if event.address is not None else None
        if place is None or place.state is not State.SERVING:
            return
        if event.kind == "conflict" and place.order is Direction.UP:  # tickets end with each gather; serving does not
            self._announce(place.address)
            if event.mac is not None:
                self._claims[place.address] = event.mac, self._clock()
        elif event.kind == "vanished":
            reason = f"somebody removed it, and it cannot be put back: {event.detail}"
            place.task = asyncio.create_task(self._give_up(place, reason))

    # -- what is known ---------------------------------------------------------------------------

    def held(self) -> frozenset[Address]:
        """The addresses that the kernel may have through us."""
        return frozenset(vip for vip, place in self._places.items() if place.state not in (State.IDLE, State.PROBING))

    @property
    def steps(self) -> int:
        """Another number when an address got further, or back."""
        return self._plumbing.steps

    def state(self, vip: Address) -> State:
        """How far `vip` got."""
        place = self._places.get(vip)
        return place.state if place is not None else State.IDLE

    def problems(self) -> dict[Address, str]:
        """Why an address is not served here although it was ordered, for those that have a reason."""
        found = {}
        for vip, place in self._places.items():
            if place.problem is not None:
                found[vip] = place.problem
            elif place.contested_by is not None:
                found[vip] = f"contested: {self._named(place.contested_by)} still answers for it"
        self._claims = {vip: (mac, at) for vip, (mac, at) in self._claims.items() if self._clock() - at < CLAIMED_S}
        for vip, (mac, _) in self._claims.items():
            if self.state(vip) is State.SERVING and self._tell.whose(mac_bytes(mac)) is None:
                found[vip] = f"claimed by {mac} too: that host is no member of this cluster; find and stop it"
        return found

    # -- tasks -----------------------------------------------------------------------------------

    def _place(self, vip: Address) -> Place:
        return self._places.setdefault(vip, Place(vip))

    def _plumb(self, place: Place, *, planned: bool) -> None:
        if place.order is not Direction.UP:
            self._end_retry(place)
            place.order = Direction.UP
            place.planned.clear()
            place.hearsay.forget()
            place.task = asyncio.create_task(self._bring_up(place))
        elif place.state is State.SERVING:
            self._tell.on_plumbed(place.address, self._clock())
        if planned:
            place.expect_silence()

    def _unplumb(self, place: Place, grace_s: float) -> None:
        if place.order is Direction.DOWN and (place.state is State.UNPLUMBING or grace_s >= place.grace_s):
            return  # under way, and no slower: its answer is this one's too
        if place.order is not Direction.NONE and place.task is not None:
            place.task.cancel()
        place.order, place.grace_s = Direction.DOWN, grace_s
        place.task = asyncio.create_task(self._bring_down(place, grace_s))

    async def _bring_up(self, place: Place) -> None:
        await self._turns.take()
        async with place.lock:
            plan = self.plans.get(place.address)
            if plan is None:
                await self._fail(place, "no Topology entry of this node covers it")
            else:
                await self._acquire(place, plan)

    async def _acquire(self, place: Place, plan: VipPlan) -> None:
        try:
            has_it = await self._plumbing.acquire(place, plan)
        except InUse as error:
            place.stranger = error.mac
            await self._fail(place, self._in_use(error.mac))
        except SupervisorError as error:
            if error.errno == errno.ESTALE:
                await self._abandon(place)
            else:
                await self._fail(place, str(error))
        else:
            if has_it:
                place.problem, place.failures, place.stranger = None, 0, None
                self.counts["plumbed"] += 1
                self._tell.on_plumbed(place.address, self._clock())
            else:
                await self._abandon(place)

    async def _abandon(self, place: Place) -> None:
        """Nobody wants it any more: the listeners that were opened go, and whoever decides orders anew."""
        place.order = Direction.NONE
        await self._plumbing.release(place, 0.0)

    async def _bring_down(self, place: Place, grace_s: float) -> None:
        async with place.lock:
            self.counts["released"] += place.state is State.SERVING
            await self._plumbing.release(place, grace_s)
            place.order = Direction.NONE
            self._tell.on_unplumbed(place.address, self._clock())

    async def _give_up(self, place: Place, reason: str) -> None:
        async with place.lock:
            await self._fail(place, reason)

    async def _fail(self, place: Place, reason: str) -> None:
        """Undo, tell, and look again later by ourselves."""
        await self._plumbing.release(place, 0.0)
        place.order = Direction.NONE
        place.problem = reason
        place.failures += 1
        self.counts["failed"] += 1
        place.retry = asyncio.create_task(self._look_again(place))
        self._tell.on_plumb_failed(place.address, reason, self._clock())

    async def _look_again(self, place: Place) -> None:
        pause = self._check_interval_s * 2 ** (place.failures - 1)
        while True:
            await asyncio.sleep(min(CHECK_LIMIT_S, pause))
            plan = self.plans.get(place.address)
            if plan is not None and await self._plumbing.is_clear(place, plan):
                place.problem = place.stranger = None
                self._tell.on_plumb_clear(place.address, self._clock())
                return
            pause *= 2

    async def _change(self, place: Place, plan: VipPlan) -> None:
        async with place.lock:
            if place.state is not State.SERVING or place.plan is None:
                return
            try:
                if (plan.interface, plan.prefix_length) == (place.plan.interface, place.plan.prefix_length):
                    await self._plumbing.change_ports(place, plan)
                    return
                await self._plumbing.release(place, 0.0)
            except SupervisorError as error:
                await self._fail(place, str(error))
                return
            place.planned.set()  # it was ours a moment ago: nobody to ask
            await self._acquire(place, plan)

    def _named(self, mac: Mac) -> str:
        """With the name of the member that has it, or had it when it left."""
        name = self._tell.whose(mac_bytes(mac))
        return f"{name} ({mac})" if name else mac

    def _in_use(self, mac: Mac) -> str:
        if self._tell.whose(mac_bytes(mac)) is None:
            return f"in use by {mac}: that host is no member of this cluster; find and stop it"
        return f"in use by {self._named(mac)}: that node left without giving it up; stop it there"

    def _announce(self, vip: Address) -> None:
        self._aside(self._say(vip))

    def _aside(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    async def _listen(self, vip: Address) -> None:
        """Ask in the name of another member. Where this node has no such link it hears nothing, which says nothing."""
        plan = self.plans.get(vip)
        if plan is None or not plan.probe:
            return
        with contextlib.suppress(SupervisorError):
            mac = await self._link.probe(plan.interface, vip)
            self._tell.on_witnessed(vip, mac_bytes(mac) if mac is not None else None, self._clock())

    async def _say(self, vip: Address) -> None:
        with contextlib.suppress(SupervisorError):  # not held any more: then there is nothing to announce
            await self._link.announce(vip)

    @staticmethod
    def _end_retry(place: Place) -> None:
        if place.retry is not None:
            place.retry.cancel()
            place.retry = None
