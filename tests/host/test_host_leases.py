"""The kernel's side of an address: marks, lifetimes, and what others do to it. Real kernel, own namespaces."""

import errno
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.host.supervised import AddressWatch, Refused, Supervised, address_line, plant, wait_until
from tests.support.lab import Lab, ip

pytestmark = pytest.mark.netns

VIP = "192.0.2.41"
VIP6 = "fd77::41"


def test_an_address_is_marked_short_lived_and_nobodys_source(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb(VIP)
        node.plumb(VIP6)
        line, line6 = address_line(node.host, VIP), address_line(node.host, VIP6)
        assert {"dynamic", "noprefixroute"} <= set(line.split())
        assert "valid_lft 2sec" in line
        assert {"nodad", "deprecated", "dynamic", "noprefixroute"} <= set(line6.split())
        assert "tentative" not in line6
        assert "preferred_lft 0sec" in line6


def test_an_address_stays_while_it_is_renewed(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node, AddressWatch(node.host, tmp_path / "watch") as watch:
        node.plumb(VIP)
        node.plumb(VIP6)
        time.sleep(3.5)
        assert node.has(VIP)
        assert node.has(VIP6)
        assert watch.deletions() == {}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_kernel_removes_it_when_everything_of_ours_is_dead(
    lab: Lab, tmp_path: Path, number: signal.Signals
) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb(VIP)
        node.plumb(VIP6)
        time.sleep(0.6)
        for pid in (node.process.pid, node.core_pid()):
            os.kill(pid, number)
        began = time.monotonic()
        wait_until(lambda: not node.has(VIP) and not node.has(VIP6), 3.5, "both addresses expire")
        assert time.monotonic() - began > 1.2  # it was the kernel


def test_a_renewal_that_comes_too_late_is_undone_at_once(lab: Lab, tmp_path: Path) -> None:
    """Stopped for longer than the lease, the address expires; what we do on waking must not bring it back."""
    with Supervised(lab.hosts["n1"], tmp_path) as node, AddressWatch(node.host, tmp_path / "watch") as watch:
        node.plumb(VIP)
        time.sleep(0.3)
        os.kill(node.process.pid, signal.SIGSTOP)
        wait_until(lambda: not node.has(VIP), 3, "the lease runs out")
        os.kill(node.process.pid, signal.SIGCONT)
        wait_until(lambda: bool(node.events("isolated")), 1, "the core hears that it is isolated")
        time.sleep(0.6)
        assert not node.has(VIP)
        assert watch.additions()[VIP] <= watch.deletions()[VIP]
        node.plumb(VIP)
        assert node.has(VIP), "a request made after the isolation is carried out"


def test_what_was_asked_before_an_isolation_is_refused_after_it(lab: Lab, tmp_path: Path) -> None:
    """The order lay in the socket while we slept: whoever gave it may have lost the right to it."""
    with Supervised(lab.hosts["n1"], tmp_path) as node, AddressWatch(node.host, tmp_path / "watch") as watch:
        node.plumb("192.0.2.42")
        os.kill(node.process.pid, signal.SIGSTOP)
        node.do("begin_plumb", interface="eth0", address=VIP, prefix_length=32)
        time.sleep(1.5)
        os.kill(node.process.pid, signal.SIGCONT)
        with pytest.raises(Refused) as refused:
            node.do("end_plumb")
        assert refused.value.number == errno.ESTALE
        time.sleep(0.3)
        assert watch.all_additions(VIP) == []
        node.plumb(VIP)


def test_a_core_that_comes_after_an_isolation_is_not_refused(lab: Lab, tmp_path: Path) -> None:
    """It never heard of it. A node would own addresses from then on, and plumb none."""
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb(VIP)
        time.sleep(0.3)
        os.kill(node.process.pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(node.process.pid, signal.SIGCONT)
        wait_until(lambda: bool(node.events("isolated")), 1, "the core hears that it is isolated")
        os.kill(node.core_pid(), signal.SIGKILL)
        node.forget_core()
        node.plumb(VIP)
        assert node.has(VIP)


def test_a_node_that_was_frozen_whole_gives_everything_up_and_goes_on(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node, AddressWatch(node.host, tmp_path / "watch") as watch:
        node.plumb(VIP)
        core = node.core_pid()
        for pid in (core, node.process.pid):
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: not node.has(VIP), 3, "the lease runs out")
        for pid in (node.process.pid, core):
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: bool(node.events("isolated")), 1, "the core hears that it is isolated")
        assert node.core_pid() == core, "silence while we slept ourselves is no stall"
        assert max(watch.all_additions(VIP)) <= watch.deletions()[VIP]


def test_an_address_of_somebody_else_is_never_touched(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        space = node.host.namespace
        ip("-n", space, "address", "add", f"{VIP}/32", "dev", "eth0")
        with pytest.raises(Refused) as refused:
            node.plumb(VIP)
        assert refused.value.number == errno.EEXIST
        node.do("unplumb", address=VIP)
        node.plumb("192.0.2.42")
        os.kill(node.core_pid(), signal.SIGKILL)
        wait_until(lambda: not node.has("192.0.2.42"), 1, "ours goes")
        assert "valid_lft forever" in address_line(node.host, VIP)
        assert node.has(node.host.address)


def test_what_an_earlier_run_left_is_removed_before_the_core_starts(lab: Lab, tmp_path: Path) -> None:
    host = lab.hosts["n1"]
    with Supervised(host, tmp_path / "first") as node:
        node.do("lifetime", seconds=0)
        node.plumb(VIP)
        node.plumb(VIP6)
        wait_until(lambda: "valid_lft forever" in address_line(host, VIP), 2, "it is there for ever")
        ip("-n", host.namespace, "address", "add", "192.0.2.77/32", "dev", "eth0")
    assert host.addresses() >= {VIP, VIP6, "192.0.2.77"}
    with Supervised(host, tmp_path / "second") as node:
        assert node.do("held") == []
        assert host.addresses() == {host.address, "192.0.2.77"}


def test_an_address_that_somebody_removes_is_put_back_and_counted(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node, AddressWatch(node.host, tmp_path / "watch") as watch:
        space = node.host.namespace
        for address, length in ((VIP, 32), (VIP6, 128)):
            node.plumb(address)
            time.sleep(0.05)
            ip("-n", space, "address", "delete", f"{address}/{length}", "dev", "eth0")
            wait_until(partial(node.has, address), 1, "it is back")
            assert "dynamic" in address_line(node.host, address)
            assert 0 <= _gap_ms(watch, address) < 400  # at once, not with the next renewal
        assert [event["count"] for event in node.events("restored")] == [1, 2]


def _gap_ms(watch: AddressWatch, address: str) -> float:
    """Between the deletion and the first addition after it."""
    deleted = watch.deletions()[address]
    wait_until(lambda: any(at >= deleted for at in watch.all_additions(address)), 1, "the watch saw the addition")
    return (min(at for at in watch.all_additions(address) if at >= deleted) - deleted) * 1000


def test_when_a_foreign_address_took_its_place_it_is_let_go(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb(VIP)
        os.kill(node.process.pid, signal.SIGSTOP)
        space = node.host.namespace
        ip("-n", space, "address", "delete", f"{VIP}/32", "dev", "eth0")
        ip("-n", space, "address", "add", f"{VIP}/32", "dev", "eth0")
        os.kill(node.process.pid, signal.SIGCONT)
        wait_until(lambda: bool(node.events("vanished")), 1, "the core hears of it")
        assert node.do("held") == []
        time.sleep(0.7)
        assert "valid_lft forever" in address_line(node.host, VIP)


def test_requests_that_cannot_be_carried_out_say_why(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        with pytest.raises(Refused, match="no such interface"):
            node.do("plumb", interface="eth9", address=VIP, prefix_length=32)
        node.plumb(VIP)
        with pytest.raises(Refused, match="another prefix length"):
            node.do("plumb", interface="eth0", address=VIP, prefix_length=24)
        ip("-n", node.host.namespace, "link", "set", "eth0", "down")
        wait_until(lambda: bool(node.events("link-down")), 1, "the core hears of the link")
        with pytest.raises(Refused, match="no carrier"):
            node.do("probe", interface="eth0", address="192.0.2.99")
        ip("-n", node.host.namespace, "link", "set", "eth0", "up")
        wait_until(lambda: len(node.events("link-up")) == 3, 1, "and that it is back")


def test_the_core_has_no_privileges(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        status = dict(line.split(":\t", 1) for line in node.do("status").splitlines() if ":\t" in line)
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0000000000000000"}
        assert status["NoNewPrivs"] == "1"


def test_what_the_kernel_refused_to_use_is_put_there_anew(lab: Lab, tmp_path: Path) -> None:
    """Duplicate address detection met another host; it went, and the kernel keeps its verdict for ever (R14)."""
    node_host, rival = lab.hosts["n1"], lab.hosts["n2"]
    ip("-n", rival.namespace, "address", "add", f"{VIP6}/128", "dev", "eth0", "nodad")
    with Supervised(node_host, tmp_path) as node:
        node.do("events")  # it has cleaned up
        plant(node_host, VIP6)
        wait_until(lambda: "dadfailed" in address_line(node_host, VIP6), 10, "the kernel meets the rival")
        ip("-n", rival.namespace, "address", "delete", f"{VIP6}/128", "dev", "eth0")
        node.plumb(VIP6)
        assert "dadfailed" not in address_line(node_host, VIP6)
        assert "tentative" not in address_line(node_host, VIP6)
        time.sleep(1.2)
        assert "dadfailed" not in address_line(node_host, VIP6), "a renewal changes nothing"
