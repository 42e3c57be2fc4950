"""The table of held addresses against a kernel made of a dictionary: what only exact timing shows."""

import errno
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from struct import unpack_from

import pytest

from momentum_node.duravip.journal import PlumbJournal
from momentum_node.duravip.leases import LateRenewal, Leases
from momentum_node.duravip.rtnetlink import (
    IFA_CACHEINFO,
    IFADDRMSG,
    NLM_F_EXCL,
    PROTOCOL_MARK,
    RTM_DELADDR,
    AddressDeleted,
    InterfaceAddress,
    RouteSocket,
    attributes,
    read_address,
)

ETH0 = 2


class Kernel(RouteSocket):
    """Addresses in a dictionary: (index, address) → (entry, lifetime). Keeps the batches it was asked for."""

    def __init__(self) -> None:
        self.there: dict[tuple[int, bytes], tuple[InterfaceAddress, int]] = {}
        self.batches: list[int] = []
        self.refuses: dict[int, int] = {}  # type → errno
        self.before_each: Callable[[], None] = lambda: None

    def execute(self, requests: Sequence[tuple[int, int, bytes]]) -> list[int]:
        self.before_each()
        if requests:
            self.batches.append(len(requests))
        return [self._one(*request) for request in requests]

    def addresses(self) -> list[InterfaceAddress]:
        return [entry for entry, _ in self.there.values()]

    def _one(self, kind: int, flags: int, body: bytes) -> int:
        entry = read_address(body)
        assert entry is not None
        key = (entry.index, entry.address)
        if kind in self.refuses:
            return self.refuses[kind]
        if kind == RTM_DELADDR:
            return 0 if self.there.pop(key, None) else errno.EADDRNOTAVAIL
        if flags & NLM_F_EXCL and key in self.there:
            return errno.EEXIST
        _, valid = unpack_from("=II", attributes(body[IFADDRMSG.size :])[IFA_CACHEINFO])
        self.there[key] = (entry, valid)
        return 0


class Bench:
    """A table, its kernel and its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.kernel = Kernel()
        self.leases = Leases(self.kernel, PlumbJournal(None), lambda: self.now)

    def add(self, *addresses: bytes) -> list[int]:
        return self.leases.add([("eth0", InterfaceAddress(ETH0, each, 32)) for each in addresses])

    def lifetimes(self) -> set[int]:
        return {lifetime for _, lifetime in self.kernel.there.values()}


def vips(count: int) -> list[bytes]:
    """So many different addresses."""
    return [(0xC0000200 + number).to_bytes(4) for number in range(count)]


VIP = vips(1)[0]


def test_renewed_at_a_quarter_of_the_lifetime() -> None:
    bench = Bench()
    bench.add(VIP)
    assert bench.leases.next_renewal() == 100.5
    bench.now = 100.5
    bench.leases.renew(100.5)
    assert bench.leases.next_renewal() == 101.0


@pytest.mark.parametrize("late_batch", [1, 2])
def test_a_freeze_inside_a_renewal_is_noticed_after_the_batch_it_hit(late_batch: int) -> None:
    """The clock was looked at, then the process stood still, then it asked the kernel: too late, and it knows."""
    bench = Bench()
    bench.add(*vips(512))
    calls = 0

    def freeze() -> None:
        nonlocal calls
        calls += 1
        if calls == late_batch:
            bench.now += 5

    bench.kernel.before_each = freeze
    with pytest.raises(LateRenewal):
        bench.leases.renew(bench.now)
    assert calls == late_batch, "nothing more is renewed after that"


def test_a_renewal_within_half_a_lifetime_is_in_time() -> None:
    bench = Bench()
    bench.add(VIP)
    since = bench.now
    bench.now += 0.99
    assert bench.leases.renew(since) == []


def test_above_512_addresses_the_kernel_keeps_them_10_s_and_we_renew_more_rarely() -> None:
    bench = Bench()
    bench.add(*vips(512))
    assert bench.lifetimes() == {2}
    bench.add(*vips(513)[512:])
    assert bench.leases.next_renewal() == 100.5, "those with the short lifetime are still due"
    bench.now = 100.5
    bench.leases.renew(100.5)
    assert bench.lifetimes() == {10}
    assert bench.leases.next_renewal() == 103.0
    assert bench.leases.patience_s == 5
    assert max(bench.kernel.batches[2:]) <= 256


def test_a_lifetime_of_zero_is_for_ever() -> None:
    bench = Bench()
    bench.leases.set_lifetime(0)
    bench.add(VIP)
    assert bench.lifetimes() == {0xFFFFFFFF}
    assert bench.leases.next_renewal() is None
    bench.leases.set_lifetime(4)
    assert bench.leases.next_renewal() == 100.0
    bench.leases.renew(100.0)
    assert bench.lifetimes() == {4}


def test_a_delete_that_the_kernel_refuses_is_said_and_not_renewed_and_can_be_repeated() -> None:
    bench = Bench()
    bench.add(VIP)
    bench.kernel.refuses[RTM_DELADDR] = errno.EPERM
    assert bench.leases.remove([VIP]) == [errno.EPERM]
    bench.kernel.batches.clear()
    bench.leases.renew(bench.now)
    assert bench.kernel.batches == []
    bench.kernel.refuses.clear()
    assert bench.leases.remove([VIP]) == [0]
    assert bench.kernel.there == {}


def test_what_is_gone_already_is_removed() -> None:
    bench = Bench()
    bench.add(VIP)
    bench.kernel.there.clear()
    assert bench.leases.remove([VIP, b"\1\2\3\4"]) == [0, 0]


def test_the_news_of_our_own_delete_puts_nothing_back() -> None:
    bench = Bench()
    bench.add(VIP)
    bench.leases.remove([VIP])
    assert bench.leases.deleted([AddressDeleted(ETH0, VIP, 32)]) == []
    assert bench.kernel.there == {}


def test_an_address_that_cannot_be_put_back_is_told_once_and_again_when_it_can() -> None:
    bench = Bench()
    bench.add(VIP)
    bench.kernel.there.clear()
    bench.kernel.refuses[20] = errno.ENODEV
    (vanished,) = bench.leases.deleted([AddressDeleted(ETH0, VIP, 32)])
    assert vanished.error == errno.ENODEV
    assert bench.leases.renew(bench.now) == [], "it was told"
    bench.kernel.refuses.clear()
    (back,) = bench.leases.renew(bench.now)
    assert back.error == 0


def test_when_events_were_lost_the_kernel_is_looked_at() -> None:
    bench = Bench()
    bench.add(*vips(3))
    del bench.kernel.there[ETH0, VIP]
    assert [turned.address for turned in bench.leases.look()] == [VIP]
    assert len(bench.kernel.there) == 3


def test_the_journal_names_what_was_added_and_not_removed(tmp_path: Path) -> None:
    journal = PlumbJournal(tmp_path / "run" / "plumbed")
    journal.clear()
    journal.adding([("eth0", VIP, 32), ("eth1", bytes(15) + b"\1", 128)])
    journal.removed([("eth0", VIP, 32)])
    with (tmp_path / "run" / "plumbed").open("a") as file:
        file.write("+ eth0 192.0.")
    assert journal.left() == {("eth1", bytes(15) + b"\1", 128)}


def test_what_is_added_after_a_torn_line_is_found(tmp_path: Path) -> None:
    journal = PlumbJournal(tmp_path / "plumbed")
    (tmp_path / "plumbed").write_text("+ eth0 192.0.")
    journal.adding([("eth0", VIP, 32)])
    assert journal.left() == {("eth0", VIP, 32)}


def test_what_the_kernel_keeps_and_does_not_use_is_put_there_anew() -> None:
    """R14: duplicate address detection found another host, which may be gone long since."""
    bench = Bench()
    bench.add(VIP)
    ours, lifetime = bench.kernel.there[ETH0, VIP]
    bench.kernel.there[ETH0, VIP] = (replace(ours, is_refused=True), lifetime)
    assert [turned.error for turned in bench.leases.look()] == [0]
    assert not bench.kernel.there[ETH0, VIP][0].is_refused
    assert bench.leases.look() == []


def test_one_of_an_earlier_run_that_is_of_no_use_is_not_taken_over_as_it_is() -> None:
    bench = Bench()
    left = InterfaceAddress(ETH0, VIP, 32, mark=PROTOCOL_MARK, is_refused=True)
    bench.kernel.there[ETH0, VIP] = (left, 0)
    assert bench.add(VIP) == [0]
    assert not bench.kernel.there[ETH0, VIP][0].is_refused


def test_one_of_somebody_else_is_left_as_it_is() -> None:
    bench = Bench()
    foreign = InterfaceAddress(ETH0, VIP, 32, is_refused=True)
    bench.kernel.there[ETH0, VIP] = (foreign, 0)
    assert bench.add(VIP) == [errno.EEXIST]
    assert bench.leases.look() == []
    assert bench.kernel.there == {(ETH0, VIP): (foreign, 0)}


def test_one_with_another_length_took_its_place() -> None:
    bench = Bench()
    bench.add(VIP)
    bench.kernel.there[ETH0, VIP] = (InterfaceAddress(ETH0, VIP, 24), 0)
    assert [turned.error for turned in bench.leases.look()] == [errno.EEXIST]
    assert VIP not in bench.leases


def test_what_carries_our_mark_and_is_not_held_goes() -> None:
    """Cluster §2.12: present, but not held and not on its way."""
    bench = Bench()
    bench.add(VIP)
    stray, foreign = vips(3)[1:]
    bench.kernel.there[ETH0, stray] = (InterfaceAddress(ETH0, stray, 32, mark=PROTOCOL_MARK), 0)
    bench.kernel.there[ETH0, foreign] = (InterfaceAddress(ETH0, foreign, 32), 0)
    assert bench.leases.look() == []
    assert {address for _, address in bench.kernel.there} == {VIP, foreign}
