"""The shared ARP table: what members know together, and whom a new owner tells of its address."""

import asyncio
from ipaddress import IPv4Address, IPv4Network

import msgpack
import pytest

from momentum_node.clock import monotonic
from momentum_node.duravip import arp
from momentum_node.duravip.catalogue import MessageError
from momentum_node.duravip.encoding import encode as encode_message
from momentum_node.duravip.messages import Beacon
from momentum_node.duravip.neighbourhood import Neighbourhood
from momentum_node.duravip.sharedarp import (
    LIFETIME_S,
    MOST_TOLD,
    RATE,
    TELLING_S,
    Neighbour,
    SharedArp,
    Telling,
    audience,
    decode,
    encode,
    is_arp,
    shown,
)

VIP, OTHER_VIP = IPv4Address("192.0.2.41"), IPv4Address("192.0.2.42")
NETWORK = IPv4Network("192.0.2.0/24")
GATEWAY = Neighbour(IPv4Address("192.0.2.254"), bytes.fromhex("02000000fe01"), 90.0)


def host(number: int, seen: float = 100.0, mac: int = 0) -> Neighbour:
    return Neighbour(NETWORK[number], bytes((2, 0, 0, 0, mac, number % 256)), seen)


def test_what_is_sent_is_read_with_its_age() -> None:
    data = encode([GATEWAY, host(7)], 5, now=100.0)
    assert is_arp(data)
    assert decode(data, now=1000.0) == [host(7, 1000.0), GATEWAY._replace(seen=990.0)]
    assert not is_arp(encode_message(Beacon(), 5, 1))


@pytest.mark.parametrize(
    "body", [b"", 7, [[b"123", b"123456", 1]], [[b"1234", b"12345", 1]], [[b"1234", b"123456", -1]], [[b"1234"]]]
)
def test_what_is_no_table_is_refused(body: object) -> None:
    with pytest.raises(MessageError):
        decode(msgpack.packb([1, "ARP", 5, 0, "", body]), 0.0)


def test_the_youngest_word_counts_and_old_ones_go() -> None:
    table = SharedArp()
    table.merge([host(7, 100.0, mac=1)], 100.0)
    table.merge([host(7, 90.0, mac=2), host(8, 110.0)], 110.0)
    assert table.known(110.0) == [host(7, 100.0, mac=1), host(8, 110.0)]
    table.merge([host(7, 120.0, mac=3)], 120.0)
    assert table.known(110.0 + LIFETIME_S) == [host(7, 120.0, mac=3)]


def test_it_is_shown_as_the_console_does() -> None:
    lines = list(shown([Neighbour(IPv4Address("10.0.0.4"), bytes.fromhex("00e081635ce8"), 57.0)], 100.0))
    assert lines == ["10.0.0.4         [00:e0:81:63:5c:e8]  43s"]


def told_until(telling: Telling, seconds: float) -> list[tuple[IPv4Address, Neighbour]]:
    return [one for step in range(int(seconds * 100) + 1) for one in telling.due(step / 100)]


def test_those_of_its_network_are_told_the_youngest_first_and_no_floating_address() -> None:
    stranger = Neighbour(IPv4Address("10.0.0.1"), GATEWAY.mac, 100.0)
    told = audience([GATEWAY, host(7), stranger, host(42)], NETWORK, {VIP, OTHER_VIP})
    assert told == (host(7), GATEWAY)
    telling = Telling()
    telling.begin(VIP, told, 0.0)
    assert told_until(telling, 1.0) == [(VIP, host(7)), (VIP, GATEWAY)]
    assert telling.is_over


def test_one_of_each_address_in_turn_at_a_bounded_rate() -> None:
    telling = Telling()
    for vip in (VIP, OTHER_VIP):
        telling.begin(vip, tuple(host(number) for number in range(1, 201)), 0.0)
    told = told_until(telling, 0.5)
    assert 0 < len(told) <= RATE * 0.5 + 1
    assert [vip for vip, _ in told[:4]] == [VIP, OTHER_VIP, VIP, OTHER_VIP]


def test_who_has_let_go_tells_nobody_any_more() -> None:
    telling = Telling()
    telling.begin(VIP, tuple(host(number) for number in range(1, 201)), 0.0)
    telling.due(0.0)
    telling.stop(VIP)
    assert told_until(telling, 5.0) == []


def test_a_crowd_is_cut_to_its_youngest_and_telling_ends() -> None:
    crowd = [Neighbour(IPv4Address(number), GATEWAY.mac, number) for number in range(1, MOST_TOLD + 500)]
    told = audience(crowd, IPv4Network("0.0.0.0/0"), set())
    assert (len(told), told[0].seen) == (MOST_TOLD, MOST_TOLD + 499)
    telling = Telling()
    for number in range(20):
        telling.begin(NETWORK[number], told, 0.0)
    assert len(told_until(telling, 2 * TELLING_S)) <= RATE * TELLING_S + RATE / 10
    assert telling.is_over


def test_a_directed_reply_names_one_host() -> None:
    frame = arp.directed(b"\x02abcde", VIP.packed, GATEWAY.mac)
    assert len(frame) == 60
    assert frame[:6] == GATEWAY.mac
    assert frame[20:22] == b"\x00\x02"
    assert arp.claim(frame) == (VIP.packed, b"\x02abcde")
    assert frame[32:42] == b"\x02abcde" + VIP.packed


class World:
    """A kernel with one neighbour, a bus that keeps what is sent, a supervisor that keeps what it is told."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.told: list[tuple[IPv4Address, bytes]] = []
        self.neighbourhood = Neighbourhood(
            lambda: [GATEWAY._replace(seen=0.0), Neighbour(IPv4Address("10.9.9.9"), GATEWAY.mac, 0.0)],
            self.sent.append,
            self,
            lambda address: NETWORK if address in NETWORK else None,
            lambda: [VIP],
            5,
        )

    def tell_neighbour(self, address: IPv4Address, mac: bytes) -> None:
        self.told.append((address, mac))


async def test_it_exchanges_at_each_view_and_tells_when_an_address_comes() -> None:
    world, now = World(), monotonic()
    world.neighbourhood._read = lambda: [GATEWAY._replace(seen=now), Neighbour(IPv4Address("10.9.9.9"), b"m" * 6, now)]
    task = asyncio.create_task(world.neighbourhood.run())
    async with asyncio.timeout(30):
        while len(world.sent) < 1:
            await asyncio.sleep(0.01)
        assert [one.address for one in decode(world.sent[0], now)] == [GATEWAY.address]  # its own network only
        world.neighbourhood.view_changed()
        while len(world.sent) < 2:
            await asyncio.sleep(0.01)
        world.neighbourhood.take(encode([host(7, now)], 6, now))
        world.neighbourhood.take(b"\x96\x01\xa3ARPgarbage")
        world.neighbourhood.came(VIP)
        while len(world.told) < 2:
            await asyncio.sleep(0.01)
    task.cancel()
    assert sorted(world.told) == sorted([(VIP, host(7).mac), (VIP, GATEWAY.mac)])
