"""Random runs of whole clusters of DuraVIP machines, on the test network and virtual time, from one seed.

    python -m tests.support.simulation --runs 2000 --seed 7        # says which seed failed, and tells its story

A run is: nodes start; faults, drains, reloads and link losses come at random while messages are late across views;
then everything heals and the cluster must settle. Nobody probes here: what keeps two nodes from having an address is
the protocol alone. Checked at each step (cluster §2.10):

    I1   the same stream since a gather gives the same table
    I2   one owner at most, one exactly where somebody may have it, and the owner may
    I3   members continuously together since their grants never both have an address
    I4   after a merge two have it only if both had it before
    I11  nothing is plumbed before the first gather is complete (and never during one)

and at the end, when all is quiet: the wire equals the table (I10), and every address is served.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from momentum_node.config.model import Address
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Definition, Policy
from tests.support.network import Delays, Network, _Node
from tests.support.simulatednode import Broken, Process

FAULTS_UNTIL_S = 12.0
SETTLED_WITHIN_S = 40.0
VIEW_MATURE_TIMES_S = (0.02, 0.4)
SELDOM_S = 0.3
PAUSES = ((0.0, 0.05), (0.0, 0.5), (0.5, 2.0))
STORM_PAUSES = ((0.0, 0.05), (0.0, 0.05), (0.0, 0.1), (0.0, 0.3), (0.2, 1.0))

MachineClass = Callable[..., DuraVip]


class UnevenNetwork(Network):
    """Some nodes get a turn to send only now and then: what they sent arrives message by message, each possibly in a
    view that is several changes younger."""

    def __init__(self, seed: int, nodes: list[int], delays: Delays, seldom: set[int]) -> None:
        super().__init__(seed, nodes, delays)
        self._seldom = seldom
        self._turn: dict[int, float] = {}

    def _order_next(self, node: _Node) -> None:
        if node.node_id in self._seldom and node.waiting and node.is_up:
            turn = self._turn.get(node.node_id, 0.0)
            if self.now < turn:
                self.call_at(turn, lambda: self._order_next(node))
                return
            self._turn[node.node_id] = self.now + self.random.uniform(0.0, SELDOM_S)
        super()._order_next(node)


class World:
    """One run."""

    def __init__(self, seed: int, machine_class: MachineClass = DuraVip) -> None:
        self.random = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self.machine_class = machine_class
        self.story: list[str] = []
        self.tables: dict[bytes, object] = {}
        self.steps = 0
        count = self.random.randint(2, 5)
        self.is_storm = self.random.random() < 0.5
        self.restart_s = self.random.choice([0.1, 2.0])
        self.kernel_delay = self.random.choice([0.001, 0.01, 0.3])
        self.node_ids = list(range(1, count + 1))
        self.vips = [ip_address(f"192.0.2.{n}") for n in range(1, self.random.randint(2, 7))]
        self.follows = {self.vips[-1]: self.vips[0]} if len(self.vips) > 2 and self.random.random() < 0.3 else {}
        self.apart = dict.fromkeys(self.vips[:3], "g") if self.random.random() < 0.3 else {}
        self.failure_rate = self.random.choice([0.0, 0.0, 0.1])
        partition = self.random.choice(["both", "quorum"])
        self.policy = Policy(
            partition="quorum" if partition == "quorum" else "both",
            node_ids=frozenset(self.node_ids),
            view_mature_time_s=self.random.choice(VIEW_MATURE_TIMES_S),
            failback_delay_s=self.random.choice([0.0, 1.0]),
            cluster_size=count,
            release_grace_s=self.random.choice([0.0, 0.05, 0.3]),
            balance_interval_s=self.random.choice([0.3, 2.0]),
            balance_set_size=self.random.choice([1, 3]),
        )
        seldom = {node_id for node_id in self.node_ids if self.is_storm and self.random.random() < 0.4}
        self.network = UnevenNetwork(self.random.getrandbits(32), self.node_ids, self._draw_delays(), seldom)
        self.faults = self._draw_faults()
        self.processes: dict[int, Process] = {}
        for node_id in self.node_ids:
            self.start(node_id)

    def _draw_delays(self) -> Delays:
        """From quick to very late: in a storm what a node has sent may be delivered several views later."""
        slow = self.random.choice([0.002, 0.02, 0.1])
        detection = self.random.choice([0.02, 0.1, 0.65])
        merge = 0.2
        if self.is_storm:
            slow, detection, merge = 0.005, 0.02, 0.02
        return Delays(
            order=(0.0, slow),
            arrival=(0.0, slow),
            process=(0.0, slow),
            detection=(detection / 2, detection),
            merge=(merge / 2, merge),
        )

    def draw_definitions(self, node_id: int) -> tuple[Definition, ...]:
        """Mostly everything; sometimes a node lacks some, prefers some, or declares other bindings."""
        some = self.vips if self.random.random() < 0.7 else self.random.sample(self.vips, len(self.vips) - 1)
        extra = () if self.random.random() < 0.8 else ("x",)
        return tuple(
            Definition(
                vip,
                frozenset({"esmtp"}),
                (f"b{vip}", *(f"{word}{vip}" for word in extra)),
                claim=self.random.random() < 0.2,
                rank=self.random.choice([0, 0, 1]),
                follow=self.follows.get(vip),
                apart=self.apart.get(vip, ""),
            )
            for vip in sorted(some, key=int)
        )

    # -- faults ----------------------------------------------------------------------------------

    def start(self, node_id: int) -> None:
        pid = self.random.choice([1, 1, self.random.randint(2, 9999)])
        self.tell(f"start n{node_id}")
        self.processes[node_id] = Process(self, node_id, pid)

    def _one(self) -> Process:
        return self.processes[self.random.choice(self.node_ids)]

    def kill_process(self) -> None:
        """PROCDOWN; the same pid may come back (a container's is always 1)."""
        process = self._one()
        if process.is_up:
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
        process = self._one()
        self.tell(f"{process.name} stands still for a while")
        self.network.stall(process.local, self.random.uniform(0.0, 1.0))

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
        process.with_machine(lambda machine, now: machine.on_definitions(process.definitions, self.policy, now))

    def move(self) -> None:
        vip, node = self.random.choice(self.vips), self.random.choice([*self.node_ids, None])
        self.tell(f"move {vip} to {f'n{node}' if node else 'any node'}")
        self._one().with_machine(lambda machine, now: machine.on_move(vip, f"n{node}" if node else None, now))

    def _draw_faults(self) -> list[Callable[[], None]]:
        """Each run has its own mixture: some kinds often, some never, so that rare sequences happen somewhere."""
        kinds = [self.kill_process, self.crash_node, self.kill_engine, self.drain, self.cordon, self.stall]
        kinds += [self.partition, self.change_usable, self.reload, self.move]
        faults = [kind for kind in kinds for _ in range(self.random.choice([0, 0, 1, 4]))]
        return [*faults, self.merge, self.partition]

    def _act(self) -> None:
        self.random.choice(self.faults)()
        pause = self.random.choice(STORM_PAUSES if self.is_storm else PAUSES)
        if self.network.now < FAULTS_UNTIL_S:
            self.network.call_at(self.later(pause), self._act)

    # -- the run ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Raises `Broken`."""
        self.network.call_at(self.later((0.0, 1.5)), self._act)
        self._until(FAULTS_UNTIL_S + 5.0)
        self.tell("everything heals")
        self.failure_rate = 0.0
        self.network.merge()
        everything = frozenset(self.vips)
        for process in self.processes.values():
            process.definitions = tuple(Definition(v, frozenset({"esmtp"}), (f"b{v}",), False) for v in self.vips)
            process.with_machine(lambda m, now: m.on_usable(everything, None, now))
            process.with_machine(lambda m, now, p=process: m.on_definitions(p.definitions, self.policy, now))  # type: ignore[misc]
            process.with_machine(lambda m, now: m.on_cordon(False, now))
        self._until(FAULTS_UNTIL_S + 5.0 + SETTLED_WITHIN_S)
        self._check_settled()

    def _until(self, when: float) -> None:
        while (due := self.network.next_time()) is not None and due <= when:
            self.network.step()
            self.steps += 1

    def later(self, delay: tuple[float, float]) -> float:
        return self.network.now + self.random.uniform(*delay)

    def tell(self, line: str) -> None:
        self.story.append(f"{self.network.now:8.3f}  {line}")

    # -- invariants ------------------------------------------------------------------------------

    def check_table(self, process: Process) -> None:
        """I1 and I2."""
        if process.is_gathering or process.machine is None or process.machine._table is None:
            return
        table = process.machine._table
        facts = snapshot(table)
        known = self.tables.setdefault(process.stream, facts)
        if known != facts:
            raise Broken(f"I1: {process.name} made another table of the same stream: {facts} instead of {known}")
        check_owners(table, process.machine._reachable)

    def check_wire(self, process: Process, vip: Address) -> None:
        """I3, I4 and I11, when an address came on the wire."""
        if not process.has_run:
            raise Broken(f"I11: {process.name} has {vip} before its first gather is complete")
        for other in self.processes.values():
            if other is not process and other.is_up and vip in other.nic.wire:
                self._check_pair(process, other, vip)

    def _check_pair(self, one: Process, two: Process, vip: Address) -> None:
        seen, back = one.meetings.get(two.local), two.meetings.get(one.local)
        if seen is None or back is None or seen.stream is None or seen.stream != back.stream:
            return
        if one.nic.wire[vip] >= seen.began or two.nic.wire[vip] >= back.began:
            raise Broken(f"I3/I4: {one.name} and {two.name} both have {vip}")

    def _check_settled(self) -> None:
        on_wire: dict[Address, list[str]] = {vip: [] for vip in self.vips}
        for process in self.processes.values():
            if process.is_gathering:
                raise Broken(f"{process.name} still waits for states")
            for vip in process.nic.wire:
                on_wire[vip].append(process.name)
        for process in self.processes.values():
            assert process.machine is not None
            if len(process.members) != len(self.node_ids):
                raise Broken(f"{process.name} does not see everybody")
            for placement in process.machine.placements():
                if [placement.owner] != on_wire.get(placement.address, [placement.owner]):
                    raise Broken(f"I10: {placement.reason}, but the wire has it at {on_wire[placement.address]}")
        missing = [str(vip) for vip, names in on_wire.items() if len(names) != 1]
        if missing:
            raise Broken(f"I10: not exactly once on the wire: {missing}")


def snapshot(table: Table) -> object:
    """All that must be equal on members with the same stream."""
    return (
        tuple(table.index.addresses),
        table.broken,
        sorted(table.pins.items(), key=lambda pin: int(pin[0])),
        tuple(
            (m, s.owns, s.holds, s.mature, s.facts, s.listed, s.claims, s.unusable, tuple(sorted(s.failed.items())))
            for m, s in sorted(table.standings.items())
        ),
    )


def check_owners(table: Table, reachable: frozenset[int]) -> None:
    """I2."""
    electable = table.electable(reachable)
    seen = possible = 0
    for member, standing in table.standings.items():
        may = standing.candidate_for & ~standing.all_failed & ~table.broken if member in electable else 0
        if standing.owns & ~may:
            raise Broken(f"I2: {standing.name} owns what it may not have")
        if standing.owns & seen:
            raise Broken(f"I2: {standing.name} owns what another one owns")
        seen |= standing.owns
        possible |= may
    if seen != possible:
        raise Broken("I2: an address that somebody may have has no owner")


@dataclass(frozen=True)
class Failure:
    """A run that broke an invariant."""

    seed: int
    problem: str
    story: list[str]

    def __str__(self) -> str:
        lines = "\n".join(self.story[-150:])
        return f"{lines}\nseed {self.seed}: {self.problem}"


def run(seed: int, machine_class: MachineClass = DuraVip) -> Failure | None:
    """One run; None when everything held."""
    world = World(seed, machine_class)
    try:
        world.run()
    except Broken as broken:
        return Failure(seed, str(broken), world.story)
    return None


def first_failure(
    seeds: range, machine_class: MachineClass = DuraVip, until: float | None = None
) -> tuple[Failure | None, int]:
    """Runs until one fails or the CPU clock says `until`. Returns the failure and how many runs there were."""
    for count, seed in enumerate(seeds):
        if until is not None and time.process_time() > until:
            return None, count
        if failure := run(seed, machine_class):
            return failure, count + 1
    return None, len(seeds)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Random runs of the DuraVIP machine.")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None, help="the first seed; drawn when not given")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(40)
    began = time.process_time()
    failure, count = first_failure(range(seed, seed + options.runs))
    print(failure or f"{count} runs from seed {seed} held, {time.process_time() - began:.1f} s of CPU time")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
