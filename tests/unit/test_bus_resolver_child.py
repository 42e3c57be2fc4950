"""What stands around the resolver: its parent's ears, and what it reads of the ring."""

import signal
from pathlib import Path

import pytest

from momentum_node.bus import ringfiles
from momentum_node.bus.resolverchild import LEAVE, RETURN, ResolverChild
from momentum_node.config.corosync import RingNode, profile_timing, render
from momentum_node.errors import BusError

RING = [RingNode("n1", 1, "198.18.0.1"), RingNode("n2", 2, "198.18.0.2"), RingNode("n7", 7, "198.18.0.7")]
CHILD, STRANGER = 4711, 4712


def a_signal(number: int, sender: int) -> signal.struct_siginfo:
    return signal.struct_siginfo((number, 0, 0, sender, 0, 0, 0))


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ResolverChild:
    monkeypatch.setattr("os.posix_spawn", lambda *_args, **_more: CHILD)
    conf = tmp_path / "corosync.conf"
    conf.write_text(render("c", RING))
    child = ResolverChild(conf, 1, ())
    child.keep()
    return child


def test_the_resolver_asks_to_leave_and_to_return(child: ResolverChild) -> None:
    child.heed(a_signal(LEAVE, CHILD))
    assert child.wants_out
    child.heed(a_signal(signal.SIGCHLD, CHILD))
    child.heed(None)
    assert child.wants_out
    child.heed(a_signal(RETURN, CHILD))
    assert not child.wants_out


def test_nobody_else_stops_the_bus(child: ResolverChild) -> None:
    child.heed(a_signal(LEAVE, STRANGER))
    assert not child.wants_out


def test_the_wish_of_a_resolver_that_died_dies_with_it(child: ResolverChild) -> None:
    child.heed(a_signal(LEAVE, CHILD))
    child.ended({STRANGER})
    assert child.wants_out
    child.ended({CHILD})
    assert not child.wants_out


def test_two_nodes_have_no_resolver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[int] = []

    def spawn(*_args: object, **_more: object) -> int:
        started.append(CHILD)
        return CHILD

    monkeypatch.setattr("os.posix_spawn", spawn)
    conf = tmp_path / "corosync.conf"
    conf.write_text(render("c", RING[:2]))
    ResolverChild(conf, 1, ()).keep()
    assert started == []
    conf.write_text(render("c", RING))
    ResolverChild(conf, 1, ()).keep()
    assert len(started) == 1


def test_what_we_render_is_read_again(tmp_path: Path) -> None:
    key, conf = tmp_path / "key", tmp_path / "corosync.conf"
    key.write_bytes(b"k" * 128)
    conf.write_text(render("uid-1", RING, "Balanced", keyfile=str(key), port=5410))
    read = ringfiles.read(conf)
    assert (read.cluster, read.port, read.key) == ("uid-1", 5410, b"k" * 128)
    assert read.addresses == {1: "198.18.0.1", 2: "198.18.0.2", 7: "198.18.0.7"}
    assert read.timing.resolver_ms == profile_timing("Balanced", 3).resolver_ms
    key.unlink()
    with pytest.raises(BusError, match="key"):
        ringfiles.read(conf)
