"""Open connections by the address at their other end, and how blocks of them are asked for."""

import asyncio
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentum_node import worker_link as wire
from momentum_node.config.model import Address
from momentum_node.limits.blocks import Sizes, asked, counted, described
from momentum_node.limits.desk import Desk
from momentum_node.limits.grants import Grants
from momentum_node.limits.remotes import Heads, Remotes
from momentum_node.limits.sessions import Id
from momentum_node.replication.cidrtree import CidrTree

NEAR, FAR, SIX = map(ip_address, ("192.0.2.7", "198.51.100.1", "2001:db8::7"))
ALL = ip_network("0.0.0.0/0")


def sums(remotes: Remotes, *bindings: str) -> list[int]:
    """Over all IPv4 addresses: of everything, and of each binding."""
    return [tree.sum(ALL) for tree in (remotes.everywhere, *map(remotes.of, bindings))]


def test_a_connection_counts_once_for_the_address_that_it_goes_to_now() -> None:
    remotes = Remotes()
    remotes.heads(Id(1, 1), "a", NEAR)
    remotes.heads(Id(2, 1), "b", FAR)
    assert sums(remotes, "a", "b", "c") == [2, 1, 1, 0]
    remotes.heads(Id(1, 1), "a", FAR)  # the first address did not answer
    assert remotes.everywhere.sum(ip_network(NEAR)) == 0
    assert remotes.of("a").sum(ip_network(FAR)) == 1
    assert sums(remotes, "a", "b") == [2, 1, 1]
    assert remotes.bindings() == ["a", "b"]
    remotes.left(Id(1, 1))
    remotes.left(Id(1, 1))
    remotes.left(Id(9, 9))
    assert sums(remotes, "a", "b") == [1, 0, 1]
    assert remotes.bindings() == ["b"]


def test_all_of_a_worker_that_is_gone_count_no_more() -> None:
    remotes = Remotes()
    for worker, number in ((1, 1), (1, 2), (2, 1)):
        remotes.heads(Id(worker, number), "a", NEAR)
    remotes.gone(1)
    assert sums(remotes, "a") == [1, 1]
    remotes.gone(2)
    assert list(remotes.everywhere.show()) == []


STEPS = st.tuples(
    st.sampled_from(["heads", "left", "gone"]),
    st.builds(Id, st.integers(1, 2), st.integers(1, 3)),
    st.sampled_from(["a", "b"]),
    st.sampled_from([NEAR, FAR, SIX]),
)


@given(st.lists(STEPS, max_size=40))
def test_counts_are_those_of_a_census(steps: list[tuple[str, Id, str, Address]]) -> None:
    remotes, there = Remotes(), dict[Id, tuple[str, Address]]()
    for what, id_, binding, address in steps:
        if what == "heads":
            there[id_] = binding, address
            remotes.heads(id_, binding, address)
        elif what == "left":
            there.pop(id_, None)
            remotes.left(id_)
        else:
            there = {one: goes for one, goes in there.items() if one.worker != id_.worker}
            remotes.gone(id_.worker)
    for address in (NEAR, FAR, SIX):
        block, goes = ip_network(address), [binding for binding, to in there.values() if to == address]
        assert remotes.everywhere.sum(block) == len(goes)
        assert [remotes.of(one).sum(block) for one in "ab"] == [goes.count(one) for one in "ab"]
    assert remotes.bindings() == sorted({binding for binding, _ in there.values()})


async def test_the_core_counts_what_workers_tell_and_also_in_its_first_second() -> None:
    desk = Desk(lambda _link, _frame: None)
    desk.open()
    desk.hear(1, wire.Holds(4, "a", "y.test", "mx.y.test"))
    desk.hear(1, Heads(4, "a", "192.0.2.7"))
    desk.hear(2, Heads(4, "b", "192.0.2.7"))
    assert [desk.tree(name).sum(ALL) for name in ("outbound", "Outbound/a", "outbound/b", "smtp")] == [2, 1, 1, 0]
    desk.gone(2)
    assert desk.tree("outbound").sum(ALL) == 1
    desk.close()
    desk.hear(1, wire.Withdraw(4))
    assert desk.tree("outbound").sum(ALL) == 0
    with pytest.raises(ValueError, match="'ECStream' is not counted here: ask for SMTP, outbound or outbound/BINDING"):
        desk.tree("ECStream")


async def test_the_next_core_is_told_where_connections_go() -> None:
    heard: list[wire.Frame] = []
    grants = Grants(heard.append, lambda _number: None)
    task = asyncio.ensure_future(grants.connection("b", "d", ("mx",), 1))
    await asyncio.sleep(0)
    grants.hear(wire.Granted(1, "mx"))
    await task
    grants.heads(1, "192.0.2.7")
    grants.heads(1, "192.0.2.8")
    grants.heads(7, "192.0.2.9")  # was given back before
    heard.clear()
    grants.core_lost()
    grants.core_is_back()
    assert heard == [wire.Holds(1, "b", "d", "mx"), Heads(1, "b", "192.0.2.8")]
    grants.release(1)
    heard.clear()
    grants.core_is_back()
    assert heard == []


def tree(*addresses: str) -> CidrTree:
    found = CidrTree()
    for address in addresses:
        found.add(ip_address(address), 1)
    return found


SOME = tree("192.0.2.1", "192.0.2.200", "192.0.3.1", "192.0.3.1", "10.0.0.1", "2001:db8::1")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("192.0.2.0/24", ["192.0.2.0/24 2"]),
        ("192.0.2.200", ["192.0.2.200/32 1"]),
        ("203.0.113.0/24", ["203.0.113.0/24 0"]),
        ("24", ["10.0.0.0/24 1", "192.0.2.0/24 2", "192.0.3.0/24 2", "2001:d00::/24 1"]),
        ("/8", ["10.0.0.0/8 1", "192.0.0.0/8 4", "2000::/8 1"]),
        ("0", ["0.0.0.0/0 5", "::/0 1"]),
        ("64", ["2001:db8::/64 1"]),
        ("0-24", ["0.0.0.0/0 5", "192.0.2.0/23 4", "192.0.2.0/24 2"]),
        ("25-32", ["10.0.0.1/32 1", "192.0.2.1/32 1", "192.0.2.200/32 1", "192.0.3.1/32 2"]),
        ("100-128", ["2001:db8::1/128 1"]),
    ],
)
def test_a_block_a_size_or_a_range_of_sizes(what: str, expected: list[str]) -> None:
    assert [f"{block} {count}" for block, count in filter(None, counted(SOME, asked(what)))] == expected


def test_nothing_is_open() -> None:
    assert list(filter(None, counted(CidrTree(), Sizes(24, 24)))) == []


@pytest.mark.parametrize("what", ["28-8", "129", "8-200"])
def test_a_range_that_is_none_is_refused(what: str) -> None:
    with pytest.raises(ValueError, match=f"'{what}' is no range of sizes: write 24, or 8-28, at most 128"):
        asked(what)


def test_counts_are_printed_as_the_manual_shows_them() -> None:
    assert described([("10.0.0.0/8", 31), ("10.0.0.103/32", 4)]) == (
        "     31                         10.0.0.0/8\n      4                         10.0.0.103/32"
    )
