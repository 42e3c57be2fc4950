"""One node of the simulation: a core that does what the driver does, and a NIC that takes its time."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from momentum_node.bus.contract import BusEvent, Delivered, Lost, Member, ViewChanged
from momentum_node.config.model import Address
from momentum_node.duravip.encoding import decode
from momentum_node.duravip.fragments import Assembler
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.narration import tell_effect
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Announce, Contest, Effect, Identity, Isolate, Multicast, Plumb, Unplumb, Witness
from tests.support.network import Endpoint

if TYPE_CHECKING:
    from tests.support.simulation import World

GROUP = "ec_cluster"

remembered = lru_cache(maxsize=256)(decode)
"""All members of a simulated group read the same bytes: once is enough."""


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class Meeting:
    """Since when two members are together, as one of them sees it."""

    began: float
    stream: int | None = None  # of the gather that both completed; None until then


@dataclass
class Nic:
    """The addresses of one process on the wire, with the moment the kernel call was made."""

    wire: dict[Address, float] = field(default_factory=dict)
    generation: dict[Address, int] = field(default_factory=dict)
    failed: set[Address] = field(default_factory=set)
    calls: Counter[Address] = field(default_factory=Counter)  # under way in the kernel

    def supersede(self, vip: Address) -> int:
        self.generation[vip] = self.generation.get(vip, 0) + 1
        return self.generation[vip]


class Process:
    """A node's core with a NIC that takes its time: what the driver does, without asking the wire."""

    macs: tuple[bytes, ...] = ()

    def __init__(self, world: "World", node_id: int, pid: int) -> None:
        self.world = world
        self.node_id = node_id
        self.name = f"n{node_id}"
        self.pid = pid
        self.nic = Nic()
        self.is_up = True
        self.machine: DuraVip | None = None
        self.members: set[Member] = set()
        self.meetings: dict[Member, Meeting] = {}
        self.stream = 0
        self.has_run = False
        self.seen: tuple[Table | None, int, object] = (None, 0, None)  # the table last looked at
        self.came: dict[Address, float] = {}  # when each address began to answer
        self.definitions = world.draw_definitions(node_id)
        self.frozen_until = 0.0
        self.steps_to_live = -2  # not doomed
        self._skew = world.random.choice([0.0, 1e6])  # no two clocks agree
        self._timer: float | None = None
        self.join()

    @property
    def now(self) -> float:
        """By its own clock."""
        return self.world.network.now + self._skew

    def jump(self, seconds: float) -> None:
        self._skew += seconds
        self._timer = None
        self._rearm()

    def join(self) -> None:
        """A new membership with an empty machine."""
        self.machine = None
        self.members, self.meetings, self.stream, self.has_run = set(), {}, 0, False
        self.endpoint: Endpoint = self.world.network.attach(self.node_id, self.pid)
        self.local = self.endpoint.local
        endpoint = self.endpoint
        endpoint.connect(GROUP, lambda event: self.on_event(endpoint, event))

    # -- the driver ------------------------------------------------------------------------------

    def on_event(self, endpoint: Endpoint, event: BusEvent) -> None:
        if not self.is_up or endpoint is not self.endpoint:
            return
        now = self.now
        if isinstance(event, Lost):
            self.isolate()
            return
        if self.machine is None:
            identity = Identity(self.name, f"198.18.0.{self.node_id}", self.world.random.getrandbits(64), self.macs)
            self.machine = self.world.machine_class(identity, self.local, self.definitions, self.world.draw_policy())
            self.machine._assembler = Assembler(remembered)
        was_gathering = self.is_gathering
        if isinstance(event, ViewChanged):
            self._note_view(event, self.world.network.now)
            self.machine.on_view(event, now)
        elif isinstance(event, Delivered):
            self.stream = hash((self.stream, event.sender.node_id, event.data))
            self.machine.on_message(event.sender, event.data, now)
        for member in self.machine._vigil.suspected:
            self.meetings.pop(member, None)  # it counts as left
        if not self.is_gathering and (was_gathering or not self.has_run):
            self._note_completed()
        self.settle()
        self.world.check_table(self)

    @property
    def is_gathering(self) -> bool:
        return self.machine is None or self.machine._gather is not None

    def _note_view(self, view: ViewChanged, now: float) -> None:
        members = set(view.members)
        new = set(members if self.local in view.joined or not self.members else view.joined)
        new |= members - self.members
        self.meetings = {m: meeting for m, meeting in self.meetings.items() if m in members}
        self.meetings.update({m: Meeting(now) for m in new})
        self.members = members
        self.stream = hash((0 if new else self.stream, view.members, view.reachable))

    def _note_completed(self) -> None:
        self.has_run = True
        for meeting in self.meetings.values():
            meeting.stream = meeting.stream or self.stream

    def settle(self) -> None:
        while self.machine is not None and (effects := self.machine.effects()):
            for effect in effects:
                if self._is_killed():
                    return
                self._perform(effect)
        self._rearm()

    def _is_killed(self) -> bool:
        """Before this step, as drawn."""
        self.steps_to_live -= 1
        if self.steps_to_live == -1:
            self.world.killed_at_step(self)
        return not self.is_up

    def _perform(self, effect: Effect) -> None:
        self.world.tell(lambda: f"{self.name}: {show(effect)}")
        match effect:
            case Multicast(data):
                self.endpoint.send(data)
            case Plumb(vip, _):
                self._later((0.0, 0.05), self._call, vip, self.nic.supersede(vip))
            case Unplumb(vip, grace_s):
                self._later((0.0, 0.02 + grace_s), self._removed, vip, self.nic.supersede(vip))
            case Announce() | Witness() | Contest():
                pass
            case Isolate(reason):
                self.world.check_isolation(self, reason)
                self.world.network.crash(self.local)
                self.isolate()

    def _call(self, vip: Address, generation: int) -> None:
        """Immediately before the kernel call: S7 is asked here and nowhere later."""
        if self.nic.generation[vip] != generation:
            return
        assert self.machine is not None
        if not self.machine.is_granted(vip):
            return
        is_untouched = vip not in self.nic.wire and not self.nic.calls[vip]
        if is_untouched and self.world.random.random() < self.world.failure_rate:
            self.nic.failed.add(vip)
            self.machine.on_plumb_failed(vip, "in use", self.now)
            self._later((0.1, 2.0), self._clear, vip, generation)
            self.settle()
            return
        self.nic.calls[vip] += 1
        self._later((0.0, self.world.kernel_delay), self._added, vip, generation, self.world.network.now)

    def _added(self, vip: Address, generation: int, issued: float) -> None:
        """The kernel call cannot be called back: it takes effect even if the address is to go again."""
        self.nic.calls[vip] -= 1
        if vip not in self.nic.wire:
            self.came[vip] = self.world.network.now
        self.nic.wire.setdefault(vip, issued)
        self.world.tell(f"{self.name} has {vip} on the wire")
        self.world.check_wire(self, vip)
        if self.nic.generation[vip] == generation and self.machine is not None:
            self.machine.on_plumbed((vip,), self.now)
            self.settle()

    def _removed(self, vip: Address, generation: int) -> None:
        if self.nic.generation[vip] != generation:
            return
        # calls made before the removal are answered before it: the kernel works in order
        late = self.world.kernel_delay
        self._later((late, late + 0.002), self._gone, vip, generation)

    def _gone(self, vip: Address, generation: int) -> None:
        if self.nic.generation[vip] != generation or self.machine is None:
            return
        self.nic.wire.pop(vip, None)
        self.world.tell(f"{self.name} has removed {vip}")
        self.machine.on_unplumbed((vip,), self.now)
        self.settle()

    def _clear(self, vip: Address, _: int) -> None:
        if vip in self.nic.failed and self.machine is not None:
            self.nic.failed.discard(vip)
            self.machine.on_plumb_clear(vip, self.now)
            self.settle()

    def _later(self, delay: tuple[float, float], action: Callable[..., None], *arguments: object) -> None:
        nic, machine = self.nic, self.machine

        def run() -> None:
            if self.is_up and self.nic is nic and self.machine is machine:
                action(*arguments)

        self.world.network.call_at(self.world.later(delay), run)

    def _rearm(self) -> None:
        due = self.machine.next_timer() if self.machine else None
        if due is None or due == self._timer:
            return
        self._timer = due
        machine = self.machine

        def fire() -> None:
            if self.world.network.now < self.frozen_until:
                self.world.network.call_at(self.frozen_until, fire)
                return
            if self._timer != due:
                return
            self._timer = None
            if self.is_up and self.machine is machine and machine is not None:
                # Two roundings lie between `due` and this clock: without the step time would stand still here.
                machine.on_timer(due if 0 < due - self.now < 1e-6 else self.now)
                self.settle()

        self.world.network.call_at(due - self._skew, fire)

    # -- what happens to it ----------------------------------------------------------------------

    def isolate(self) -> None:
        """Bus lost: let go of everything, then come back empty. The daemon starts again meanwhile."""
        self.nic = Nic()
        self.machine = None
        self.members, self.meetings = set(), {}
        self._timer = None
        self.world.network.call_at(self.world.later((0.05, 1.0)), lambda: self.join() if self.is_up else None)

    def die(self) -> None:
        self.is_up = False
        self.nic = Nic()

    def with_machine(self, what: Callable[[DuraVip, float], None]) -> None:
        if self.is_up and self.machine is not None:
            what(self.machine, self.now)
            self.settle()


def show(effect: Effect) -> str:
    match effect:
        case Plumb(vip, planned):
            return f"plumb {vip}{' (planned)' if planned else ''}"
        case Unplumb(vip, grace_s):
            return f"unplumb {vip} within {grace_s:g} s"
        case Multicast(data):
            return f"send {len(data)} bytes"
        case Announce(vips):
            return f"announce {' '.join(map(str, vips))}"
        case Witness() | Contest():
            return tell_effect(effect)
        case Isolate(reason):
            return f"let go of everything: {reason}"
