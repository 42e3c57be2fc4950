"""What becomes of addresses when the core, or the node, dies, freezes or is told to stop."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.host.supervised import AddressWatch, Supervised, wait_until
from tests.support.lab import Lab, ip

pytestmark = pytest.mark.netns

VIP = "192.0.2.41"


def five_hundred() -> list[str]:
    """Addresses of both families."""
    return [f"198.51.{100 + n // 250}.{1 + n % 250}" for n in range(400)] + [f"fd77::{n:x}" for n in range(1, 101)]


@pytest.fixture
def crowded(lab: Lab, tmp_path: Path) -> Supervised:
    """A supervisor, entered by the test, on a host whose neighbours do not mind."""
    return Supervised(lab.hosts["n1"], tmp_path)


def test_five_hundred_addresses_are_taken_off_when_the_core_is_killed(crowded: Supervised, tmp_path: Path) -> None:
    vips = five_hundred()
    with crowded as node, AddressWatch(node.host, tmp_path / "watch") as watch:
        node.do("lifetime", seconds=0)  # the kernel removes nothing by itself
        for length, family in ((32, "."), (128, ":")):
            addresses = [vip for vip in vips if family in vip]
            node.do("plumb_all", interface="eth0", addresses=addresses, prefix_length=length)
        assert node.host.addresses() == {*vips, node.host.address}, "all of them are held"
        victim = node.core_pid()
        killed = time.time()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: node.host.addresses() == {node.host.address}, 10, "all are gone")
        wait_until(lambda: len(watch.deletions()) == len(vips), 2, "the watch saw all of it")
        took_ms = (max(watch.deletions().values()) - killed) * 1000
        print(f"flushed {len(vips)} addresses within {took_ms:.1f} ms")


def test_a_core_that_stands_still_is_killed_and_its_addresses_removed(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb(VIP)
        frozen = node.core_pid()
        os.kill(frozen, signal.SIGSTOP)
        took = wait_until(lambda: not node.has(VIP), 1.9, "the address is removed")
        assert took < 1.9  # before its lease ends
        wait_until(lambda: not Path(f"/proc/{frozen}").exists(), 0.5, "the frozen core is dead")


def test_a_new_core_is_started_and_starts_with_nothing(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb(VIP)
        first = node.core_pid()
        os.kill(first, signal.SIGKILL)
        node.forget_core()
        wait_until(lambda: not node.has(VIP), 0.5, "the address is removed")
        assert node.do("held") == []
        assert node.core_pid() != first
        node.plumb(VIP)
        assert node.has(VIP)


def test_sigterm_reaches_the_core_and_then_everything_ends(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb(VIP)
        node.process.terminate()
        assert node.process.wait(5) == 0
        assert not node.has(VIP)


def test_the_alive_file_is_touched_each_second(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.do("held")
        first = (tmp_path / "alive").stat().st_mtime
        wait_until(lambda: (tmp_path / "alive").stat().st_mtime > first, 1.5, "it is touched again")


def test_the_address_of_a_link_that_was_down_comes_back(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb("fd77::41")
        ip("-n", node.host.namespace, "link", "set", "eth0", "down")
        time.sleep(0.3)
        ip("-n", node.host.namespace, "link", "set", "eth0", "up")
        wait_until(lambda: node.has("fd77::41"), 2, "it is back")


def test_a_second_supervisor_on_the_same_host_refuses_and_removes_nothing(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path / "one") as node:
        node.plumb(VIP)
        with Supervised(node.host, tmp_path / "two") as second:
            assert second.process.wait(5) == 1
            assert "another supervisor" in second.log()
        assert node.has(VIP)
        assert node.events("restored") == []
