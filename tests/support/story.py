"""Stories about addresses: plain text in, what the NICs did out. Every message arrives at once; time is a value.

    cluster n1,n2,n3 192.0.2.10@n1 192.0.2.12      start the nodes; @ names the preferred node, :n1,n2 who declares it
    ----
    n1: plumb 192.0.2.10
    n2: plumb 192.0.2.12

Commands come in paragraphs, each followed by `----` and what it brought about. `tests/scenarios/` holds such files;
`STORIES=rewrite pytest tests/scenarios` writes them anew: read the difference before keeping it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.config.model import Address
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.moves import MoveRefused
from momentum_node.duravip.vip import (
    Announce,
    Contest,
    Definition,
    Effect,
    Identity,
    Isolate,
    Multicast,
    Placement,
    Plumb,
    Policy,
    Unplumb,
    Witness,
)
from tests.support import simulation
from tests.support.declared import declared
from tests.support.storyquestions import Questions


@dataclass
class Node:
    """One process: its machine and its NIC."""

    name: str
    node_id: int
    pid: int = 100
    definitions: tuple[Definition, ...] = ()
    machine: DuraVip | None = None
    wire: set[Address] = field(default_factory=set)
    members: tuple[Member, ...] = ()
    holds_on: bool = False  # does not answer Unplumb until `finish`
    pending: list[Address] = field(default_factory=list)
    is_frozen: bool = False
    unread: list[Callable[[DuraVip], None]] = field(default_factory=list)

    @property
    def local(self) -> Member:
        return Member(self.node_id, self.pid)


class Cluster:
    """Nodes, who hears whom, and a clock. Deterministic: everything is done in node order."""

    def __init__(self, names: Sequence[str], policy: Policy) -> None:
        self.policy = policy
        self.weights: dict[str, int] = {}
        self.now = 0.0
        self.nodes = {name: Node(name, at + 1) for at, name in enumerate(names)}
        self.sides: list[list[str]] = []
        self.lines: list[str] = []
        self.queues: dict[int, deque[tuple[Member, bytes]]] = {}

    # -- what happens

    def up(self) -> list[str]:
        return sorted(name for side in self.sides for name in side)

    def awake(self) -> list[str]:
        return [name for name in self.up() if not self.nodes[name].is_frozen]

    def start(self, *names: str) -> None:
        for name in names:
            node = self.nodes[name]
            node.pid += 1
            identity = Identity(name, f"198.18.0.{node.node_id}", node.node_id * 1000 + node.pid)
            node.machine = DuraVip(identity, node.local, node.definitions, self.policy_of(name))
            node.members, node.is_frozen, node.unread = (), False, []
        self.connect([self.up() + list(names)])

    def policy_of(self, name: str) -> Policy:
        """What its configuration says of ownership."""
        return replace(self.policy, weight=self.weights.get(name, 1))

    def stop(self, *names: str) -> None:
        """The processes are gone, and their addresses with them."""
        for name in names:
            self.nodes[name].machine = None
            self.nodes[name].wire.clear()
            self.nodes[name].pending.clear()
        self.connect([[name for name in side if name not in names] for side in self.sides])

    def connect(self, sides: list[list[str]]) -> None:
        """Everybody on a side hears everybody there."""
        self.sides = [sorted(side) for side in sides if side]
        for side in self.sides:
            members = tuple(sorted(self.nodes[name].local for name in side))
            reachable = frozenset(self.nodes[name].node_id for name in side)
            together = {name: set(self.nodes[name].members) for name in side}
            for name in side:
                node = self.nodes[name]
                before, after = set(node.members), set(members)
                joined = (after - before) | {m for m in after if node.local not in self._knows(m, together)}
                node.members = members
                event = ViewChanged(members, frozenset(joined), frozenset(before - after), reachable)
                self._feed(node, lambda machine, event=event: machine.on_view(event, self.now))  # type: ignore[misc]
        self.settle()

    def _feed(self, node: Node, event: Callable[[DuraVip], None]) -> None:
        """What the bus tells; a frozen process reads it later."""
        if node.is_frozen:
            node.unread.append(event)
        else:
            event(self._machine(node))

    def thaw(self, name: str) -> None:
        """It goes on where it stood: its timers first, then what the bus has for it."""
        node = self.nodes[name]
        node.is_frozen = False
        unread, node.unread = node.unread, []
        machine = self._machine(node)
        machine.on_timer(self.now)
        for event in unread:
            event(machine)
        self.settle()

    def _knows(self, member: Member, before: dict[str, set[Member]]) -> set[Member]:
        name = next(name for name, node in self.nodes.items() if node.local == member)
        return before[name]

    def tell(self, name: str, what: Callable[[DuraVip], None]) -> None:
        what(self._machine(self.nodes[name]))
        self.settle()

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self._next_timer()) is not None and due <= until:
            self.now = max(self.now, due)
            self._fire()
        self.now = until
        self._fire()

    def _fire(self) -> None:
        for name in self.awake():
            self._machine(self.nodes[name]).on_timer(self.now)
        self.settle()

    def _next_timer(self) -> float | None:
        timers = [self._machine(self.nodes[name]).next_timer() for name in self.awake()]
        return min((due for due in timers if due is not None), default=None)

    def finish(self, name: str) -> None:
        """A NIC that was held answers now."""
        node = self.nodes[name]
        node.holds_on = False
        pending, node.pending = node.pending, []
        for vip in pending:
            self._remove(node, vip)
        self.settle()

    # -- what follows

    def settle(self) -> None:
        """Carry out effects and deliver messages until nobody has anything to say."""
        while self._perform_all() or self._deliver_one():
            pass

    def _perform_all(self) -> bool:
        done = False
        for name in self.awake():
            for effect in self._machine(self.nodes[name]).effects():
                done = True
                self._perform(self.nodes[name], effect)
        return done

    def _perform(self, node: Node, effect: Effect) -> None:
        match effect:
            case Multicast(data):
                self.queues.setdefault(self._side_of(node.name), deque()).append((node.local, data))
            case Plumb(vip, _):
                if self._machine(node).is_granted(vip):
                    self.lines.append(f"{node.name}: plumb {vip}")
                    node.wire.add(vip)
                    self._machine(node).on_plumbed((vip,), self.now)
            case Unplumb(vip, _):
                if node.holds_on:
                    self.lines.append(f"{node.name}: begins to unplumb {vip}")
                    node.pending.append(vip)
                else:
                    self._remove(node, vip)
            case Announce() | Contest():
                pass
            case Witness(vips):
                for vip in vips:  # here everybody hears everybody, so it is quiet: who asks himself has seen to that
                    self._machine(node).on_witnessed([(vip, None)], self.now)
            case Isolate(reason):
                self.lines.append(f"{node.name}: gives everything up and joins anew: {reason}")
                self.stop(node.name)
                self.start(node.name)

    def _remove(self, node: Node, vip: Address) -> None:
        if vip in node.wire:
            self.lines.append(f"{node.name}: unplumb {vip}")
            node.wire.discard(vip)
        self._machine(node).on_unplumbed((vip,), self.now)

    def _deliver_one(self) -> bool:
        for at, side in enumerate(self.sides):
            if queue := self.queues.get(at):
                sender, data = queue.popleft()
                for name in side:
                    self._feed(self.nodes[name], lambda m, s=sender, d=data: m.on_message(s, d, self.now))  # type: ignore[misc]
                return True
        return False

    def _side_of(self, name: str) -> int:
        return next(at for at, side in enumerate(self.sides) if name in side)

    def _machine(self, node: Node) -> DuraVip:
        assert node.machine is not None, f"{node.name} is not running"
        return node.machine

    # -- what can be seen

    def owners(self, name: str) -> str:
        """The table of one node, `n1:{1,4,7} n2:{2,5}`: an address by its last number, * = claimed by its owner."""
        machine = self._machine(self.nodes[name])
        owned: dict[str, list[str]] = {member[0]: [] for member in machine.members()}
        for placement in machine.placements():
            if placement.owner is not None:
                mark = "*" if "preferred node" in placement.why or "administrator" in placement.why else ""
                owned[placement.owner].append(f"{int(placement.address) & 0xFF}{mark}")
        return " ".join(f"{owner}:{{{','.join(vips)}}}" for owner, vips in sorted(owned.items()))

    def reason(self, vip: Address) -> str:
        """As the first running node tells it."""
        return self.placement(vip).reason

    def placement(self, vip: Address) -> Placement:
        placements = self._machine(self.nodes[self.up()[0]]).placements()
        return next(p for p in placements if p.address == vip)


class Story(Questions):
    """Reads the commands of one file."""

    def __init__(self) -> None:
        self.cluster = Cluster([], Policy(failback_delay_s=0.0))  # as cluster §2.9 assumes

    def run(self, commands: str) -> str:
        """One paragraph of commands; what the NICs did and what was asked, a line each."""
        self.cluster.lines = []
        for line in commands.splitlines():
            if line.strip() and not line.startswith("#"):
                word, *arguments = line.split()
                getattr(self, f"do_{word}")(*arguments)
                self.cluster.settle()
        return "".join(f"{line}\n" for line in self.cluster.lines or ["  nothing"])

    def do_policy(self, *settings: str) -> None:
        """Before `cluster`: quorum, failback=60, grace=5, mature=5, expect=4 (cluster_size), balance=1, beats=1,
        weights=n1:2,n3:4."""
        values = dict(setting.partition("=")[::2] for setting in settings)
        weights = (weight.partition(":") for weight in values.get("weights", "").split(",") if weight)
        self.cluster.weights = {name: int(weight) for name, _, weight in weights}
        self.cluster.policy = Policy(
            partition="quorum" if "quorum" in values else "both",
            failback_delay_s=float(values.get("failback", 0)),
            view_mature_time_s=float(values.get("mature", 5)),
            cluster_size=int(values["expect"]) if "expect" in values else None,
            balance_set_size=int(values.get("balance", 1)),
            balance_interval_s=10.0,
            heartbeats_per_sec=float(values.get("beats", 0)),
            beacon_s=1.0 if "beats" in values else 0.0,
            self_drop_s=float(values.get("drop", 0)),
        )

    def do_cluster(self, names: str, *vips: str) -> None:
        policy, weights = self.cluster.policy, self.cluster.weights
        self.cluster = Cluster(names.split(","), policy)
        self.cluster.weights = weights
        ids = frozenset(node.node_id for node in self.cluster.nodes.values())
        self.cluster.policy = replace(policy, node_ids=ids)
        for name, node in self.cluster.nodes.items():
            node.definitions = declared(name, vips)
        self.do_start(*self.cluster.nodes)
        self.cluster.wait(policy.view_mature_time_s)

    def do_start(self, *names: str) -> None:
        self.cluster.start(*names)

    def do_crash(self, *names: str) -> None:
        self.cluster.stop(*names)

    def do_wait(self, seconds: str) -> None:
        self.cluster.wait(float(seconds))

    def do_split(self, *words: str) -> None:
        self.cluster.connect([side.split(",") for side in " ".join(words).replace(" ", "").split("|")])

    def do_merge(self) -> None:
        self.cluster.connect([self.cluster.up()])

    def do_drain(self, name: str) -> None:
        self.cluster.tell(name, lambda machine: machine.on_drain(self.cluster.now))

    def do_cordon(self, name: str) -> None:
        self.cluster.tell(name, lambda machine: machine.on_cordon(True, self.cluster.now))

    def do_uncordon(self, name: str) -> None:
        self.cluster.tell(name, lambda machine: machine.on_cordon(False, self.cluster.now))

    def do_reload(self, name: str, *vips: str) -> None:
        definitions = self.cluster.nodes[name].definitions = declared(name, vips)
        policy = self.cluster.policy_of(name)
        self.cluster.tell(name, lambda machine: machine.on_definitions(definitions, policy, self.cluster.now))

    def do_weight(self, name: str, weight: str) -> None:
        """A reload that gives this node another weight."""
        self.cluster.weights[name] = int(weight)
        policy, definitions = self.cluster.policy_of(name), self.cluster.nodes[name].definitions
        self.cluster.tell(name, lambda machine: machine.on_definitions(definitions, policy, self.cluster.now))

    def do_usable(self, name: str, *vips: str) -> None:
        """Only these can be served there; none: its link is down."""
        usable = frozenset(ip_address(vip) for vip in vips)
        self.cluster.tell(name, lambda machine: machine.on_usable(usable, "eth0 has no carrier", self.cluster.now))

    def do_doubt(self, name: str, *vips: str) -> None:
        """Nothing proves that these are reached there; none: all are."""
        doubtful = frozenset(ip_address(vip) for vip in vips)
        why = "192.0.2.254 does not answer on eth0" if vips else ""
        self.cluster.tell(name, lambda machine: machine.on_unsure(doubtful, why, self.cluster.now))

    def do_fails(self, name: str, vip: str, *reason: str) -> None:
        node = self.cluster.nodes[name]
        node.wire.discard(ip_address(vip))
        why = " ".join(reason)
        self.cluster.tell(name, lambda machine: machine.on_plumb_failed(ip_address(vip), why, self.cluster.now))

    def do_clear(self, name: str, vip: str) -> None:
        self.cluster.tell(name, lambda machine: machine.on_plumb_clear(ip_address(vip), self.cluster.now))

    def do_slow(self, name: str) -> None:
        """Its NIC takes its time to give an address up, until `finish`."""
        self.cluster.nodes[name].holds_on = True

    def do_finish(self, name: str) -> None:
        self.cluster.finish(name)

    def do_undrain(self, name: str) -> None:
        self.cluster.tell(name, lambda machine: machine.on_undrain(self.cluster.now))

    def do_move(self, vip: str, node: str) -> None:
        """As the console's `cluster duravip move`, on the first node; `auto` ends the pin."""
        machine = self.cluster.nodes[self.cluster.up()[0]].machine
        assert machine is not None
        where = None if node == "auto" else node
        try:
            self.cluster.lines.append(f"  {machine.outlook(ip_address(vip), where)}")
            machine.on_move(ip_address(vip), where, self.cluster.now)
        except MoveRefused as refused:
            self.cluster.lines.append(f"  error: {refused}")

    def do_freeze(self, name: str) -> None:
        """SIGSTOP: it reads and says nothing; its addresses stay on the wire."""
        self.cluster.nodes[name].is_frozen = True

    def do_thaw(self, name: str) -> None:
        self.cluster.thaw(name)

    def do_simulate(self, seed: str, kind: simulation.Kind = "usual") -> None:
        """One run of the simulation: what a failing one prints is such a story."""
        failure = simulation.run(int(seed), kind=kind)
        self.cluster.lines.append(f"  {failure.problem if failure else 'held'}")
