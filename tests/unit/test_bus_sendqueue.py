"""The bounded queue in front of an engine, and the choice of the engine."""

import pytest

from momentum_node.bus.contract import MAX_MESSAGE_BYTES, BusFull
from momentum_node.bus.corosync import CorosyncBus
from momentum_node.bus.embedded import EmbeddedBus
from momentum_node.bus.engine import open_bus
from momentum_node.bus.sendqueue import SendQueue
from momentum_node.errors import BusError


def test_the_window_holds_back_what_the_engine_has_not_given_back() -> None:
    queue = SendQueue(window=2)
    for data in (b"a", b"b", b"c"):
        queue.put(data)
    for data in (b"a", b"b"):
        assert queue.head() == data
        queue.handed_over()
    assert queue.head() is None
    queue.came_back()
    assert queue.head() == b"c"


def test_leaving_needs_no_window() -> None:
    queue = SendQueue(window=0)
    queue.put(b"a")
    assert queue.head() is None
    assert queue.head(leaving=True) == b"a"


def test_messages_and_bytes_are_bounded_until_they_come_back() -> None:
    queue = SendQueue(max_messages=2, max_bytes=10)
    queue.put(b"12345678")
    with pytest.raises(BusFull, match="1 messages"):
        queue.put(b"123")
    queue.put(b"12")
    with pytest.raises(BusFull):
        queue.put(b"")
    queue.handed_over()
    queue.came_back()
    queue.put(b"12345678")
    assert len(queue) == 2


def test_too_large_a_message_is_the_senders_to_split() -> None:
    with pytest.raises(BusError, match="split it"):
        SendQueue().put(b"x" * (MAX_MESSAGE_BYTES + 1))


def test_the_spec_names_the_engine() -> None:
    assert isinstance(open_bus("cpg:", 1), CorosyncBus)
    assert isinstance(open_bus("embedded:/run/bus", 1), EmbeddedBus)


@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        ("", "use cpg: "),
        ("4803", "use cpg: "),
        ("cpg:x", "use cpg: "),
        ("embedded:", "use cpg: "),
        ("embedded:192.0.2.1:4803", "for one host"),
        ("embedded:/" + "x" * 107, "at most 107 bytes"),
    ],
)
def test_a_spec_that_names_none_says_what_to_do(spec: str, advice: str) -> None:
    with pytest.raises(BusError, match=advice):
        open_bus(spec, 1)


def test_an_unconnected_bus_refuses_politely() -> None:
    for spec in ("cpg:", "embedded:/run/bus"):
        bus = open_bus(spec, 1)
        with pytest.raises(BusError, match="not connected"):
            bus.send(b"x")
        with pytest.raises(BusError, match="not connected"):
            _ = bus.local
        bus.abort()
