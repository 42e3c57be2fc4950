"""A simulated node that asks the wire before it plumbs, where not everybody hears everybody (failover F15).

Checked besides the invariants of the protocol, whenever an address comes on a wire without having been released:

    I12  its node hears nobody else who has it, and no witness of that node does
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from momentum_node.bus.contract import BusEvent, Delivered, Member
from momentum_node.config.model import Address
from momentum_node.duravip.roundtrips import echo, is_echo
from momentum_node.duravip.vip import Contest, Effect, Plumb, Unplumb, Witness
from momentum_node.duravip.witness import Hearsay, hears_for
from tests.support.network import Endpoint
from tests.support.simulatednode import Broken, Process

if TYPE_CHECKING:
    from tests.support.simulation import World

PROBES, SPACING_S, SILENCE_S = 3, 0.015, 0.010
ASKED_AGAIN_S = 0.05
IN_USE_S = 3.0
ON_TIME_S = 0.003


def mac_of(node_id: int) -> bytes:
    """Of the one interface that a simulated node has."""
    return bytes((2, 0, 0, 0, 0, node_id))


class Wire:
    """Who hears whose answers, and which kernels still answer although their process is dead."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._deaf: set[tuple[int, int]] = set()
        self._left_behind: dict[tuple[int, Address], tuple[float, float]] = {}  # since, until
        self.changed_at = 0.0

    def deafen(self, listener: int, speaker: int) -> None:
        """Nothing of `speaker` reaches `listener` any more."""
        self._deaf.add((listener, speaker))
        self.changed_at = self._world.network.now

    def heal(self) -> None:
        """Everybody hears everybody."""
        self._deaf.clear()
        self.changed_at = self._world.network.now

    def leave_behind(self, process: Process, lease_s: float) -> None:
        """The process dies; the kernel keeps what it has for a while."""
        until = self._world.network.now + lease_s
        self._left_behind |= {(process.node_id, vip): (process.came[vip], until) for vip in process.nic.wire}

    def clean(self, node_id: int) -> None:
        """A process starts there: it removes what an earlier one left (R3)."""
        self._left_behind = {key: times for key, times in self._left_behind.items() if key[0] != node_id}

    def holders(self, vip: Address, but: int) -> dict[int, float]:
        """The other nodes whose kernel has it, and since when it answers (a call to the kernel takes its time)."""
        now = self._world.network.now
        found = {n: at for (n, v), (at, until) in self._left_behind.items() if v == vip and n != but and now < until}
        live = [p for p in self._world.processes.values() if p.is_up and p.node_id != but]
        return found | {p.node_id: p.came[vip] for p in live if vip in p.nic.wire}

    def hears(self, listener: int, speaker: int) -> bool:
        return (listener, speaker) not in self._deaf

    def answer(self, listener: int, vip: Address) -> int | None:
        """Whose answer arrives."""
        return next((n for n in sorted(self.holders(vip, listener)) if self.hears(listener, n)), None)


@dataclass(eq=False)
class Attempt:
    """To plumb one address; `hearsay` is the product's own."""

    generation: int
    began: float
    granted: float
    planned: bool
    hearsay: Hearsay = field(default_factory=Hearsay)
    asked_at: float = 0.0
    heard: set[int] = field(default_factory=set)


class ListeningProcess(Process):
    """As `Process`, and does what the actuator does about the wire."""

    world: "World"

    def __init__(self, world: "World", node_id: int, pid: int) -> None:
        self._attempts: dict[Address, Attempt] = {}
        self._silences: dict[Address, Attempt] = {}  # the last that ended in silence
        self._granted: dict[Address, float] = {}  # since when each is this node's: a gather begins an attempt anew
        self.macs = (mac_of(node_id),)
        self._awaited: dict[bytes, tuple[Address, Attempt]] = {}
        world.wire.clean(node_id)
        super().__init__(world, node_id, pid)

    def join(self) -> None:
        self._attempts, self._silences, self._granted, self._awaited = {}, {}, {}, {}
        super().join()

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Plumb(vip, planned) if vip in self._attempts:
                self._attempts[vip].planned |= planned
            case Plumb(vip, planned):
                self.world.tell(f"{self.name}: {effect}")
                granted = self._granted.setdefault(vip, self.world.network.now)
                attempt = Attempt(self.nic.supersede(vip), self.world.network.now, granted, planned)
                self._attempts[vip] = attempt
                self._later((0.0, ON_TIME_S), self._ask, vip, attempt, PROBES)
            case Unplumb(vip, _):
                self._attempts.pop(vip, None)
                self._granted.pop(vip, None)
                super()._perform(effect)
            case Witness(vips):
                for vip in vips:
                    self._later((0.0, ON_TIME_S), self._listen, vip, PROBES)
            case Contest(vip, witness, mac):
                if vip in self._attempts:
                    self._attempts[vip].hearsay.said(witness, mac, self.now)
            case _:
                super()._perform(effect)

    # -- for itself ------------------------------------------------------------------------------

    def _ask(self, vip: Address, attempt: Attempt, left: int) -> None:
        if self._attempts.get(vip) is not attempt:
            return
        if attempt.planned:
            self._take(vip, attempt)
            return
        if left == PROBES:
            attempt.asked_at = self.world.network.now
        speaker = self.world.wire.answer(self.node_id, vip)
        if speaker is not None:
            attempt.heard.add(speaker)
            attempt.hearsay.heard(mac_of(speaker))
            self._contested(vip, attempt)
        elif left > 1:
            self._later((SPACING_S, SPACING_S), self._ask, vip, attempt, left - 1)
        else:
            self._later((SILENCE_S, SILENCE_S), self._judge, vip, attempt, not self.world.makes_round_trips)

    def _judge(self, vip: Address, attempt: Attempt, is_heard_out: bool) -> None:
        """Nobody answers. `is_heard_out`: all that was said until then has arrived."""
        if self._attempts.get(vip) is not attempt:
            return
        if attempt.hearsay.against(self.now) is not None:
            self._contested(vip, attempt)
        elif is_heard_out:
            self._take(vip, attempt)
        else:
            self.world.echoes += 1
            self._awaited[echo(self.world.echoes)] = (vip, attempt)
            self.endpoint.send(echo(self.world.echoes))

    def on_event(self, endpoint: Endpoint, event: BusEvent) -> None:
        if not isinstance(event, Delivered) or not is_echo(event.data):
            super().on_event(endpoint, event)
        elif self.is_up and endpoint is self.endpoint and (waiting := self._awaited.pop(event.data, None)) is not None:
            self._judge(*waiting, True)

    def _contested(self, vip: Address, attempt: Attempt) -> None:
        assert self.machine is not None
        if self.world.network.now - attempt.began < IN_USE_S:
            self._later((0.01, ASKED_AGAIN_S), self._ask, vip, attempt, PROBES)
            return
        del self._attempts[vip], self._granted[vip]
        self.nic.failed.add(vip)
        self.machine.on_plumb_failed(vip, "in use", self.now)
        self._later((0.1, 2.0), self._clear, vip, attempt.generation)
        self.settle()

    def _take(self, vip: Address, attempt: Attempt) -> None:
        del self._attempts[vip]
        self._silences[vip] = attempt
        self._call(vip, attempt.generation)

    def _added(self, vip: Address, generation: int, issued: float) -> None:
        attempt = self._silences.pop(vip, None)
        if attempt is not None and attempt.generation == generation and not attempt.planned:
            self._check_silence(vip, attempt)
        super()._added(vip, generation, issued)

    def _check_silence(self, vip: Address, attempt: Attempt) -> None:
        """I12."""
        wire = self.world.wire
        for holder, since in wire.holders(vip, self.node_id).items():
            if since >= attempt.asked_at or wire.changed_at >= attempt.granted or holder in attempt.heard:
                continue  # it came while we asked, or who hears whom did
            if wire.hears(self.node_id, holder):
                raise Broken(f"I12: {self.name} has {vip}, and hears that n{holder} has it")
            for witness in self._witnesses(vip, attempt):
                if wire.hears(witness.node_id, holder):
                    raise Broken(f"I12: {self.name} has {vip}, and {witness.name} hears that n{holder} has it")

    def _witnesses(self, vip: Address, attempt: Attempt) -> list[Process]:
        """Who has that link, was here when this node was granted the address, and has run ever since."""
        table = self.machine._table if self.machine else None
        found = []
        for other in self.world.processes.values():
            mine, theirs = self.meetings.get(other.local), other.meetings.get(self.local)
            if other is self or not other.is_up or table is None or mine is None or theirs is None:
                continue
            names: list[Member] = [standing.member for standing in table.by_name()]
            if other.local not in names or not table.standings[other.local].listed & table.index.bit(vip):
                continue
            is_witness = self.local in hears_for(names, other.local)
            together = mine.stream is not None and mine.stream == theirs.stream
            if is_witness and together and mine.began < attempt.granted > other.frozen_until:
                found.append(other)
        return found

    # -- for others ------------------------------------------------------------------------------

    def _listen(self, vip: Address, left: int) -> None:
        assert self.machine is not None
        speaker = self.world.wire.answer(self.node_id, vip)
        if speaker is None and left > 1:
            self._later((SPACING_S, SPACING_S), self._listen, vip, left - 1)
            return
        if speaker is not None:
            self.world.tell(f"{self.name} hears that n{speaker} has {vip}")
        self.machine.on_witnessed([(vip, mac_of(speaker) if speaker is not None else None)], self.now)
        self.settle()
