"""The machine, one rule a test: what must wait, what must not be believed, what is said and when."""

from dataclasses import replace
from ipaddress import ip_address

import msgpack
import pytest

from momentum_node.bus.contract import MAX_MESSAGE_BYTES, ViewChanged
from momentum_node.config.model import TopologyEntry, Vip
from momentum_node.duravip.encoding import encode
from momentum_node.duravip.gather import view_key
from momentum_node.duravip.messages import Drain, Mature, Released, State
from momentum_node.duravip.vip import (
    Announce,
    Definition,
    Plumb,
    Unplumb,
    definitions,
)
from tests.support.machines import (
    N1,
    N2,
    N3,
    POLICY,
    V1,
    V2,
    alone,
    cluster,
    echo,
    machine,
    message,
    others,
    sent,
    the,
    view,
)
from tests.support.story import Cluster


def test_before_the_first_view_it_has_nothing_to_do() -> None:
    one = machine()
    assert (one.state, one.effects(), one.next_timer(), one.is_granted(V1)) == ("JOINING", [], None, False)
    assert one.placements()[0].reason == "nobody owns 192.0.2.1: this node is not a member yet"


def test_a_single_node_gathers_waits_and_serves() -> None:
    one = machine()
    one.on_view(view(N1, joined=[N1]), 10.0)
    (state,) = sent(one.effects())
    assert one.state == "GATHER"
    one.on_message(N1, state, 10.1)
    assert (one.state, one.next_timer()) == ("RUN", 15.0)
    one.on_timer(14.9)
    assert one.effects() == []
    one.on_timer(15.0)
    (mature,) = sent(one.effects())
    one.on_message(N1, mature, 15.0)
    assert one.effects() == [Plumb(V1, planned=False)]


def test_a_gather_voids_tickets_and_keeps_what_is_plumbed() -> None:
    """S7."""
    one = alone()
    one.on_view(view(N1, N2, joined=[N2]), 6.0)
    assert not one.is_granted(V1)
    assert others(one.effects()) == []
    assert one.placements()[0].held


def test_a_plumb_under_way_is_reported_as_held() -> None:
    """S1."""
    one = machine()
    one.on_view(view(N1, joined=[N1]), 0.0)
    echo(one, 0.0)
    one.on_timer(5.0)
    assert others(echo(one, 5.0)) == [Plumb(V1, planned=False)]
    one.on_view(view(N1, N2, joined=[N2]), 5.01)
    (data,) = sent(one.effects())
    state = message(data).message
    assert isinstance(state, State)
    assert state.holds == 1


def test_a_state_that_answers_no_view_completes_no_gather() -> None:
    """S2: the other's `announce view` of before, delivered late."""
    one, two = alone(), machine(N2)
    one.on_view(view(N1, N2, joined=[N2]), 6.0)
    two.on_view(view(N1, N2, joined=[N1, N2]), 6.0)
    (mine,), (theirs,) = sent(one.effects()), sent(two.effects())
    one.on_message(N1, mine, 6.0)
    late = message(theirs)
    assert isinstance(late.message, State)
    one.on_message(N2, encode(replace(late.message, gather=False), late.incarnation, 0), 6.0)
    assert one.state == "GATHER"
    one.on_message(N2, theirs, 6.0)
    assert one.state == "RUN"


def test_a_view_is_announced_again_without_a_gather_and_changes_no_table() -> None:
    made = cluster(2)
    before, one = made.owners("n1"), the(made, "n2")
    said = []
    one.on_announce_view(made.now)
    for data in sent(one.effects()):
        said.append(message(data).message)
        for name in ("n1", "n2"):
            the(made, name).on_message(made.nodes["n2"].local, data, made.now)
    (state,) = said
    assert isinstance(state, State)
    assert not state.gather
    assert (the(made, "n1").state, made.owners("n1"), made.owners("n2")) == ("RUN", before, before)
    assert machine().effects() == []
    alone_before_a_view = machine()
    alone_before_a_view.on_announce_view(0.0)
    assert alone_before_a_view.effects() == []


def test_nothing_is_plumbed_until_the_last_answer_came_back() -> None:
    """S3: an older answer completed the gather; the newer one is still on its way and does not know what comes now."""
    made = cluster(2)
    two, giver = the(made, "n2"), made.nodes["n1"].local
    again = ViewChanged(
        tuple(sorted([giver, made.nodes["n2"].local])), frozenset({giver}), frozenset(), frozenset({1, 2})
    )
    two.on_view(again, 9.0)
    (older,) = sent(two.effects())
    two.on_view(again, 9.1)
    (newer,) = sent(two.effects())
    the(made, "n1").on_view(again, 9.0)
    (theirs,) = sent(the(made, "n1").effects())
    two.on_message(giver, theirs, 9.2)
    two.on_message(made.nodes["n2"].local, older, 9.2)
    assert two.state == "RUN"
    two.on_message(giver, encode(Drain(), 1000 + giver.pid, 90), 9.3)
    two.on_message(giver, encode(Released((V1,), ()), 1000 + giver.pid, 91), 9.3)
    assert others(two.effects()) == [Announce((V2,), is_known=True)]
    assert not two.is_granted(V1)
    two.on_message(made.nodes["n2"].local, newer, 9.4)
    assert others(two.effects()) == [Plumb(V1, planned=True)]
    assert two.is_granted(V1)


def test_after_a_release_nothing_is_done_until_it_came_back() -> None:
    """S3: the address would be ours again, but others have not yet heard that we let it go."""
    one = alone()
    one.on_usable(frozenset(), "link down", 6.0)
    assert others(echo(one, 6.0)) == [Unplumb(V1, 0.0)]
    one.on_usable(frozenset({V1}), None, 6.1)
    assert others(echo(one, 6.1)) == []  # the removal is under way
    one.on_unplumbed((V1,), 6.2)
    (released,) = sent(one.effects())
    assert message(released).message == Released((V1,), ())
    one.on_timer(6.3)
    assert one.effects() == []
    one.on_message(N1, released, 6.4)
    assert one.effects() == [Plumb(V1, planned=True)]


def test_released_is_said_only_after_the_kernel_confirmed() -> None:
    """S8."""
    one = alone()
    one.on_drain(6.0)
    effects = echo(one, 6.0)
    assert others(effects) == [Unplumb(V1, POLICY.release_grace_s)]
    assert not any(isinstance(message(data).message, Released) for data in sent(effects))
    assert not one.is_drained
    one.on_unplumbed((V1,), 6.5)
    (released,) = sent(one.effects())
    assert not one.is_drained
    one.on_message(N1, released, 6.6)
    assert one.is_drained


@pytest.mark.parametrize(("sender", "is_this_view"), [("n1", False), ("n2", True)])
def test_only_the_leader_and_only_this_view_make_members_mature(sender: str, is_this_view: bool) -> None:
    """S5."""
    made = Cluster(["n1", "n2"], POLICY)
    made.start("n1", "n2")
    one, member = the(made, "n1"), made.nodes[sender].local
    key = view_key([node.local for node in made.nodes.values()])
    tick = Mature(key if is_this_view else b"another view....")
    one.on_message(member, encode(tick, member.node_id * 1000 + member.pid, 99), 1.0)
    assert [mature for _, _, mature, _ in one.members()] == [False, False]


def test_a_member_that_was_away_for_a_moment_is_new() -> None:
    """S4: in `left` and in `joined` of one view."""
    made = cluster(2)
    one, other = the(made, "n1"), made.nodes["n2"].local
    members = tuple(sorted([made.nodes["n1"].local, other]))
    one.on_view(ViewChanged(members, frozenset({other}), frozenset({other}), frozenset({1, 2})), 9.0)
    assert one.state == "GATHER"


def test_a_late_state_of_an_earlier_process_with_the_same_pid_does_not_last() -> None:
    """The successor's own state makes everybody gather anew."""
    one, old, new = alone(), machine(N2), machine(N2, run=2)
    for process in (old, new):
        process.on_view(view(N1, N2, joined=[N1, N2]), 6.0)
    (stale,), (fresh,) = sent(old.effects()), sent(new.effects())
    one.on_view(view(N1, N2, joined=[N2]), 6.0)
    (mine,) = sent(one.effects())
    one.on_message(N1, mine, 6.0)
    one.on_message(N2, stale, 6.0)
    assert one.state == "RUN"
    one.on_message(N2, fresh, 6.1)
    assert one.state == "GATHER"
    (again,) = sent(one.effects())
    one.on_message(N1, again, 6.1)
    assert one.state == "RUN"


def test_an_owner_announces_again_when_membership_changes() -> None:
    """R7: at a merge where nothing moved, and when somebody left."""
    made = cluster(2)
    one = the(made, "n1")
    gone = made.nodes["n2"].local
    one.on_view(ViewChanged((made.nodes["n1"].local,), frozenset(), frozenset({gone}), frozenset({1})), 9.0)
    assert others(one.effects()) == [Plumb(V2, planned=False), Announce((V1,), is_known=True)]


def test_the_winner_of_a_merge_announces_after_the_loser_let_go() -> None:
    """R8."""
    made = cluster(2)
    made.connect([["n1"], ["n2"]])
    made.nodes["n2"].holds_on = True
    made.connect([["n1", "n2"]])
    one, loser = the(made, "n1"), made.nodes["n2"]
    loser.wire.discard(V1)
    the(made, "n2").on_unplumbed((V1,), made.now)
    (released,) = sent(the(made, "n2").effects())
    one.on_message(loser.local, released, made.now)
    assert others(one.effects()) == [Announce((V1,))]


def test_a_planned_move_needs_no_probe_but_one_of_a_plumb_that_never_came_up_does() -> None:
    """Who never had it on the wire cannot vouch for the wire: a frozen third node may still answer there."""
    for was_up, planned in ((True, True), (False, False)):
        made = cluster(2, vips="192.0.2.1")
        two, giver = the(made, "n2"), made.nodes["n1"].local
        the(made, "n1").on_drain(made.now)
        (drain,) = sent(the(made, "n1").effects())
        two.on_message(giver, drain, made.now)
        release = Released((V1,), ()) if was_up else Released((), (V1,))
        two.on_message(giver, encode(release, 1000 + giver.pid, 90), made.now)
        assert others(two.effects()) == [Plumb(V1, planned)]


def test_without_quorum_everything_goes_at_once() -> None:
    policy = replace(POLICY, partition="quorum", node_ids=frozenset({1, 2, 3}))
    made = cluster(3, policy)
    one = the(made, "n1")
    assert one.quorum() == (3, 3, True)
    gone = frozenset(made.nodes[name].local for name in ("n2", "n3"))
    one.on_view(ViewChanged((made.nodes["n1"].local,), frozenset(), gone, frozenset({1})), 9.0)
    assert others(one.effects()) == [Unplumb(V1, 0.0)]
    assert one.quorum() == (1, 3, False)
    # the arbiter comes back: the ring alone changes, no member does
    one.on_unplumbed((V1,), 9.1)
    one.on_view(ViewChanged((made.nodes["n1"].local,), frozenset(), frozenset(), frozenset({1, 3})), 9.2)
    assert one.quorum() == (2, 3, True)


def test_a_member_with_an_old_node_list_cannot_make_a_minority_serve() -> None:
    """Quorum is by the list of every member: n1 still believes in three nodes, n2 knows five."""
    policy = replace(POLICY, partition="quorum", node_ids=frozenset({1, 2, 3}))
    made = Cluster(["n1", "n2"], policy)
    made.start("n1", "n2")
    made.wait(5.0)
    assert the(made, "n1").quorum()[2]
    wider = replace(policy, node_ids=frozenset({1, 2, 3, 4, 5}))
    made.tell("n2", lambda two: two.on_definitions((), wider, made.now))
    assert not the(made, "n1").quorum()[2]


def test_garbage_on_the_bus_is_counted_and_changes_nothing() -> None:
    one = alone()
    before = one.placements()
    for data in (b"", b"\xc1", msgpack.packb([2, "STATE", 1, 1, "", []]), msgpack.packb([1, "X", 1, 1, "", []])):
        one.on_message(N1, data, 6.0)
    assert one.ignored == {"MessageError": 2, "StrangerVersion": 1, "UnknownKind": 1}
    assert (one.effects(), one.placements(), one.state) == ([], before, "RUN")


def test_messages_of_a_stranger_are_not_heard() -> None:
    one = alone()
    one.on_message(N3, encode(Released((V1,), ()), 3, 1), 6.0)
    assert (one.effects(), one.ignored) == ([], {})


def test_a_failure_is_told_once_and_the_address_goes_to_the_next() -> None:
    made = cluster(2, vips="192.0.2.1")
    made.tell("n1", lambda one: one.on_plumb_failed(V1, "in use by 02:00:00:00:00:09", made.now))
    assert made.lines[-1] == "n2: plumb 192.0.2.1"
    assert the(made, "n1").is_granted(V1) is False


def test_a_thousand_releases_one_by_one_do_not_fill_the_bus() -> None:
    one = machine(vips=[ip_address(int(V1) + n) for n in range(1000)])
    one.on_view(view(N1, joined=[N1]), 0.0)
    echo(one, 0.0)
    one.on_timer(5.0)
    echo(one, 5.0)
    one.on_drain(6.0)
    vips = [effect.vip for effect in echo(one, 6.0) if isinstance(effect, Unplumb)]
    assert len(vips) == 1000
    waiting: list[bytes] = []
    for vip in vips:
        one.on_unplumbed((vip,), 7.0)
        waiting += sent(one.effects())
    assert len(waiting) <= 32
    while waiting:
        one.on_message(N1, waiting.pop(0), 8.0)
        waiting += sent(one.effects())
    assert one.is_drained


def test_ten_thousand_addresses_in_two_configurations_gather() -> None:
    """DEFS travel in pieces, one for each configuration, and bitmaps mean the same to everybody."""
    made = Cluster(["n1", "n2", "n3"], POLICY)
    many = [ip_address(int(ip_address("10.0.0.0")) + n) for n in range(10_240)]
    for name, some in (("n1", many), ("n2", many[1000:]), ("n3", many)):
        made.nodes[name].definitions = tuple(Definition(vip, frozenset({"esmtp"}), (), False) for vip in some)
    made.start("n1", "n2", "n3")
    made.wait(5.0)
    wires = [made.nodes[name].wire for name in ("n1", "n2", "n3")]
    assert set().union(*wires) == set(many)
    assert sum(map(len, wires)) == len(many)
    assert max(map(len, wires)) - min(map(len, wires)) <= 1
    assert not made.nodes["n2"].wire & set(many[:1000])


def test_every_message_fits_the_bus() -> None:
    one = machine(vips=[ip_address(int(ip_address("2001:db8::")) + n) for n in range(10_240)])
    two = machine(N2, vips=[V1])
    one.on_view(view(N1, N2, joined=[N1, N2]), 0.0)
    two.on_view(view(N1, N2, joined=[N1, N2]), 0.0)
    states = [(N1, sent(one.effects())), (N2, sent(two.effects()))]
    for member, datas in states:
        for data in datas:
            one.on_message(member, data, 0.0)
    pieces = sent(one.effects())
    assert len(pieces) > 3  # DEFS of both configurations are needed; ours is large
    assert max(map(len, pieces)) <= MAX_MESSAGE_BYTES


def test_definitions_come_from_the_configuration() -> None:
    entry = TopologyEntry(network=None, interface="eth0", prefix_length=32, place=None)  # type: ignore[arg-type]
    vips = [
        Vip(ip_address("2001:db8::1"), frozenset({"esmtp"}), (), None, entry),
        Vip(V2, frozenset({"multivip"}), ("b",), "N1.example.com", entry),
        Vip(V1, frozenset({"esmtp"}), (), "n2", None),
    ]
    made = definitions(vips, "n1")
    assert [(str(d.address), d.claim, d.has_topology) for d in made] == [
        ("192.0.2.1", False, False),
        ("192.0.2.2", True, True),
        ("2001:db8::1", False, True),
    ]


def test_an_address_without_topology_goes_to_a_node_that_has_one() -> None:
    made = Cluster(["n1", "n2"], POLICY)
    for name, has in (("n1", False), ("n2", True)):
        made.nodes[name].definitions = (Definition(V1, frozenset({"esmtp"}), (), False, "n1", has_topology=has),)
    made.start("n1", "n2")
    made.wait(5.0)
    assert made.nodes["n2"].wire == {V1}
    assert made.reason(V1) == "n2 owns 192.0.2.1: preferred n1 cannot serve it: no Topology entry matches it"
