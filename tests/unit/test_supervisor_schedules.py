"""When the supervisor probes and announces; time is a number here."""

from momentum_node.duravip.announcing import DELAYS_S, JITTER, Announcer
from momentum_node.duravip.probing import Prober, Verdict

VIP = bytes((192, 0, 2, 41))
OTHER = bytes((192, 0, 2, 42))
MAC = b"\2\0\0\0\0\1"


def test_three_probes_15_ms_apart_then_silence() -> None:
    prober = Prober()
    prober.ask(1, "eth0", VIP, 0.0)
    sent: list[int] = []
    for millisecond in range(60):
        now = millisecond / 1000
        if verdicts := prober.silent(now):
            assert verdicts == [Verdict(1, None)]
            assert sent == [0, 15, 30]
            assert millisecond == 40
            break
        sent += [millisecond for _ in prober.due(now)]
    assert prober.next_time() is None


def test_an_answer_on_the_right_interface_ends_the_question() -> None:
    prober = Prober()
    prober.ask(1, "eth0", VIP, 0.0)
    prober.ask(2, "eth0", OTHER, 0.0)
    assert prober.answered("eth0", VIP, MAC) == [], "nothing was asked yet"
    prober.due(0.0)
    assert prober.answered("eth1", VIP, MAC) == []
    assert prober.answered("eth0", VIP, MAC) == [Verdict(1, MAC)]
    assert prober.due(0.015) == [("eth0", OTHER)]


def test_a_late_loop_asks_later_and_does_not_judge_earlier() -> None:
    prober = Prober()
    prober.ask(1, "eth0", VIP, 0.0)
    for now in (0.5, 1.0, 1.5):
        assert prober.silent(now) == []
        assert prober.due(now)
    assert prober.silent(1.505) == []
    assert prober.silent(1.51) == [Verdict(1, None)]


def test_a_probe_that_could_not_be_sent_is_no_silence() -> None:
    prober = Prober()
    prober.ask(1, "eth0", VIP, 0.0)
    prober.due(0.0)
    assert prober.failed("eth0", VIP) == [1]
    assert prober.silent(9.0) == []


def said(announcer: Announcer, until_ms: int) -> list[tuple[int, bytes]]:
    """(millisecond, address) of everything announced, looking each millisecond."""
    return [(ms, address) for ms in range(until_ms) for address in announcer.due(ms / 1000, 64)]


def test_an_address_is_announced_four_times() -> None:
    announcer = Announcer()
    announcer.start(VIP, 0.0)
    log = said(announcer, 12_000)
    assert [address for _, address in log] == [VIP] * 4
    for (ms, _), delay_s in zip(log, DELAYS_S, strict=True):
        assert 1000 * delay_s <= ms <= 1000 * delay_s * (1 + JITTER) + 1
    assert announcer.next_time(12.0) is None


def test_addresses_that_came_together_are_not_announced_together_for_ever() -> None:
    announcer = Announcer()
    for number in range(100):
        announcer.start(number.to_bytes(4), 0.0)
    again = [ms for ms, _ in said(announcer, 3_000)][100:200]
    assert len(set(again)) > 50


def test_one_for_each_before_the_second_for_any_and_a_burst_and_then_500_a_second() -> None:
    announcer = Announcer()
    addresses = [number.to_bytes(4) for number in range(3000)]
    for address in addresses:
        announcer.start(address, 0.0)
    log = said(announcer, 3_000)
    assert [address for _, address in log[:3000]] == addresses
    assert log[2047][0] <= 2048 / 64
    assert log[2999][0] <= 1000 * (3000 - 2048) / 500 + 1
    assert all(sum(start <= ms < start + 1000 for ms, _ in log) <= 501 for start in range(100, 2_000, 100))


def test_what_the_neighbours_know_already_never_takes_the_room_of_what_is_new() -> None:
    announcer = Announcer()
    known = [number.to_bytes(4) for number in range(3000)]
    new = [number.to_bytes(4) for number in range(5000, 7000)]
    for address in known:
        announcer.start(address, 0.0, is_known=True)
    early = said(announcer, 100)
    for address in new:
        announcer.start(address, 0.1)
    sent = [address for ms in range(100, 150) for address in announcer.due(ms / 1000, 64)]
    assert {address for _, address in early} <= set(known)
    assert 500 <= len(early) <= 600
    assert set(sent[:2000]) == set(new)


def test_an_address_that_is_known_is_announced_at_once_where_there_is_room() -> None:
    announcer = Announcer()
    announcer.start(VIP, 0.0, is_known=True)
    assert announcer.due(0.0, 64) == [VIP]
    assert len(said(announcer, 12_000)) == 3


def test_what_is_given_up_is_not_announced_again() -> None:
    announcer = Announcer()
    announcer.start(VIP, 0.0)
    announcer.start(OTHER, 0.0)
    announcer.due(0.0, 64)
    announcer.stop(VIP)
    assert {address for _, address in said(announcer, 12_000)} == {OTHER}


def test_starting_again_begins_a_new_series_and_ends_the_old() -> None:
    announcer = Announcer()
    announcer.start(VIP, 0.0)
    announcer.due(0.0, 64)
    announcer.start(VIP, 0.5)
    first, *later = [ms for ms, _ in said(announcer, 12_000)]
    assert first == 500
    assert len(later) == 3
    assert later[0] >= 1500


def test_a_slice_bounds_what_one_turn_of_the_loop_sends() -> None:
    announcer = Announcer()
    for number in range(200):
        announcer.start(number.to_bytes(4), 0.0)
    assert len(announcer.due(0.0, 64)) == 64


def test_a_quiet_announcer_says_nothing_until_it_may_again() -> None:
    announcer = Announcer()
    announcer.start(b"\x01", 0.0)
    announcer.be_quiet(True)
    announcer.start(b"\x02", 0.0)
    assert (announcer.due(5.0, 64), announcer.next_time(5.0)) == ([], None)
    announcer.be_quiet(False)
    announcer.start(b"\x02", 6.0)
    assert announcer.due(6.0, 64) == [b"\x02"]
