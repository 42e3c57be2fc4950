"""Signs of life: who is suspected and when, whom nobody may blame, and a table that differs."""

from dataclasses import replace

from momentum_node.bus.contract import Member
from momentum_node.duravip.encoding import encode
from momentum_node.duravip.liveness import Doubts, Liveness
from momentum_node.duravip.messages import Beacon, Heartbeat, Suspect
from momentum_node.duravip.vip import Isolate, Policy
from tests.support.machines import N1, N2, N3, cluster, echo, machine, message, sent, the, view

WATCHFUL = Policy(heartbeats_per_sec=1.0, heartbeat_start_delay_s=15.0, beacon_s=0.1, self_drop_s=3.0)


def watching(now: float = 0.0) -> Liveness:
    clocks = Liveness()
    clocks.view([N1, N2], [N1, N2], now)
    return clocks


def test_beacons_go_out_at_once_and_heartbeats_after_the_start_delay() -> None:
    one = machine(policy=replace(WATCHFUL, failback_delay_s=0.0, self_drop_s=0.0))
    one.on_view(view(N1, joined=[N1]), 100.0)
    said = [message(data).message for data in sent(echo(one, 100.0))]
    assert any(isinstance(words, Beacon) for words in said)
    one.on_timer(101.0)
    assert not any(isinstance(message(data).message, Heartbeat) for data in sent(echo(one, 101.0)))
    one.on_timer(115.0)
    assert any(isinstance(message(data).message, Heartbeat) for data in sent(echo(one, 115.0)))


def test_there_is_never_a_second_beacon_on_its_way() -> None:
    clocks = watching()
    assert clocks.beacon_is_due(0.0, 0, WATCHFUL)
    clocks.sent_beacon(7, 0.0, WATCHFUL)
    assert not clocks.beacon_is_due(5.0, 6, WATCHFUL)
    assert clocks.beacon_is_due(5.0, 7, WATCHFUL)


def test_silence_is_measured_by_what_came_back_to_us() -> None:
    """Whoever stood still itself, or hears nothing at all, blames nobody."""
    clocks = watching()
    assert clocks.silent(WATCHFUL) == []
    clocks.came_back(9.9)
    assert clocks.silent(WATCHFUL) == []
    clocks.came_back(10.0)
    clocks.heard(N1, 10.0)
    assert clocks.silent(WATCHFUL) == [N2]
    clocks.accuse([N2])
    assert clocks.silent(WATCHFUL) == []


def test_without_beacons_the_start_delay_counts_as_well() -> None:
    clocks = watching()
    clocks.came_back(24.0)
    clocks.heard(N1, 24.0)
    assert clocks.silent(replace(WATCHFUL, beacon_s=0.0)) == []
    clocks.came_back(25.0)
    assert clocks.silent(replace(WATCHFUL, beacon_s=0.0)) == [N2]


def test_who_hears_nothing_of_its_own_lets_go() -> None:
    one = machine(policy=WATCHFUL)
    one.on_view(view(N1, joined=[N1]), 100.0)
    echo(one, 100.0)
    assert one.self_delivery_age(102.0) == 2.0
    one.on_timer(103.5)
    assert one.effects() == [Isolate("nothing of ours came back from the bus for 3.5 s")]
    assert (one.effects(), one.state, one.next_timer()) == ([], "ISOLATED", None)


def test_a_suspicion_of_another_view_or_of_an_earlier_process_is_not_heeded() -> None:
    made = cluster(2)
    one, two = the(made, "n1"), made.nodes["n2"].local
    run = 2000 + two.pid
    for words in (Suspect(b"another view....", two, run), Suspect(one._view, two, 999)):
        one.on_message(two, encode(words, run, 90), 9.0)
        assert [name for name, *_ in one.members()] == ["n1", "n2"]
    one.on_message(two, encode(Suspect(one._view, two, run), run, 91), 9.0)
    assert [name for name, *_ in one.members()] == ["n1", ""]


def doubts(*said: tuple[Member, bytes]) -> tuple[set[Member], bool]:
    heard = Doubts()
    for member, digest in said * 2:
        heard.hear(member, 5, digest)
    return heard.minority({N1: "n1", N2: "n2", N3: "n3"}, 5)


def test_a_table_that_differs_is_the_minority_s_or_the_later_name_s() -> None:
    assert doubts((N1, b"a"), (N2, b"a"), (N3, b"a")) == (set(), False)
    assert doubts((N1, b"x"), (N2, b"a"), (N3, b"a")) == ({N1}, True)
    assert doubts((N1, b"x"), (N2, b"a")) == (set(), False)  # n3 has not spoken of this event yet
    heard = Doubts()
    for member, digest in ((N1, b"a"), (N2, b"b"), (N1, b"a"), (N2, b"b")):
        heard.hear(member, 5, digest)
    assert heard.minority({N1: "n1", N2: "n2"}, 5) == ({N2}, True)
    assert heard.minority({N1: "n1", N2: "n2"}, 6) == (set(), False)


def test_what_was_said_once_or_without_a_table_accuses_nobody() -> None:
    names = {N1: "n1", N2: "n2"}
    heard = Doubts()
    for member, digest in ((N1, b"a"), (N1, b"a"), (N2, b""), (N2, b"")):  # n2 gathers
        heard.hear(member, 0, digest)
    assert heard.minority(names, 0) == (set(), False)
    heard.hear(N2, 0, b"b")  # perhaps sent before the gather
    assert heard.minority(names, 0) == (set(), False)
    heard.hear(N2, 0, b"a")
    heard.hear(N2, 0, b"a")
    assert heard.minority(names, 0) == (set(), False)
    heard.hear(N2, 0, b"b")
    heard.hear(N2, 0, b"b")
    assert heard.minority(names, 0) == ({N2}, True)
