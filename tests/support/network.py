"""A bus in memory on virtual time: delays, partitions, merges and crashes, all drawn from one seed.

    network = Network(seed=7, nodes=(1, 2, 3))        # one ring already formed; Network(7) starts empty
    endpoint = network.attach(1, pid=100)             # starts node 1 as a ring of its own if it is not up
    endpoint.connect("ec_cluster", events.append)     # contract events, from step() only
    network.partition([{1}, {2, 3}]); network.run_until(1.0); network.merge()

It behaves as Corosync does (exec/cpg.c, exec/totemsrp.c):

- every node applies the entries of its ring in one agreed order, with its own delay; a process lags behind its node;
- when a ring breaks it stands still: nothing gets a place in the order until the next ring forms (detection time), each
  side at its own moment; what waits in a node meanwhile is ordered in the new ring, that is delivered in the new view;
- nodes that go together deliver the same entries of the old ring first (virtual synchrony); the sides may differ;
- then come the lefts, then the joins, then the ring: `ViewCollector` makes views of them, as it does for Corosync;
- a node that starts is first alone in a ring, and then merges.

The same seed and the same calls give the same run.
"""

import heapq
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from momentum_node.bus.callbacks import Callback, Reason, RingChange
from momentum_node.bus.contract import BusEvent, Delivered, Lost, Member
from momentum_node.bus.sendqueue import SendQueue
from momentum_node.bus.sequencer import Entry, GroupLists, History, Joined, Left, Sent
from momentum_node.bus.views import ViewCollector
from momentum_node.errors import BusError

Range = tuple[float, float]


@dataclass(frozen=True)
class Delays:
    """Seconds, each drawn evenly from its range."""

    order: Range = (0.0002, 0.002)  # from a node's queue to a place in the order (waiting for the token)
    arrival: Range = (0.0001, 0.004)  # from there to each node
    process: Range = (0.0, 0.003)  # from a node to its process
    detection: Range = (0.62, 0.70)  # token + consensus, profile Fast
    merge: Range = (0.19, 0.49)  # rings that meet


class Endpoint:
    """One membership of one group, by one process. The contract's `Bus` without `async`."""

    def __init__(self, network: "Network", node: "_Node", pid: int) -> None:
        self._network = network
        self._node = node
        self.local = Member(node.node_id, pid)
        self.group = ""
        self.is_up = True
        self.collector = ViewCollector(self.local)
        self.queue = SendQueue()
        self.on_event: Callable[[BusEvent], None] = lambda _: None
        self.last_delivery = 0.0
        self.ring_serial = 0  # which ring the event in hand belongs to: for tests that compare processes

    def connect(self, group: str, on_event: Callable[[BusEvent], None]) -> None:
        """Join `group`. Events come from `Network.step`, never from within this call."""
        if self.group:
            raise BusError("an endpoint joins one group")
        if not self._node.is_up:
            raise BusError(f"no engine runs on node {self.local.node_id}")
        self.group, self.on_event = group, on_event
        self._network.enqueue(self._node, Joined(group, self.local))

    def send(self, data: bytes) -> None:
        """As `Bus.send`."""
        if not self.is_up or not self.group:
            raise BusError("not connected to the bus")
        self.queue.put(data)
        self.hand_over()

    def leave(self) -> None:
        """As `Bus.leave`: what was sent goes out first, and no event follows."""
        self.hand_over(leaving=True)
        self.is_up = False
        self._node.endpoints.remove(self)
        if self.group:
            self._network.enqueue(self._node, Left(self.group, self.local, Reason.LEAVE))

    def hand_over(self, *, leaving: bool = False) -> None:
        """Give the node what the window has room for (all of it when leaving)."""
        while (data := self.queue.head(leaving=leaving)) is not None:
            self.queue.handed_over()
            self._network.enqueue(self._node, Sent(self.group, self.local, data))

    def deliver(self, callback: Callback, ring_serial: int) -> None:
        """A callback reaches the process."""
        self.ring_serial = ring_serial
        if not self.is_up or (event := self.collector.feed(callback)) is None:
            return
        if isinstance(event, Delivered) and event.sender == self.local:
            self.queue.came_back()
            self.hand_over()
        self.on_event(event)


class _Ring(History):
    """A ring stands still (`is_broken`) from the moment it lost a node until its nodes form another one."""

    def __init__(self, nodes: frozenset[int], serial: int) -> None:
        super().__init__(nodes)
        self.serial = serial
        self.is_broken = False


@dataclass
class _Node:
    """A daemon: its ring, what it has received of that ring's history, and what it waits to send."""

    node_id: int
    ring: _Ring
    is_up: bool = True
    received: int = 0
    last_arrival: float = 0.0
    lists: GroupLists = field(default_factory=GroupLists)
    waiting: list[Entry] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)


class Network:
    """Nodes, what connects them, and the time."""

    def __init__(self, seed: int, nodes: Iterable[int] = (), delays: Delays | None = None) -> None:
        self.now = 0.0
        self.random = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self.delays = delays or Delays()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._rings = 0
        self._nodes: dict[int, _Node] = {}
        self._cut: list[frozenset[int]] = []  # the sides of a partition; nodes in none of them are one side more
        self._forming: set[frozenset[int]] = set()
        ring = self._new_ring(frozenset(nodes))
        for node_id in sorted(ring.nodes):
            self._nodes[node_id] = _Node(node_id, ring)

    # -- processes and nodes

    def attach(self, node_id: int, pid: int) -> Endpoint:
        """A process on a node. The same (node, pid) may have several endpoints, for several groups."""
        node = self.start_node(node_id)
        endpoint = Endpoint(self, node, pid)
        node.endpoints.append(endpoint)
        return endpoint

    def start_node(self, node_id: int) -> _Node:
        """Start the daemon of a node if it is down: a ring of its own that merges later."""
        node = self._nodes.get(node_id)
        if node is None or not node.is_up:
            node = self._nodes[node_id] = _Node(node_id, self._new_ring(frozenset({node_id})))
            self._look_at_rings(self.delays.merge)
        return node

    def crash(self, member: Member) -> None:
        """Kill a process: what it sent last may be lost; the others see PROCDOWN in agreed order."""
        node = self._nodes[member.node_id]
        for endpoint in [e for e in node.endpoints if e.local == member and e.is_up]:
            endpoint.is_up = False
            node.endpoints.remove(endpoint)
            self._lose_some(node, endpoint)
            if endpoint.group:
                self.enqueue(node, Left(endpoint.group, member, Reason.PROCDOWN))

    def crash_node(self, node_id: int) -> None:
        """Power off: the processes are gone with the daemon; the others notice after the detection time."""
        self._stop(node_id, None)

    def kill_engine(self, node_id: int, reason: str = "the engine died") -> None:
        """Kill the daemon alone: its processes see `Lost` at once, the others notice after the detection time."""
        self._stop(node_id, reason)

    def stall(self, member: Member, seconds: float) -> None:
        """The process does not run for a while (SIGSTOP, a long pause): what comes now reaches it later, in order."""
        for endpoint in self._nodes[member.node_id].endpoints:
            if endpoint.local == member:
                endpoint.last_delivery = max(endpoint.last_delivery, self.now + seconds)

    # -- what connects them

    def partition(self, sides: Sequence[Collection[int]]) -> None:
        """Nodes of different sides do not hear each other from now on; nodes in no side stay together."""
        self._cut = [frozenset(side) for side in sides]
        if sum(map(len, self._cut)) != len(frozenset[int]().union(*self._cut)):
            raise ValueError("a node can be on one side only")
        self._look_at_rings(self.delays.detection)

    def merge(self) -> None:
        """Everybody hears everybody again."""
        self._cut = []
        self._look_at_rings(self.delays.merge)

    def sides(self) -> list[frozenset[int]]:
        """The nodes that are up, by who hears whom."""
        up = frozenset(node_id for node_id, node in self._nodes.items() if node.is_up)
        listed = frozenset[int]().union(*self._cut)
        return sorted((side & up for side in (*self._cut, up - listed) if side & up), key=min)

    def ring_of(self, node_id: int) -> frozenset[int]:
        """The ring a node believes in."""
        return self._nodes[node_id].ring.nodes

    # -- time

    def call_at(self, when: float, action: Callable[[], None]) -> None:
        """Run `action` at `when` (or now, if that is over): timers of whoever is simulated."""
        self._count += 1
        heapq.heappush(self._agenda, (max(when, self.now), self._count, action))

    def next_time(self) -> float | None:
        """When `step` will be; None when nothing is to come."""
        return self._agenda[0][0] if self._agenda else None

    def step(self) -> bool:
        """Do the next thing; False when there is none."""
        if not self._agenda:
            return False
        self.now, _, action = heapq.heappop(self._agenda)
        action()
        return True

    def run_until(self, when: float) -> None:
        """Do everything up to `when`."""
        while self._agenda and self._agenda[0][0] <= when:
            self.step()
        self.now = max(self.now, when)

    def settle(self, limit: int = 1_000_000) -> None:
        """Run until nothing is to come. Raises when that takes more than `limit` steps."""
        for _ in range(limit):
            if not self.step():
                return
        raise RuntimeError(f"the network is not quiet after {limit} steps")

    # -- order

    def enqueue(self, node: _Node, entry: Entry) -> None:
        """A node takes an entry from its process; it gets its place in the order when the token comes by."""
        node.waiting.append(entry)
        self.call_at(self._later(self.delays.order), partial(self._order_next, node))

    def _order_next(self, node: _Node) -> None:
        ring = node.ring
        if not node.is_up or not node.waiting or ring.is_broken:
            return
        index = ring.append(node.waiting.pop(0))
        for node_id in sorted(ring.nodes):
            self._send_on(self._nodes[node_id], ring, index)

    def _send_on(self, node: _Node, ring: _Ring, index: int) -> None:
        node.last_arrival = max(node.last_arrival, self._later(self.delays.arrival))
        self.call_at(node.last_arrival, partial(self._arrive, node, ring, index))

    def _arrive(self, node: _Node, ring: _Ring, index: int) -> None:
        if node.is_up and node.ring is ring and not ring.is_broken:
            node.received = index + 1
            self._apply(node, ring.entries[index])

    def _apply(self, node: _Node, entry: Entry) -> None:
        callback = node.lists.apply(entry)
        if callback is None:
            return
        self._tell(node, entry.group, callback)
        if isinstance(entry, Joined):
            self._tell(node, entry.group, RingChange(node.ring.nodes), only=entry.member)

    def _tell(self, node: _Node, group: str | None, callback: Callback, only: Member | None = None) -> None:
        serial = node.ring.serial
        for endpoint in node.endpoints:
            if (group is None or endpoint.group == group) and only in {None, endpoint.local}:
                endpoint.last_delivery = max(endpoint.last_delivery, self._later(self.delays.process))
                self.call_at(endpoint.last_delivery, partial(endpoint.deliver, callback, serial))

    # -- rings

    def _look_at_rings(self, delay: Range) -> None:
        """Break every ring that lost a node, and have each side that is not one whole ring form one later.

        Rings that only meet others go on until then.
        """
        for side in self.sides():
            rings = self._rings_of(side)
            for ring in rings:
                ring.is_broken = ring.is_broken or bool(ring.nodes - side)
            is_whole = len(rings) == 1 and rings[0].nodes == side and not rings[0].is_broken
            if not is_whole and side not in self._forming:
                self._forming.add(side)
                self.call_at(self._later(delay), partial(self._form, side))

    def _new_ring(self, nodes: frozenset[int]) -> _Ring:
        self._rings += 1
        return _Ring(nodes, self._rings)

    def _rings_of(self, side: frozenset[int]) -> list[_Ring]:
        rings: list[_Ring] = []
        for node_id in sorted(side):
            if not any(self._nodes[node_id].ring is ring for ring in rings):
                rings.append(self._nodes[node_id].ring)
        return rings

    def _form(self, side: frozenset[int]) -> None:
        self._forming.discard(side)
        if side not in self.sides():
            return  # connections changed again: another ring is forming
        nodes = [self._nodes[node_id] for node_id in sorted(side)]
        companies = [[node for node in nodes if node.ring is ring] for ring in self._rings_of(side)]
        for company in companies:
            self._finish_old_ring(company)
        homes = {node.node_id: node.lists.groups_of(node.node_id) for node in nodes}
        ring = self._new_ring(side)
        for company in companies:
            together = frozenset(node.node_id for node in company)
            arrivals = [homes[node_id] for node_id in sorted(side - together)]
            for node in company:
                node.ring, node.received = ring, 0
                self._change_ring(node, together, arrivals)
        for node in nodes:
            for _ in node.waiting:
                self.call_at(self._later(self.delays.order), partial(self._order_next, node))

    def _finish_old_ring(self, company: list[_Node]) -> None:
        """Nodes that come along together deliver the same entries of their old ring first.

        Of what was on its way from lost nodes some got through: how much is one draw for all of them.
        """
        old = company[0].ring
        together = frozenset(node.node_id for node in company)
        received = self.random.randint(max(node.received for node in company), len(old.entries))
        kept = old.kept_by(together, received)
        for node in company:
            for entry in kept[node.received :]:
                self._apply(node, entry)

    def _change_ring(self, node: _Node, together: frozenset[int], arrivals: list[dict[str, frozenset[Member]]]) -> None:
        found: dict[str, frozenset[Member]] = {}
        for groups in arrivals:
            for group, members in groups.items():
                found[group] = found.get(group, frozenset()) | members
        for changes in (node.lists.ring_lost(together), node.lists.ring_found(found)):
            for group, change in changes.items():
                self._tell(node, group, change)
        self._tell(node, None, RingChange(node.ring.nodes))

    # -- ends

    def _stop(self, node_id: int, reason: str | None) -> None:
        node = self._nodes[node_id]
        node.is_up = False
        for endpoint in node.endpoints:
            if endpoint.is_up and endpoint.group and reason is not None:
                self.call_at(self.now, partial(endpoint.on_event, Lost(reason)))
            endpoint.is_up = False
        self._look_at_rings(self.delays.detection)

    def _lose_some(self, node: _Node, endpoint: Endpoint) -> None:
        """A process that dies may take its last messages along: the daemon had not read them yet."""
        own = [e for e in node.waiting if e.member == endpoint.local and e.group == endpoint.group]
        lost = own[self.random.randint(0, len(own)) :]
        node.waiting = [entry for entry in node.waiting if not any(entry is one for one in lost)]

    def _later(self, delay: Range) -> float:
        return self.now + self.random.uniform(*delay)
