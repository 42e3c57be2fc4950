"""What is counted for each client: windows that pass, blocks that are summed up, and memory that has an end."""

from ipaddress import ip_address, ip_network

from momentum_node.audit.windows import STEP, Counts, Row, Windows
from momentum_node.config.model import Monitor

A, B, SIX = map(ip_address, ("192.0.2.7", "192.0.2.200", "2001:db8::7"))
CAME, TOOK, REFUSED = Counts(connections=1), Counts(receptions=1), Counts(rejections=1)


def counting(*monitors: tuple[int, int], most: int = 1000) -> Windows:
    windows = Windows(most)
    windows.configure([Monitor(*one) for one in monitors or [(300, 2)]])
    return windows


def rows(windows: Windows, block: str, now: float) -> list[Row]:
    look = windows.look(ip_network(block))
    for _ in range(0, look.addresses, STEP):
        look.step()
    return look.rows(now)


def connections(windows: Windows, block: str, now: float) -> list[int]:
    return [row.counts.connections for row in rows(windows, block, now)]


def test_what_a_client_does_counts_in_every_monitor() -> None:
    windows = counting((300, 1), (1800, 1))
    for did in (CAME, TOOK, TOOK, REFUSED):
        windows.note(A, did, 1000, 1000)
    once = Counts(1, 2, 1)
    assert rows(windows, "192.0.2.7/32", 1000) == [
        Row(300, 0, once),
        Row(300, 1, Counts()),
        Row(1800, 0, once),
        Row(1800, 1, Counts()),
    ]


def test_windows_move_back_and_are_forgotten_after_the_last_complete_one() -> None:
    windows = counting((300, 2))
    windows.note(A, CAME, 299, 299)
    assert connections(windows, "192.0.2.7/32", 299.9) == [1, 0, 0]
    assert connections(windows, "192.0.2.7/32", 300) == [0, 1, 0]
    assert connections(windows, "192.0.2.7/32", 899) == [0, 0, 1]
    assert connections(windows, "192.0.2.7/32", 900) == [0, 0, 0]


def test_an_event_counts_in_the_window_of_its_own_time_and_a_very_late_one_in_the_current() -> None:
    windows = counting((300, 2))
    windows.note(A, CAME, 599, 601)
    assert connections(windows, "192.0.2.7/32", 601) == [0, 1, 0]
    windows.note(A, CAME, 299, 601)
    assert connections(windows, "192.0.2.7/32", 601) == [1, 1, 0]


def test_a_block_is_the_sum_of_its_addresses_and_the_two_kinds_are_apart() -> None:
    windows = counting((300, 0))
    for client in (A, B, SIX, ip_address("198.51.100.1"), ip_address("::c000:207")):
        windows.note(client, CAME, 0, 0)
    assert connections(windows, "192.0.2.0/24", 0) == [2]
    assert connections(windows, "192.0.2.128/25", 0) == [1]
    assert connections(windows, "0.0.0.0/0", 0) == [3]
    assert connections(windows, "2001:db8::/32", 0) == [1]
    assert connections(windows, "::/0", 0) == [2]
    assert connections(windows, "::c000:207/128", 0) == [1]
    assert connections(windows, "203.0.113.0/24", 0) == [0]


def test_many_addresses_are_summed_up_in_steps() -> None:
    windows = counting((300, 0), most=5000)
    for number in range(2500):
        windows.note(ip_address(0x0A000000 + number), CAME, 0, 0)
    look = windows.look(ip_network("10.0.0.0/8"))
    look.step()
    assert look.rows(0) == [Row(300, 0, Counts(STEP))]
    assert connections(windows, "10.0.0.0/8", 0) == [2500]


def test_who_was_silent_for_longest_is_forgotten_first_when_there_is_no_room() -> None:
    windows = counting((300, 1), most=2)
    windows.note(A, CAME, 0, 0)
    windows.note(B, CAME, 1, 1)
    windows.note(A, CAME, 2, 2)
    windows.note(SIX, CAME, 3, 3)
    assert [connections(windows, block, 3)[0] for block in ("192.0.2.7", "192.0.2.200", "2001:db8::7")] == [2, 0, 1]
    assert (len(windows), windows.dropped) == (2, 1)


def test_a_client_that_stays_takes_no_more_memory_with_time() -> None:
    windows = counting((10, 3), most=8)
    for now in range(1000):
        windows.note(A, Counts(1, 1), now, now)
    assert windows.dropped == 0
    assert connections(windows, "192.0.2.7/32", 999) == [10, 10, 10, 10]


def test_a_clean_up_forgets_whose_windows_have_passed_so_many_at_a_time() -> None:
    windows = counting((300, 1))
    for number, client in enumerate((A, B, SIX)):
        windows.note(client, CAME, 300.0 * number, 300.0 * number)
    assert windows.clean_up(1199, 1)
    assert len(windows) == 2
    assert not windows.clean_up(1199, 5)  # the last one still has a window
    assert len(windows) == 1
    assert not windows.clean_up(1200, 5)
    assert len(windows) == 0
    for number in range(2000):  # what was forgotten makes room
        windows.note(ip_address(number), CAME, 1200, 1200)
        assert not windows.clean_up(1800 + 600.0 * number, 5)
    assert windows.dropped == 0


def test_a_reload_keeps_the_counts_of_windows_that_stay() -> None:
    windows = counting((300, 2), (60, 2))
    windows.note(A, CAME, 0, 0)
    windows.configure([Monitor(300, 1), Monitor(600, 1)])
    windows.note(A, CAME, 1, 1)
    assert [row[:2] for row in rows(windows, "192.0.2.7/32", 1)] == [(300, 0), (300, 1), (600, 0), (600, 1)]
    assert connections(windows, "192.0.2.7/32", 1) == [2, 0, 1, 0]
    windows.configure([])
    windows.note(A, CAME, 2, 2)
    assert (len(windows), rows(windows, "192.0.2.7/32", 2)) == (0, [])


def test_counting_that_was_switched_off_begins_with_all_its_room() -> None:
    windows = counting((300, 1), most=1)
    windows.note(A, CAME, 0, 0)
    windows.configure([])
    windows.configure([Monitor(300, 1)])
    windows.note(B, CAME, 0, 0)
    assert connections(windows, "192.0.2.0/24", 0) == [1, 0]
    assert windows.dropped == 0
