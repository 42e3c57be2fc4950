"""Whatever another member says in good form, in whatever order, the machine goes on: it raises nothing, and what it
says is understood. That it *does* the right thing is the simulation's to show; here nobody keeps to the protocol."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.duravip.encoding import decode, encode
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.messages import (
    Balance,
    Beacon,
    Cleared,
    Contested,
    Defs,
    Drain,
    Envelope,
    Facts,
    Failed,
    Heartbeat,
    Mature,
    Message,
    Move,
    Pin,
    Released,
    State,
    Suspect,
)
from momentum_node.duravip.quorum import Rule
from momentum_node.duravip.vip import Multicast, Plumb, Policy, Unplumb
from tests.support.machines import N1, N2, V1, V2, machine, message, sent, view

OTHER_RUN = 2001
HUGE = st.integers(0, 2**64 - 1)
COUNTS = st.integers(0, 2**31 - 1)
ADDRESSES = st.sampled_from([V1, V2, IPv4Address("192.0.2.77"), IPv6Address("fd00::1")])
SETS = st.integers(0, 2**70)
LISTS = st.lists(ADDRESSES, max_size=4).map(tuple)
MEMBERS = st.sampled_from([N1, N2, Member(9, 9)])
NAMES = st.sampled_from(["n1", "N2.example.com", "", "x"])
DIGEST = machine(vips=(V1, V2))._own.catalogue.digest
FACTS = st.builds(
    Facts,
    name=NAMES,
    address=st.text(max_size=4),
    draining=st.booleans(),
    cordoned=st.booleans(),
    claiming=st.booleans(),
    rule=st.builds(Rule, st.booleans(), st.frozensets(HUGE, max_size=3), COUNTS),
    digest=st.sampled_from([DIGEST, bytes(16)]),
    claims=SETS,
    unusable=SETS,
    unusable_reason=st.text(max_size=4),
    fallbacks=st.lists(SETS, max_size=3).map(tuple),
    balance_set_size=COUNTS,
    macs=st.lists(st.binary(min_size=6, max_size=6), max_size=2).map(tuple),
)
KEYS = st.sampled_from([b"", b"another view...."])
STATES = st.builds(
    State,
    gather=st.booleans(),
    view=KEYS,
    mature=st.booleans(),
    facts=FACTS,
    holds=SETS,
    owns=SETS,
    failed=st.lists(st.tuples(st.text(max_size=3), SETS), max_size=2, unique_by=lambda row: row[0]).map(tuple),
    strays=LISTS,
    starting=st.booleans(),
    departures=st.lists(st.tuples(NAMES, COUNTS), max_size=2).map(tuple),
    suspected=st.lists(MEMBERS, max_size=2).map(tuple),
    pins=st.lists(st.builds(Pin, ADDRESSES, HUGE, HUGE), max_size=2).map(tuple),
)
WORDS: st.SearchStrategy[Message] = st.one_of(
    STATES,
    st.just(Defs(machine(vips=(V2,))._own.catalogue)),
    st.builds(Mature, KEYS),
    st.builds(Balance, KEYS, COUNTS),
    st.builds(Move, ADDRESSES, NAMES),
    st.builds(Suspect, KEYS, MEMBERS, HUGE),
    st.builds(Heartbeat, KEYS, HUGE, st.binary(max_size=8)),
    st.just(Beacon()),
    st.builds(Released, LISTS, LISTS),
    st.builds(Failed, LISTS, st.text(max_size=3)),
    st.builds(Cleared, LISTS),
    st.builds(Contested, LISTS, st.sampled_from([b"", b"\2\0\0\0\0\7"])),
    st.just(Drain()),
)


class Bench:
    """n1, which keeps to the protocol; the test speaks for n2."""

    def __init__(self) -> None:
        self.now = 0.0
        policy = Policy("quorum", heartbeats_per_sec=1.0, beacon_s=0.5, view_mature_time_s=1.0, cluster_size=2)
        self.one: DuraVip = machine(vips=(V1, V2), policy=policy)
        self.said = 0
        self.turn(lambda: self.one.on_view(view(N1, N2, joined=[N1, N2]), self.now))

    def turn(self, what: Callable[[], None]) -> None:
        """Something happens; then n1's effects, until it has nothing to say."""
        what()
        for _ in range(200):
            effects = self.one.effects()
            if not effects:
                return
            for data in sent(effects):
                assert isinstance(decode(data), Envelope)
                self.one.on_message(N1, data, self.now)
            for effect in effects:
                if isinstance(effect, Plumb) and self.one.is_granted(effect.vip):
                    self.one.on_plumbed((effect.vip,), self.now)
                elif isinstance(effect, Unplumb):
                    self.one.on_unplumbed((effect.vip,), self.now)
        raise AssertionError("it never comes to rest")

    def hear(self, words: Message) -> None:
        self.said += 1
        data = encode(words, OTHER_RUN, self.said)
        self.turn(lambda: self.one.on_message(N2, data, self.now))
        self.one.placements()
        self.one.alarms()
        self.one.what_if(["n2"])

    def wait(self) -> None:
        self.now += 1.0
        self.turn(lambda: self.one.on_timer(self.now))


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=8))
def test_whatever_another_member_says_the_machine_goes_on(words: list[Message]) -> None:
    bench = Bench()
    for said in words:
        bench.hear(said)
        bench.wait()
    bench.turn(lambda: bench.one.on_view(ViewChanged((N1,), frozenset(), frozenset({N2}), frozenset({1})), bench.now))
    assert bench.one.ignored == {}
    assert all(isinstance(message(e.data), Envelope) for e in bench.one.effects() if isinstance(e, Multicast))
