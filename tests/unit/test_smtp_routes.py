"""Where mail goes and where it must not: gateways, Routes, our own addresses, prohibited networks, families."""

from ipaddress import ip_address, ip_network

import pytest

from momentum_node.config.loading import ConfigurationInvalid
from momentum_node.config.nexthops import NextHop, parse_gateway, parse_route
from momentum_node.smtp.peernames import fits
from momentum_node.smtp.routes import (
    LOOKUP_FAILED,
    MOST_HOSTS,
    NO_FAMILY,
    NO_HOST,
    OURSELVES,
    PROHIBITED,
    Fence,
    NoRoute,
    Stop,
    Target,
    joined,
    order_mx,
    stops_of,
)
from tests.support.configuration import loaded


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        ("smart.test", NextHop("smart.test")),
        ("192.0.2.1:2525", NextHop("192.0.2.1", 2525)),
        ("[2001:db8::1]:26", NextHop("2001:db8::1", 26)),
        ("2001:db8::1", NextHop("2001:db8::1")),
        ("__mx__", NextHop("__mx__")),
        ("smtp://10.0.11.7?pref=10", NextHop("10.0.11.7", None, 10)),
        ("smtp://a.test?pref=5&port=26&type=a&ttl=60", NextHop("a.test", 26, 5, asks_mx=False, ttl_s=60)),
        ("smtp://[2001:db8::1]:27?type=mx", NextHop("2001:db8::1", 27)),
    ],
)
def test_how_a_next_hop_is_written(text: str, hop: NextHop) -> None:
    assert parse_route(text) == hop
    if "://" not in text and text != "__mx__":
        assert parse_gateway(text) == hop


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("smtp://a.test?prio=5", "'prio' is none of pref=, port=, ttl=, type=mx and type=a"),
        ("smtp://a.test?type=srv", "'type=srv' is none of"),
        ("smtp://a.test?port=70000", "port is a number from 0 to 65535, not '70000'"),
        ("http://a.test", "it has the form smtp://host?pref=10"),
        ("a.test?pref=5", "a host with parameters is written smtp://host?pref=10"),
    ],
)
def test_a_route_that_is_none_is_told_at_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        loaded(f'Binding b {{ Domain y.test {{ Routes = ( "{text}" ) }} }}')
    (found,) = caught.value.messages
    assert (found.code, found.place.line) == ("V002", 1)
    assert says in found.text


def ways(domain: str, gateway: str | None, *routes: str) -> list[tuple[str, int, int]]:
    return [(stop.name, stop.port, stop.rank) for stop in stops_of(domain, gateway, routes, 25)]


def test_routes_in_list_order_and_equal_preferences_side_by_side() -> None:
    assert ways("y.test", None) == [("y.test", 25, 0)]
    assert ways("y.test", "smart.test:26", "ignored.test") == [("smart.test", 26, 0)]
    assert ways("y.test", None, "a.test", "b.test:26", "__mx__") == [
        ("a.test", 25, 0),
        ("b.test", 26, 1),
        ("y.test", 25, 2),
    ]
    assert ways("y.test", None, "smtp://a.test?pref=20", "smtp://b.test?pref=10", "smtp://c.test?pref=20") == [
        ("b.test", 25, 10),
        ("a.test", 25, 20),
        ("c.test", 25, 20),
    ]


def test_stops_become_one_order_of_preference() -> None:
    first, second = Stop("a.test", 25, 0), Stop("y.test", 25, 1)
    mine = [Target("192.0.2.1", 25, "a.test", 30)]
    theirs = [Target("192.0.2.2", 25, "mx1", 5), Target("192.0.2.3", 25, "mx2", 10)]
    found = joined([(first, mine), (second, theirs)])
    assert not isinstance(found, NoRoute)
    assert [(one.address, one.preference) for one in found] == [("192.0.2.1", 0), ("192.0.2.2", 1), ("192.0.2.3", 2)]
    assert joined([(first, NoRoute(LOOKUP_FAILED)), (second, theirs)]) != NoRoute(LOOKUP_FAILED)
    assert joined([(first, NoRoute(NO_HOST)), (second, NoRoute(LOOKUP_FAILED))]) == NoRoute(NO_HOST)


BEST, MIDDLE, LAST = (Target(f"192.0.2.{number}", 25, "mx", number * 10) for number in (1, 2, 3))


def test_one_of_our_own_ends_the_list_of_mx_records() -> None:
    fence = Fence(own=frozenset({MIDDLE.address}))
    assert fence.allowed([BEST, MIDDLE, LAST], None) == [BEST]
    assert fence.allowed([MIDDLE, LAST], None) == NoRoute(OURSELVES)
    named = Target(MIDDLE.address, 25, "mx", 0, is_given=True)  # a gateway may be anything
    assert fence.allowed([named], None) == [named]


def test_prohibited_networks_are_never_connected_to() -> None:
    fence = Fence(prohibited=(ip_network("192.0.2.2/31"),))
    assert fence.allowed([BEST, MIDDLE], None) == [BEST]
    assert fence.allowed([MIDDLE, LAST], None) == NoRoute(PROHIBITED)


def test_addresses_that_the_source_cannot_reach_are_left_out() -> None:
    six = Target("2001:db8::1", 25, "mx", 1)
    assert Fence().allowed([six, BEST], ip_address("192.0.2.9")) == [BEST]
    assert Fence().allowed([six], ip_address("192.0.2.9")) == NoRoute(NO_FAMILY)
    assert Fence().allowed([six, BEST], None) == [six, BEST]


def test_which_certificates_fit() -> None:
    certificate = {"subjectAltName": (("DNS", "mx.y.test"), ("DNS", "*.z.test"), ("IP Address", "192.0.2.1"))}
    for name in ("MX.y.test", "a.z.test", "192.0.2.1"):
        assert fits(certificate, [name])
    for name in ("y.test", "z.test", "a.b.z.test", "192.0.2.2", "test"):
        assert not fits(certificate, [name])
    assert fits(certificate, ["y.test", "mx.y.test"])
    assert fits({"subjectAltName": (("DNS", "xn--bcher-kva.test"),)}, ["bücher.test"])
    assert not fits({"subject": ((("commonName", "mx.y.test"),),)}, ["mx.y.test"])


def test_a_zone_full_of_mx_records_is_not_followed_to_its_end() -> None:
    hosts = order_mx((preference, f"mx{preference}.y.test.") for preference in range(1000, 0, -1))
    assert not isinstance(hosts, NoRoute)
    assert [host.preference for host in hosts] == list(range(1, MOST_HOSTS + 1))
