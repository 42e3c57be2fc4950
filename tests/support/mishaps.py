"""What can happen to a simulated cluster, drawn at random: faults, and what administrators do."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from momentum_node.duravip.vip import Definition, Policy
from tests.support.listening import Wire
from tests.support.network import Network
from tests.support.simulatednode import Process

PAUSES = ((0.0, 0.05), (0.0, 0.5), (0.5, 2.0))
STORM_PAUSES = ((0.0, 0.05), (0.0, 0.05), (0.0, 0.1), (0.0, 0.3), (0.2, 1.0))


class Mishaps(ABC):
    """The half of a run that does harm. `World` is the other half."""

    random: random.Random
    network: Network
    policy: Policy
    processes: dict[int, Process]
    node_ids: list[int]
    vips: list[IPv4Address | IPv6Address]
    faults: list[Callable[[], None]]
    is_storm: bool
    watches: bool
    restart_s: float
    wire: Wire
    faults_until_s: float

    @abstractmethod
    def tell(self, line: str | Callable[[], str]) -> None: ...

    @abstractmethod
    def later(self, delay: tuple[float, float]) -> float: ...

    @abstractmethod
    def draw_definitions(self, node_id: int) -> tuple[Definition, ...]: ...

    @abstractmethod
    def draw_policy(self) -> Policy: ...

    @abstractmethod
    def draw_doubt(self) -> frozenset[IPv4Address | IPv6Address]: ...

    @abstractmethod
    def start(self, node_id: int) -> None: ...

    def _one(self) -> Process:
        return self.processes[self.random.choice(self.node_ids)]

    def kill_process(self) -> None:
        """PROCDOWN; the same pid may come back (a container's is always 1)."""
        process = self._one()
        if process.is_up:
            self._kill(process)

    def _kill(self, process: Process) -> None:
        self.tell(f"kill the process of {process.name}")
        process.die()
        self.network.crash(process.local)
        self.network.call_at(self.later((0.0, self.restart_s)), lambda: self.start(process.node_id))

    def crash_node(self) -> None:
        process = self._one()
        if process.is_up:
            self.tell(f"crash {process.name}")
            process.die()
            self.network.crash_node(process.node_id)
            self.network.call_at(self.later((0.0, 2 * self.restart_s)), lambda: self.start(process.node_id))

    def kill_engine(self) -> None:
        process = self._one()
        if process.is_up and process.machine is not None:
            self.tell(f"kill the daemon of {process.name}")
            self.network.kill_engine(process.node_id)

    def partition(self) -> None:
        ids = self.random.sample(self.node_ids, len(self.node_ids))
        cut = self.random.randint(1, len(ids) - 1)
        sides = [ids[:cut], ids[cut:]]
        self.tell(f"partition {sides}")
        self.network.partition(sides)
        if self.random.random() < 0.4:
            self.network.call_at(self.later((0.0, 0.05 if self.is_storm else 0.3)), self.merge)

    def merge(self) -> None:
        self.tell("merge")
        self.network.merge()

    def stall(self) -> None:
        """A frozen process: it reads nothing, no timer fires, and its kernel goes on answering."""
        process = self._one()
        seconds = self.random.choice([0.05, 0.5, 1.0, 8.0 if self.watches else 1.0])
        self.tell(f"{process.name} stands still for {seconds:g} s")
        self.network.stall(process.local, seconds)
        process.frozen_until = max(process.frozen_until, self.network.now + seconds)

    def tear(self) -> None:
        """A pair that does not hear each other, or one of it: one end is alone again and again (failover §0.6)."""
        process = self._one()
        others = [node_id for node_id in self.node_ids if node_id != process.node_id]
        self.tell(f"{process.name} is torn off and comes back, several times")
        for at in range(self.random.randint(1, 4)):
            begins = self.network.now + 0.37 * at
            self.network.call_at(begins, lambda: self.network.partition([[process.node_id], others]))
            self.network.call_at(begins + self.random.uniform(0.0, 0.37), self.network.merge)

    def jump(self) -> None:
        """Its clock goes forward at once: a resumed machine."""
        process = self._one()
        seconds = self.random.choice([0.3, 5.0, 100.0])
        self.tell(f"the clock of {process.name} goes {seconds:g} s forward")
        process.jump(seconds)

    def doom(self) -> None:
        """It will be killed at one of its next steps, whatever that is."""
        process = self._one()
        process.steps_to_live = self.random.randint(0, 8)

    def killed_at_step(self, process: Process) -> None:
        self.tell(f"{process.name} is killed at this step")
        process.die()
        self.network.crash(process.local)
        self.network.call_at(self.later((0.0, self.restart_s)), lambda: self.start(process.node_id))

    def drain(self) -> None:
        process = self._one()
        self.tell(f"drain {process.name}")
        process.with_machine(lambda machine, now: machine.on_drain(now))
        self.network.call_at(self.later((1.0, 3.0)), lambda: self._leave(process))

    def _leave(self, process: Process) -> None:
        if process.is_up and process.machine is not None and process.endpoint.is_up:
            self.tell(f"{process.name} leaves and starts again")
            process.die()
            process.endpoint.leave()
            self.network.call_at(self.later((0.0, 1.0)), lambda: self.start(process.node_id))

    def cordon(self) -> None:
        cordoned = self.random.random() < 0.5
        self._one().with_machine(lambda machine, now: machine.on_cordon(cordoned, now))

    def change_usable(self) -> None:
        process = self._one()
        usable = frozenset(vip for vip in self.vips if self.random.random() < 0.6)
        self.tell(f"{process.name} can serve {' '.join(map(str, sorted(usable, key=int)))}")
        process.with_machine(lambda machine, now: machine.on_usable(usable, "link down", now))
        everything = frozenset(self.vips)
        back = self.later((0.2, 2.0))
        self.network.call_at(back, lambda: process.with_machine(lambda m, now: m.on_usable(everything, None, now)))

    def reload(self) -> None:
        process = self._one()
        process.definitions = self.draw_definitions(process.node_id)
        self.tell(f"reload {process.name}")
        policy = self.draw_policy()
        process.with_machine(lambda machine, now: machine.on_definitions(process.definitions, policy, now))
        doubtful = self.draw_doubt()
        process.with_machine(lambda machine, now: machine.on_unsure(doubtful, "no answer", now))

    def move(self) -> None:
        vip, node = self.random.choice(self.vips), self.random.choice([*self.node_ids, None])
        self.tell(f"move {vip} to {f'n{node}' if node else 'any node'}")
        self._one().with_machine(lambda machine, now: machine.on_move(vip, f"n{node}" if node else None, now))

    def deafen(self) -> None:
        """Nothing of an owner reaches one other node: the ring goes on without the owner, which notices later."""
        owner = self._one()
        listener = self.random.choice([node_id for node_id in self.node_ids if node_id != owner.node_id])
        self.tell(f"n{listener} hears nothing of {owner.name}")
        self.wire.deafen(listener, owner.node_id)
        self.network.partition([[owner.node_id]])
        self.network.call_at(self.later((0.8, 2.0)), self._hear_again)

    def _hear_again(self) -> None:
        self.tell("everybody hears everybody")
        self.wire.heal()
        self.network.merge()

    def kill_and_leave(self) -> None:
        """Core and supervisor killed: the kernel keeps the addresses until their leases end."""
        process = self._one()
        if process.is_up:
            self.wire.leave_behind(process, self.random.uniform(0.0, 2.0))
            self._kill(process)

    def _deaf_faults(self) -> list[Callable[[], None]]:
        return [self.deafen, self.deafen, self.deafen, self.kill_and_leave, self.move, self.drain, self.change_usable]

    def _late_faults(self) -> list[Callable[[], None]]:
        return [self.partition, self.partition, self.merge, self.reload, self.change_usable, self.kill_process]

    def _draw_faults(self) -> list[Callable[[], None]]:
        """Each run has its own mixture: some kinds often, some never, so that rare sequences happen somewhere."""
        kinds = [self.kill_process, self.crash_node, self.kill_engine, self.drain, self.cordon, self.stall]
        kinds += [self.partition, self.change_usable, self.reload, self.move, self.tear, self.jump, self.doom]
        faults = [kind for kind in kinds for _ in range(self.random.choice([0, 0, 1, 4]))]
        return [*faults, self.merge, self.partition]

    def _act(self) -> None:
        self.random.choice(self.faults)()
        pause = self.random.choice(STORM_PAUSES if self.is_storm else PAUSES)
        if self.network.now < self.faults_until_s:
            self.network.call_at(self.later(pause), self._act)
