"""Laws of the windows: they count what a plain list of events counts, and keep no more than they may."""

from ipaddress import ip_address, ip_network
from typing import NamedTuple

import hypothesis.strategies as some
from hypothesis import given

from momentum_node.audit.windows import STEP, Counts, Row, Windows
from momentum_node.config.model import Address, Monitor, Network

CLIENTS = [ip_address(text) for text in ("10.0.0.1", "10.0.0.2", "10.0.1.1", "::a00:1", "2001:db8::1", "2001:db8::2")]
BLOCKS = [
    ip_network(text)
    for text in ("10.0.0.1", "10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "::a00:1", "2001:db8::/64", "::/0")
]
MONITORS = some.lists(
    some.builds(Monitor, some.sampled_from([1, 7, 10, 60]), some.integers(1, 4)),
    max_size=3,
    unique_by=lambda one: one.window_s,
)


class Event(NamedTuple):
    """A client did that at `at`; it was heard of at `now`."""

    client: Address
    counts: Counts
    at: float
    now: float


class Step(NamedTuple):
    """What happens next, and how much later."""

    client: Address
    counts: Counts
    later_s: float
    delay_s: float
    cleans_up: bool


STEPS = some.lists(
    some.builds(
        Step,
        some.sampled_from(CLIENTS),
        some.builds(Counts, some.integers(0, 2), some.integers(0, 2), some.integers(0, 2)),
        some.sampled_from([0.0, 0.5, 1.0, 6.5, 30.0]),
        some.sampled_from([0.0, 0.25, 2.0, 50.0]),
        some.booleans(),
    ),
    max_size=40,
)


def window_of(event: Event, length: int) -> int:
    """Of its own time, unless it is more than a window late."""
    own, current = event.at // length, event.now // length
    return int(current if own < current - 1 else own)


def naive(events: list[Event], monitors: list[Monitor], block: Network, now: float) -> list[Row]:
    """The same by looking at every event there was."""
    found = []
    for length, windows in ((one.window_s, one.windows) for one in monitors):
        for window in range(windows + 1):
            number = int(now // length) - window
            inside = [
                one.counts
                for one in events
                if one.client.version == block.version and one.client in block and window_of(one, length) == number
            ]
            found.append(Row(length, window, Counts(*map(sum, zip(*inside, strict=True))) if inside else Counts()))
    return found


def seen(windows: Windows, block: Network, now: float) -> list[Row]:
    look = windows.look(block)
    for _ in range(0, look.addresses, STEP):
        look.step()
    return look.rows(now)


def played(windows: Windows, steps: list[Step]) -> tuple[list[Event], float]:
    now, events = 100.0, []
    for step in steps:
        now += step.later_s
        events.append(Event(step.client, step.counts, max(0.0, now - step.delay_s), now))
        windows.note(*events[-1])
        if step.cleans_up:
            windows.clean_up(now, 2)
    return events, now


@given(MONITORS, STEPS, some.sampled_from([0.0, 3.0, 40.0, 500.0]))
def test_the_windows_say_what_a_list_of_all_events_says(
    monitors: list[Monitor], steps: list[Step], later_s: float
) -> None:
    windows = Windows()
    windows.configure(monitors)
    events, now = played(windows, steps)
    now += later_s
    for block in BLOCKS:
        assert seen(windows, block, now) == naive(events, monitors, block, now)


@given(MONITORS, STEPS, some.integers(1, 30))
def test_memory_has_its_bound_and_nobody_gets_more_than_there_was(
    monitors: list[Monitor], steps: list[Step], most: int
) -> None:
    windows = Windows(most)
    windows.configure(monitors)
    events, now = played(windows, steps)
    assert sum(shown(windows, client, now) for client in CLIENTS) <= most
    if not windows.dropped:
        assert seen(windows, ip_network("10.0.0.0/8"), now) == naive(events, monitors, ip_network("10.0.0.0/8"), now)
    for client in CLIENTS:  # whoever was forgotten has what it did since
        block = ip_network(client)
        for row, true in zip(seen(windows, block, now), naive(events, monitors, block, now), strict=True):
            assert all(count <= once for count, once in zip(row.counts, true.counts, strict=True))


def shown(windows: Windows, client: Address, now: float) -> int:
    """How many numbers are known of a client."""
    return sum(count > 0 for row in seen(windows, ip_network(client), now) for count in row.counts)


@given(MONITORS, STEPS)
def test_when_all_windows_have_passed_nothing_is_kept(monitors: list[Monitor], steps: list[Step]) -> None:
    windows = Windows()
    windows.configure(monitors)
    _, now = played(windows, steps)
    while windows.clean_up(now + 1000.0, 3):
        pass
    assert len(windows) == 0
