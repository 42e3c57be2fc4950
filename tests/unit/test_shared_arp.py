"""The shared ARP table: what members know together, and whom a new owner tells of its address."""

import asyncio
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import msgpack
import pytest

from momentum_node.clock import monotonic
from momentum_node.config.model import Address
from momentum_node.duravip import arp
from momentum_node.duravip.catalogue import MessageError
from momentum_node.duravip.encoding import decode as decode_message
from momentum_node.duravip.encoding import encode as encode_message
from momentum_node.duravip.messages import Beacon, UnknownKind
from momentum_node.duravip.neighbourhood import Neighbourhood
from momentum_node.duravip.sharedarp import (
    LIFETIME_S,
    MOST_TOLD,
    QUIET_ROUNDS_S,
    RATE,
    TELLING_S,
    Neighbour,
    SharedArp,
    Telling,
    audience,
    decode,
    encode,
    is_neighbours,
    shown,
)
from momentum_node.duravip.surroundings import Surroundings

NETWORK6, OTHER6 = IPv6Network("fd77::/64"), IPv6Network("fd88::/64")
HOST6 = Neighbour(IPv6Address("fd77::7"), bytes((2, 0, 0, 0, 6, 7)), 100.0)
VIP, OTHER_VIP = IPv4Address("192.0.2.41"), IPv4Address("192.0.2.42")
NETWORK = IPv4Network("192.0.2.0/24")
GATEWAY = Neighbour(IPv4Address("192.0.2.254"), bytes.fromhex("02000000fe01"), 90.0)


def host(number: int, seen: float = 100.0, mac: int = 0) -> Neighbour:
    return Neighbour(NETWORK[number], bytes((2, 0, 0, 0, mac, number % 256)), seen)


def test_what_is_sent_is_read_with_its_age() -> None:
    (data,) = encode([GATEWAY, host(7)], 5, now=100.0)
    assert is_neighbours(data)
    assert decode(data, now=1000.0) == [host(7, 1000.0), GATEWAY._replace(seen=990.0)]
    assert not is_neighbours(encode_message(Beacon(), 5, 1))


def test_ipv6_travels_in_a_message_of_its_own_that_older_members_do_not_know() -> None:
    local = Neighbour(IPv6Address("fe80::1"), b"router", 100.0, NETWORK6)
    four, six = encode([host(7), HOST6, local], 5, now=100.0)
    assert decode(four, 100.0) == [host(7)]
    assert decode(six, 100.0) == [HOST6, local]
    assert is_neighbours(six)
    with pytest.raises(UnknownKind):
        decode_message(six.replace(b"\xa2ND", b"\xa2NX"))


@pytest.mark.parametrize(
    "body", [b"", 7, [[b"123", b"123456", 1]], [[b"1234", b"12345", 1]], [[b"1234", b"123456", -1]], [[b"1234"]]]
)
def test_what_is_no_table_is_refused(body: object) -> None:
    with pytest.raises(MessageError):
        decode(msgpack.packb([1, "ARP", 5, 0, "", body]), 0.0)


@pytest.mark.parametrize("row", [[b"1234", b"123456", 1], [b"1" * 16, b"123456", 1, b"1" * 16, 64], [b"1" * 16]])
def test_what_is_no_ipv6_table_is_refused(row: object) -> None:
    with pytest.raises(MessageError):
        decode(msgpack.packb([1, "ND", 5, 0, "", [row]]), 0.0)


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
    (line,) = shown([HOST6], 103.0)
    assert line == "fd77::7          [02:00:00:00:06:07]  3s"
    (line,) = shown([HOST6._replace(address=IPv6Address("2001:db8:77:1::41"))], 103.0)
    assert line == "2001:db8:77:1::41 [02:00:00:00:06:07]  3s"


def told_until(telling: Telling, seconds: float) -> list[tuple[Address, Neighbour]]:
    return [one for step in range(int(seconds * 100) + 1) for one in telling.due(step / 100)]


def test_those_of_its_network_are_told_the_youngest_first_and_no_floating_address() -> None:
    stranger = Neighbour(IPv4Address("10.0.0.1"), GATEWAY.mac, 100.0)
    told = audience([GATEWAY, host(7), stranger, host(42)], NETWORK, {VIP, OTHER_VIP})
    assert told == (host(7), GATEWAY)
    telling = Telling()
    telling.begin(VIP, told, 0.0)
    assert told_until(telling, 1.0) == [(VIP, host(7)), (VIP, GATEWAY)]
    assert telling.next_due() is None


def test_ipv6_neighbours_are_told_of_their_network_and_those_of_a_link_of_its_networks() -> None:
    here = Neighbour(IPv6Address("fe80::1"), b"router", 90.0, NETWORK6)
    elsewhere = Neighbour(IPv6Address("fe80::1"), b"other!", 90.0, OTHER6)
    assert audience([host(7), HOST6, here, elsewhere], NETWORK6, set()) == (HOST6, here)


def test_a_host_with_several_addresses_is_told_once_and_gateways_first() -> None:
    twice = HOST6._replace(address=IPv6Address("fd77::8"), seen=99.0)
    router = Neighbour(IPv6Address("fd77::1"), b"router", 50.0)
    assert audience([HOST6, twice, router], NETWORK6, set(), {router.address}) == (router, HOST6)


def test_where_nothing_is_broadcast_everybody_is_told_again_and_again() -> None:
    telling = Telling()
    telling.begin(VIP, (host(7), GATEWAY), 0.0, QUIET_ROUNDS_S)
    told = [(round(step / 100), neighbour) for step in range(1101) for _, neighbour in telling.due(step / 100)]
    assert told == [(at, neighbour) for at in (0, 1, 2, 10) for neighbour in (host(7), GATEWAY)]
    assert telling.next_due() is None


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
    crowd = [Neighbour(IPv4Address(n), n.to_bytes(6), n) for n in range(1, MOST_TOLD + 500)]
    told = audience(crowd, IPv4Network("0.0.0.0/0"), set())
    assert (len(told), told[0].seen) == (MOST_TOLD, MOST_TOLD + 499)
    telling = Telling()
    for number in range(20):
        telling.begin(NETWORK[number], told, 0.0)
    assert len(told_until(telling, 2 * TELLING_S)) <= RATE * TELLING_S + RATE / 10
    assert telling.next_due() is None


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
        self.told: list[tuple[Address, bytes]] = []
        self.is_quiet = False
        now = monotonic()
        self.neighbourhood = Neighbourhood(
            lambda: Surroundings(
                [GATEWAY._replace(seen=now), Neighbour(IPv4Address("10.9.9.9"), b"m" * 6, now)], frozenset()
            ),
            self.sent.append,
            self,
            lambda address: NETWORK if address in NETWORK else None,
            lambda: [VIP],
            5,
            lambda: self.is_quiet,
        )

    def tell_neighbour(self, address: Address, mac: bytes) -> None:
        self.told.append((address, mac))


async def test_it_exchanges_at_each_view_and_tells_when_an_address_comes() -> None:
    world, now = World(), monotonic()
    task = asyncio.create_task(world.neighbourhood.run())
    async with asyncio.timeout(30):
        while len(world.sent) < 1:
            await asyncio.sleep(0.01)
        assert [one.address for one in decode(world.sent[0], now)] == [GATEWAY.address]  # its own network only
        world.neighbourhood.view_changed()
        while len(world.sent) < 2:
            await asyncio.sleep(0.01)
        world.neighbourhood.take(encode([host(7, now)], 6, now)[0])
        world.neighbourhood.take(b"\x96\x01\xa3ARPgarbage")
        world.neighbourhood.came(VIP)
        while len(world.told) < 2:
            await asyncio.sleep(0.01)
    task.cancel()
    assert sorted(world.told) == sorted([(VIP, host(7).mac), (VIP, GATEWAY.mac)])


async def test_where_nothing_is_broadcast_a_change_of_the_membership_is_told_one_by_one() -> None:
    world = World()
    task = asyncio.create_task(world.neighbourhood.run())
    async with asyncio.timeout(30):
        while not world.sent:
            await asyncio.sleep(0.01)
        world.neighbourhood.came(VIP)
        while len(world.told) < 1:
            await asyncio.sleep(0.01)
        world.neighbourhood.announce()
        await asyncio.sleep(0.1)
        assert len(world.told) == 1, "a broadcast says it"
        world.is_quiet = True
        world.neighbourhood.announce((OTHER_VIP,))
        await asyncio.sleep(0.1)
        assert len(world.told) == 1, "it is not here"
        world.neighbourhood.announce((VIP, OTHER_VIP))
        while len(world.told) < 3:  # at once, and a second later
            await asyncio.sleep(0.01)
        world.neighbourhood.gone(VIP)
        before = len(world.told)
        await asyncio.sleep(1.2)
    task.cancel()
    assert len(world.told) == before
