"""Members of different versions in one group, as during a rolling upgrade: no address is without an owner (F37)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgpack

from momentum_node.duravip.messages import VERSION
from momentum_node.duravip.vip import Effect, Multicast, Policy
from momentum_node.duravip.weights import UNSAID
from tests.support.declared import declared
from tests.support.machines import the
from tests.support.story import Cluster, Node

POLICY = Policy(
    "quorum",
    node_ids=frozenset({1, 2, 3}),
    view_mature_time_s=5.0,
    failback_delay_s=0.0,
    balance_interval_s=0.0,
    heartbeats_per_sec=1.0,
    beacon_s=1.0,
)
NAMES = ("n1", "n2", "n3")
VIPS = "192.0.2.1..6"

Speech = Callable[[bytes], Sequence[bytes]]


def more_to_say(data: bytes) -> Sequence[bytes]:
    """A version that adds to what messages hold, and has a kind of message of its own."""
    fields = msgpack.unpackb(data, strict_map_key=False)
    body = [*fields[5], {"what": "older ones do not know"}]
    return [msgpack.packb([*fields[:5], body]), msgpack.packb([VERSION, "GOSSIP", fields[2], fields[3], "", body])]


def another_language(data: bytes) -> Sequence[bytes]:
    """A version whose messages older ones cannot read at all."""
    _, *rest = msgpack.unpackb(data, strict_map_key=False)
    return [msgpack.packb([VERSION + 1, *rest])]


def knows_no_weights(data: bytes) -> Sequence[bytes]:
    """A version whose STATE ends before the weight."""
    fields = msgpack.unpackb(data, strict_map_key=False)
    if fields[1] != "STATE":
        return [data]
    return [msgpack.packb([*fields[:5], fields[5][:24]])]


class Mixed(Cluster):
    """Nodes of which some speak another way."""

    def __init__(self, policy: Policy = POLICY) -> None:
        super().__init__(NAMES, policy)
        self.speaks: dict[str, Speech] = {}
        for name, node in self.nodes.items():
            node.definitions = declared(name, [VIPS])

    def _perform(self, node: Node, effect: Effect) -> None:
        speech = self.speaks.get(node.name)
        if speech is None or not isinstance(effect, Multicast):
            super()._perform(node, effect)
            return
        for data in speech(effect.data):
            super()._perform(node, Multicast(data))

    def holders(self) -> list[int]:
        """How many NICs have each address."""
        wires = [node.wire for node in self.nodes.values()]
        return [sum(vip in wire for wire in wires) for vip in sorted(set().union(*wires), key=int)]


def test_a_rolling_upgrade_node_by_node() -> None:
    made = Mixed()
    made.start(*NAMES)
    made.wait(5.0)
    for name in NAMES:
        made.tell(name, lambda machine: machine.on_drain(made.now))
        assert the(made, name).is_drained
        assert made.holders() == [1] * 6
        made.stop(name)
        assert made.holders() == [1] * 6
        made.speaks[name] = more_to_say
        made.start(name)
        for _ in range(20):
            made.wait(1.0)
            assert made.holders() == [1] * 6
        assert {the(made, name).state for name in NAMES} == {"RUN"}
        assert len({made.owners(name) for name in NAMES}) == 1
    assert not [line for line in made.lines if "gives everything up" in line]
    assert the(made, "n1").ignored.keys() == {"UnknownKind"}


def test_weights_count_when_the_last_node_knows_them() -> None:
    """Until then everybody counts like the old one does: else their tables would differ, and two have an address."""
    made = Mixed(replace(POLICY, balance_interval_s=10.0, balance_set_size=6))
    made.weights = {"n1": 4, "n3": UNSAID}
    made.speaks["n3"] = knows_no_weights
    made.start(*NAMES)
    made.wait(30.0)
    assert {len(node.wire) for node in made.nodes.values()} == {2}
    assert the(made, "n1").alarms() == ("weights of nodes do not count: the version of n3 knows none",)
    made.stop("n3")
    del made.speaks["n3"], made.weights["n3"]
    made.start("n3")
    made.wait(30.0)
    assert [len(made.nodes[name].wire) for name in NAMES] == [4, 1, 1]
    assert not the(made, "n1").alarms()


def test_one_that_nobody_understands_is_left_out_and_takes_nothing_away() -> None:
    made = Mixed(replace(POLICY, partition="both"))  # here a process that starts anew takes its ring along
    made.start("n1", "n2")
    made.wait(5.0)
    before = {name: set(made.nodes[name].wire) for name in NAMES}
    made.speaks["n3"] = another_language
    made.start("n3")
    for _ in range(30):
        made.wait(1.0)
        assert {name: made.nodes[name].wire for name in NAMES} == before
    assert the(made, "n1").ignored["StrangerVersion"] > 0
    assert "n3: gives everything up and joins anew: the others suspect us" in made.lines
    made.stop("n1")
    made.wait(11.0)  # who says nothing that is understood is waited for so long
    assert len(made.nodes["n2"].wire) == 6
    assert made.holders() == [1] * 6
