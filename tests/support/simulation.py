"""Random runs of whole clusters of DuraVIP machines, on the test network and virtual time, from one seed.

    python -m tests.support.simulation --runs 2000 --seed 7 --processes 2

A seed that fails is told as a story file that runs it again (`simulate SEED`, tests/scenarios).

A run is: nodes start; faults, drains, reloads and link losses come at random while messages are late across views;
then everything heals and the cluster must settle. Nobody probes here: what keeps two nodes from having an address is
the protocol alone; but in runs of the kind `deaf`, where the wire is asked and not everybody hears everybody (I12,
listening.py). Checked at each step (cluster §2.10):

    I1   the same stream since a gather gives the same table
    I2   one owner at most, one exactly where somebody may have it, and the owner may
    I3   members continuously together since their grants never both have an address
    I4   after a merge two have it only if both had it before
    I11  nothing is plumbed before the first gather is complete (and never during one)

and at the end, when all is quiet: the wire equals the table (I10), and every address is served.
"""

import argparse
import contextlib
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from typing import Literal, get_args

from momentum_node.config.model import Address
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Definition, Policy
from tests.support.listening import ListeningProcess, Wire
from tests.support.mishaps import Mishaps
from tests.support.network import Delays, Network, _Node
from tests.support.simulatednode import Broken, Process

FAULTS_UNTIL_S = (2.0, 3.0, 3.0, 8.0)
SETTLED_WITHIN_S = (6.0, 12.0, 60.0)
VIEW_MATURE_TIMES_S = (0.02, 0.4)
SELDOM_S = 0.3

Kind = Literal["usual", "late", "deaf"]
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


class World(Mishaps):
    """One run."""

    makes_round_trips = True
    """Who was met with silence waits for a word of its own to come back, before it plumbs."""
    echoes = 0
    """Said so far: no two are alike, also of two processes with one pid."""

    def __init__(self, seed: int, machine_class: MachineClass = DuraVip, *, kind: Kind = "usual") -> None:
        """`late`: a run of quick view changes and messages that are several of them late, and little else; `deaf`: one
        of addresses whose owner is heard by some only."""
        is_late, self.is_deaf = kind == "late", kind == "deaf"
        self.random = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self.machine_class = machine_class
        self.weighing = random.Random(~seed)  # noqa: S311 - apart: weights leave the rest of a run as it is
        self.weights = self.weighing.choice([(1,), (1, 1, 2, 5), (1, 3)])
        self.told: list[tuple[float, Callable[[], str]]] = []
        self.tables: dict[int, object] = {}
        self.steps = 0
        count = self.random.randint(3 if self.is_deaf else 2, 5)
        self.faults_until_s = self.random.choice(FAULTS_UNTIL_S)
        self.is_healed = False
        self.is_storm = (self.random.random() < 0.5 or is_late) and not self.is_deaf
        self.restart_s = self.random.choice([0.1, 2.0])
        self.kernel_delay = self.random.choice([0.001, 0.01, 0.3])
        self.node_ids = list(range(1, count + 1))
        self.vips = [ip_address(f"192.0.2.{n}") for n in range(1, self.random.randint(2, 7))]
        self.follows = {self.vips[-1]: self.vips[0]} if len(self.vips) > 2 and self.random.random() < 0.3 else {}
        self.apart = dict.fromkeys(self.vips[:3], "g") if self.random.random() < 0.3 else {}
        self.watches = self.random.random() < 0.15
        self.failure_rate = self.random.choice([0.0, 0.0, 0.1])
        partition = self.random.choice(["both", "quorum"]) if not self.is_deaf else "quorum"
        self.policy = Policy(
            partition="quorum" if partition == "quorum" else "both",
            node_ids=frozenset(self.node_ids),
            view_mature_time_s=self.random.choice(VIEW_MATURE_TIMES_S),
            failback_delay_s=self.random.choice([0.0, 1.0]),
            cluster_size=count,
            release_grace_s=self.random.choice([0.0, 0.05, 0.3]),
            balance_interval_s=self.random.choice([0.3, 2.0]),
            balance_set_size=self.random.choice([1, 3]),
            heartbeats_per_sec=2.0 if self.watches else 0.0,
            heartbeat_start_delay_s=0.5,
            beacon_s=0.5 if self.watches else 0.0,
            self_drop_s=self.random.choice([0.0, 3.0]) if self.watches else 0.0,
        )
        seldom = {
            node_id for node_id in self.node_ids if self.is_storm and self.random.random() < (0.6 if is_late else 0.4)
        }
        self.network = UnevenNetwork(self.random.getrandbits(32), self.node_ids, self._draw_delays(), seldom)
        self.faults = {"late": self._late_faults, "deaf": self._deaf_faults}.get(kind, self._draw_faults)()
        self.processes: dict[int, Process] = {}
        self.wire = Wire(self)
        for node_id in self.node_ids:
            self.start(node_id)

    def _draw_delays(self) -> Delays:
        """From quick to very late: in a storm what a node has sent may be delivered several views later."""
        if self.is_deaf:  # messages that come within the guard time: what this is about
            soon = {"order": (0.0, 0.002), "arrival": (0.0, 0.004), "process": (0.0, 0.003)}
            return Delays(**soon, detection=(0.1, 0.7), merge=(0.1, 0.3))
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
        if self.is_healed:
            return tuple(Definition(vip, frozenset({"esmtp"}), (f"b{vip}",), False) for vip in self.vips)
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

    def draw_policy(self) -> Policy:
        """What one node's configuration says of ownership: the same everywhere, but for its weight."""
        return replace(self.policy, weight=self.weighing.choice(self.weights))

    def draw_doubt(self) -> frozenset[Address]:
        """Addresses for which a node is the last choice from its reload on."""
        return frozenset(vip for vip in self.vips if self.weighing.random() < 0.3)

    def start(self, node_id: int) -> None:
        pid = self.random.choice([1, 1, self.random.randint(2, 9999)])
        self.tell(f"start n{node_id}")
        self.processes[node_id] = (ListeningProcess if self.is_deaf else Process)(self, node_id, pid)

    # -- the run ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Raises `Broken`."""
        self.network.call_at(self.later((0.0, 1.5)), self._act)
        self._until(self.faults_until_s + 5.0)
        self.tell("everything heals")
        self.failure_rate = 0.0
        self.is_healed = True
        self.wire.heal()
        self.network.merge()
        everything = frozenset(self.vips)
        for process in self.processes.values():
            process.definitions = self.draw_definitions(process.node_id)
            process.steps_to_live = -2
            process.with_machine(lambda m, now: m.on_usable(everything, None, now))
            process.with_machine(lambda m, now, p=process: m.on_definitions(p.definitions, self.draw_policy(), now))  # type: ignore[misc]
            process.with_machine(lambda m, now: m.on_cordon(False, now))
            process.with_machine(lambda m, now: m.on_unsure(frozenset(), "", now))
        self._settle()

    def _settle(self) -> None:
        """Quiet is looked for now and then; at the end it must be there."""
        healed = self.network.now
        for patience in SETTLED_WITHIN_S[:-1]:
            self._until(healed + patience)
            with contextlib.suppress(Broken):
                self._check_settled()
                return
        self._until(healed + SETTLED_WITHIN_S[-1])
        self._check_settled()

    def _until(self, when: float) -> None:
        while (due := self.network.next_time()) is not None and due <= when:
            self.network.step()
            self.steps += 1

    def later(self, delay: tuple[float, float]) -> float:
        return self.network.now + self.random.uniform(*delay)

    def tell(self, line: str | Callable[[], str]) -> None:
        """Remember it; put into words when the run fails, which it hardly ever does."""
        self.told.append((self.network.now, line if callable(line) else line.__str__))

    def story(self) -> list[str]:
        return [f"{when:8.3f}  {line()}" for when, line in self.told]

    # -- invariants ------------------------------------------------------------------------------

    def check_table(self, process: Process) -> None:
        """I1 and I2."""
        if not process.is_up or process.is_gathering or process.machine is None or process.machine._table is None:
            return  # one that was killed had perhaps decided to start anew, and not yet begun to
        table = process.machine._table
        if process.seen[:2] != (table, table.elections):
            check_owners(table, process.machine._reachable)
            process.seen = (table, table.elections, snapshot(table))
        facts = process.seen[2]
        known = self.tables.setdefault(process.stream, facts)
        if known is not facts and known != facts:
            raise Broken(f"I1: {process.name} made another table of the same stream: {facts} instead of {known}")

    def check_isolation(self, process: Process, reason: str) -> None:
        """I1 once more: as no two tables differ, nobody may believe that they do."""
        if "table differs" in reason:
            raise Broken(f"I1: {process.name} lets go: {reason}")

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
            if process.machine is None:
                raise Broken(f"{process.name} has no machine")
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
    kind: Kind = "usual"

    def __str__(self) -> str:
        """A story file (`tests/scenarios/*.txt`) that runs it again; what happened stands in its comments."""
        lines = "\n".join(f"# {line}" for line in self.story[-150:])
        return f"{lines}\n# {self.problem}\nsimulate {self.seed} {self.kind}\n----\n  held\n"


def run(seed: int, machine_class: MachineClass = DuraVip, *, kind: Kind = "usual") -> Failure | None:
    """One run; None when everything held."""
    world = World(seed, machine_class, kind=kind)
    try:
        world.run()
    except Broken as broken:
        return Failure(seed, str(broken), world.story(), kind)
    return None


def first_failure(
    seeds: range, machine_class: MachineClass = DuraVip, until: float | None = None, *, kind: Kind = "usual"
) -> tuple[Failure | None, int]:
    """Runs until one fails or the CPU clock says `until`. Returns the failure and how many runs there were."""
    for count, seed in enumerate(seeds):
        if until is not None and time.process_time() > until:
            return None, count
        if failure := run(seed, machine_class, kind=kind):
            return failure, count + 1
    return None, len(seeds)


def failures(seeds: range, processes: int = 2, kind: Kind = "usual") -> list[Failure]:
    """Runs all seeds, on several processors at once."""
    with ProcessPoolExecutor(processes) as pool:
        return [failure for failure in pool.map(partial(run, kind=kind), seeds, chunksize=100) if failure]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Random runs of the DuraVIP machine.")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=None, help="the first seed; drawn when not given")
    parser.add_argument("--kind", choices=get_args(Kind), default="usual")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(40)
    seeds = range(seed, seed + options.runs)
    began = time.perf_counter()
    found = (
        failures(seeds, options.processes, options.kind)
        if options.processes > 1
        else [first_failure(seeds, kind=options.kind)[0]]
    )
    failure = next((each for each in found if each), None)
    print(failure or f"{options.runs} runs from seed {seed} held, {time.perf_counter() - began:.1f} s")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
