"""DuraVIP machines for tests: one alone, fed by hand, or a cluster of them on the test network."""

from collections.abc import Iterable
from ipaddress import ip_address

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.config.model import Address
from momentum_node.duravip.encoding import decode
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.messages import Envelope
from momentum_node.duravip.vip import (
    Definition,
    Effect,
    Identity,
    Multicast,
    Plumb,
    Policy,
)
from tests.support.declared import declared
from tests.support.story import Cluster

V1, V2 = ip_address("192.0.2.1"), ip_address("192.0.2.2")
N1, N2, N3 = Member(1, 100), Member(2, 100), Member(3, 100)
POLICY = Policy(failback_delay_s=0.0, view_mature_time_s=5.0)


def machine(member: Member = N1, vips: Iterable[Address] = (V1,), policy: Policy = POLICY, run: int = 1) -> DuraVip:
    name = f"n{member.node_id}"
    identity = Identity(name, f"198.18.0.{member.node_id}", member.node_id * 1000 + run)
    return DuraVip(identity, member, [Definition(vip, frozenset({"esmtp"}), (), False) for vip in vips], policy)


def view(*members: Member, joined: Iterable[Member] = (), left: Iterable[Member] = ()) -> ViewChanged:
    reachable = frozenset(member.node_id for member in members)
    return ViewChanged(tuple(sorted(members)), frozenset(joined), frozenset(left), reachable)


def sent(effects: Iterable[Effect]) -> list[bytes]:
    return [effect.data for effect in effects if isinstance(effect, Multicast)]


def others(effects: Iterable[Effect]) -> list[Effect]:
    return [effect for effect in effects if not isinstance(effect, Multicast)]


def message(data: bytes) -> Envelope:
    envelope = decode(data)
    assert isinstance(envelope, Envelope)
    return envelope


def alone(now: float = 0.0) -> DuraVip:
    """A mature node that is alone and has V1."""
    one = machine()
    one.on_view(view(N1, joined=[N1]), now)
    echo(one, now)
    one.on_timer(now + 5.0)
    assert others(echo(one, now + 5.0)) == [Plumb(V1, planned=False)]
    assert one.is_granted(V1)
    one.on_plumbed((V1,), now + 5.0)
    return one


def echo(one: DuraVip, now: float) -> list[Effect]:
    """Deliver what it says to itself until it is silent. Returns its effects."""
    done: list[Effect] = []
    while effects := one.effects():
        done += effects
        for data in sent(effects):
            one.on_message(N1, data, now)
    return done


def cluster(count: int, policy: Policy = POLICY, vips: str = "192.0.2.1..2") -> Cluster:
    """Mature nodes that share some addresses; messages arrive at once."""
    names = [f"n{n}" for n in range(1, count + 1)]
    made = Cluster(names, policy)
    for name in names:
        made.nodes[name].definitions = declared(name, [vips])
    made.start(*names)
    made.wait(policy.view_mature_time_s)
    return made


def the(made: Cluster, name: str) -> DuraVip:
    found = made.nodes[name].machine
    assert found is not None
    return found
