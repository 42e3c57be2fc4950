"""Where mail goes: MX records of a name server on loopback."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from momentum_node.smtp.resolver import MOST_TARGETS, Patience, Resolver
from momentum_node.smtp.routes import DOMAIN_UNKNOWN, LOOKUP_FAILED, NO_HOST, NULL_MX, NoRoute, Target, stops_of
from tests.support.nameserver import NameServer, name_server

ZONE = {
    ("two.test.", "MX"): ["20 b.two.test.", "10 a.two.test."],
    ("a.two.test.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("b.two.test.", "A"): ["192.0.2.3"],
    ("plain.test.", "A"): ["192.0.2.4"],
    ("refuses.test.", "MX"): ["0 ."],
    ("hostless.test.", "TXT"): ['"x"'],
    ("xn--bcher-kva.test.", "A"): ["192.0.2.5"],
    ("silent.test.", "A"): ["192.0.2.6"],
    ("both.test.", "A"): ["192.0.2.7"],
    ("both.test.", "AAAA"): ["2001:db8::7"],
    ("half.test.", "MX"): ["10 lost.test.", "20 plain.test."],
    ("deaf.test.", "A"): ["192.0.2.8"],
}
BROKEN = {("silent.test.", "MX"), ("lost.test.", "MX"), ("lost.test.", "A"), ("deaf.test.", "AAAA")}


@pytest.fixture
async def server() -> AsyncIterator[tuple[NameServer, Resolver]]:
    async with name_server(ZONE, BROKEN) as (protocol, port):
        yield protocol, Resolver(["127.0.0.1"], port)


async def addresses(resolver: Resolver, domain: str) -> list[str] | NoRoute:
    found = await resolver.targets(stops_of(domain, None, (), 25))
    return found if isinstance(found, NoRoute) else [target.address for target in found]


async def by_gateway(resolver: Resolver, gateway: str) -> list[Target]:
    found = await resolver.targets(stops_of("x.test", gateway, (), 25))
    assert not isinstance(found, NoRoute)
    return found


async def test_mx_records_in_order_and_their_addresses(server: tuple[NameServer, Resolver]) -> None:
    found = await addresses(server[1], "two.test")
    assert not isinstance(found, NoRoute)
    assert (sorted(found[:2]), found[2:]) == (["192.0.2.1", "192.0.2.2"], ["192.0.2.3"])


async def test_without_mx_the_domain_itself_is_the_host(server: tuple[NameServer, Resolver]) -> None:
    assert await addresses(server[1], "plain.test") == ["192.0.2.4"]
    assert await addresses(server[1], "bücher.test") == ["192.0.2.5"]


async def test_domains_that_take_no_mail(server: tuple[NameServer, Resolver]) -> None:
    assert await addresses(server[1], "refuses.test") == NoRoute(NULL_MX)
    assert await addresses(server[1], "nowhere.test") == NoRoute(DOMAIN_UNKNOWN)
    assert await addresses(server[1], "hostless.test") == NoRoute(NO_HOST)


async def test_one_question_for_many_who_ask(server: tuple[NameServer, Resolver]) -> None:
    await asyncio.gather(*(addresses(server[1], "plain.test") for _ in range(50)))
    await addresses(server[1], "plain.test")
    assert server[0].questions == 2  # MX, A


async def test_literals_and_gateways_need_no_name_server() -> None:
    resolver = Resolver(["127.0.0.1"], 1)
    assert await addresses(resolver, "[192.0.2.9]") == ["192.0.2.9"]
    assert await addresses(resolver, "[ipv6:2001:db8::9]") == ["2001:db8::9"]
    (gateway,) = await by_gateway(resolver, "192.0.2.9:2525")
    assert (gateway.address, gateway.port, gateway.is_given) == ("192.0.2.9", 2525, True)
    (six,) = await by_gateway(resolver, "[2001:db8::1]:26")
    assert (six.address, six.port) == ("2001:db8::1", 26)


async def test_mx_records_that_are_not_told_are_done_without_after_a_while(server: tuple[NameServer, Resolver]) -> None:
    """MX_Failures_Fallback_To_A."""
    stops, patience = stops_of("silent.test", None, (), 25), Patience(mx_failures=2)
    found = [await server[1].targets(stops, patience) for _ in range(4)]
    assert found[:2] == [NoRoute(LOOKUP_FAILED, 1), NoRoute(LOOKUP_FAILED, 1)]
    assert found[2] == found[3] == [Target("192.0.2.6", 25, "silent.test", 0, "silent.test")]


async def test_look_ups_that_fail_are_counted_by_periods(server: tuple[NameServer, Resolver]) -> None:
    """DNS_Failures_To_Purge counts periods of Retry_Interval: a busy domain does not use them up in a second."""
    stops = stops_of("lost.test", None, (), 25)
    assert [await server[1].targets(stops, Patience(period_s=3600)) for _ in range(3)] == [
        NoRoute(LOOKUP_FAILED, 1)
    ] * 3
    assert [await server[1].targets(stops, Patience(period_s=0)) for _ in range(2)] == [
        NoRoute(LOOKUP_FAILED, 2),
        NoRoute(LOOKUP_FAILED, 3),
    ]


async def test_two_workers_count_together(server: tuple[NameServer, Resolver]) -> None:
    one, other = server[1], Resolver(["127.0.0.1"], server[0].port)
    one.on_counted, other.on_counted = other.heed, one.heed
    stops, patience = stops_of("silent.test", None, (), 25), Patience(mx_failures=2)
    found = [await asking.targets(stops, patience) for asking in (one, other, one)]
    assert found[:2] == [NoRoute(LOOKUP_FAILED, 1), NoRoute(LOOKUP_FAILED, 1)]
    assert found[2] == [Target("192.0.2.6", 25, "silent.test", 0, "silent.test")]
    server[0].broken = set()
    await other.targets(stops, patience)
    server[0].broken = BROKEN
    assert await one.targets(stops, patience) == NoRoute(LOOKUP_FAILED, 1)


async def test_a_host_that_the_dns_tells_nothing_of_does_not_keep_mail_from_the_others(
    server: tuple[NameServer, Resolver],
) -> None:
    assert await addresses(server[1], "half.test") == ["192.0.2.4"]
    server[1].use_ipv6 = True
    assert await addresses(server[1], "deaf.test") == ["192.0.2.8"]


async def test_ipv6_addresses_are_asked_for_where_they_are_wanted(server: tuple[NameServer, Resolver]) -> None:
    assert await addresses(server[1], "both.test") == ["192.0.2.7"]
    server[1].use_ipv6 = True
    assert await addresses(server[1], "both.test") == ["192.0.2.7", "2001:db8::7"]


async def test_several_stops_are_one_list(server: tuple[NameServer, Resolver]) -> None:
    stops = stops_of("two.test", None, ("192.0.2.99", "__mx__", "smtp://two.test?type=a"), 25)
    found = await server[1].targets(stops)
    assert not isinstance(found, NoRoute)
    assert [(one.address, one.preference) for one in sorted(found, key=lambda one: (one.preference, one.address))] == [
        ("192.0.2.99", 0),
        ("192.0.2.1", 1),
        ("192.0.2.2", 1),
        ("192.0.2.3", 2),
    ]


async def test_what_is_forgotten_is_asked_for_again(server: tuple[NameServer, Resolver]) -> None:
    for name, questions in (("two.test", 3), (None, 3), ("plain.test", 0)):
        await addresses(server[1], "two.test")
        before = server[0].questions
        server[1].forget(name)
        await addresses(server[1], "two.test")
        assert server[0].questions - before == questions


async def test_that_there_is_no_such_domain_is_forgotten_too(server: tuple[NameServer, Resolver]) -> None:
    assert await addresses(server[1], "new.test") == NoRoute(DOMAIN_UNKNOWN)
    server[0].zone = {("new.test.", "A"): ["192.0.2.10"]}
    assert await addresses(server[1], "new.test") == NoRoute(DOMAIN_UNKNOWN)  # the answer is kept
    server[1].forget("new.test")
    assert await addresses(server[1], "new.test") == ["192.0.2.10"]


@pytest.mark.parametrize(
    ("ttl", "least_s", "most_s", "questions"), [(300, 0, 3600, 2), (300, 0, 0, 4), (0, 0, 3600, 4), (0, 60, 3600, 2)]
)
async def test_answers_are_kept_as_long_as_the_dns_says_within_limits(
    server: tuple[NameServer, Resolver], ttl: int, least_s: float, most_s: float, questions: int
) -> None:
    server[0].zone = {("kept.test.", "MX"): ["10 kept.test."], ("kept.test.", "A"): ["192.0.2.11"]}
    server[0].ttl = ttl
    server[1].keep_answers(least_s, most_s)
    for _ in range(2):
        assert await addresses(server[1], "kept.test") == ["192.0.2.11"]
    assert server[0].questions == questions


async def test_a_zone_full_of_addresses_is_not_followed_to_its_end(server: tuple[NameServer, Resolver]) -> None:
    many = [f"192.0.2.{number}" for number in range(256)]
    server[0].zone = {("full.test.", "MX"): ["10 full.test.", "20 other.test."], ("full.test.", "A"): many}
    found = await addresses(server[1], "full.test")
    assert not isinstance(found, NoRoute)
    assert len(found) == MOST_TARGETS
    assert server[0].questions == 2  # nobody needs the second host


async def test_mail_does_not_wait_for_the_last_of_many_slow_hosts(
    server: tuple[NameServer, Resolver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("momentum_node.smtp.resolver.ASKING_S", 0.0)
    found = await addresses(server[1], "two.test")
    assert not isinstance(found, NoRoute)
    assert sorted(found) == ["192.0.2.1", "192.0.2.2"]  # not those of the worse host


async def test_the_hosts_of_a_route_are_kept_as_long_as_it_says(server: tuple[NameServer, Resolver]) -> None:
    server[0].ttl = 0
    for route, questions in (("smtp://plain.test?type=a&ttl=3600", 1), ("smtp://plain.test?type=a", 3)):
        stops, before = stops_of("x.test", None, (route,), 25), server[0].questions
        for _ in range(3):
            found = await server[1].targets(stops)
            assert not isinstance(found, NoRoute)
            assert [one.address for one in found] == ["192.0.2.4"]
        assert server[0].questions - before == questions
    server[1].forget("plain.test")
    await server[1].targets(stops_of("x.test", None, ("smtp://plain.test?type=a&ttl=3600",), 25))
    assert server[0].questions == 5
