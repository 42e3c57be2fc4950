"""Which next hop is tried next, and what is said when none is left."""

from momentum_node.smtp.hosts import NO_CONNECTION, Hosts
from momentum_node.smtp.opening import STARTTLS_MISSING
from momentum_node.smtp.reply import reply
from momentum_node.smtp.routes import Target

BEST, TWIN, WORSE = (
    Target("192.0.2.1", 25, "a", 10),
    Target("192.0.2.3", 25, "a", 10),
    Target("192.0.2.2", 25, "b", 20),
)
REFUSED = reply(451, "4.4.1", "[internal] 192.0.2.1: Connection refused")


def test_hosts_that_failed_rest_and_worse_ones_take_over() -> None:
    hosts = Hosts()
    assert hosts.usable([WORSE, BEST], now=0) == [BEST, WORSE]
    hosts.failed(BEST.address, REFUSED, rest_s=10, now=0)
    assert hosts.usable([WORSE, BEST], now=9) == [WORSE]
    assert hosts.usable([WORSE, BEST], now=10) == [BEST, WORSE]


def test_among_equals_the_one_with_fewer_connections() -> None:
    hosts = Hosts()
    hosts.opened(BEST.address)
    assert hosts.usable([BEST, TWIN], now=0) == [TWIN, BEST]
    hosts.opened(TWIN.address)
    hosts.opened(TWIN.address)
    assert hosts.usable([BEST, TWIN], now=0) == [BEST, TWIN]


def test_equals_take_turns_when_one_connection_comes_after_the_other() -> None:
    hosts, tried = Hosts(), []
    for _ in range(4):
        best = hosts.usable([WORSE, TWIN, BEST], now=0)[0]
        tried.append(best)
        hosts.opened(best.address)
        hosts.closed(best.address)
    assert tried == [TWIN, BEST, TWIN, BEST]


def test_connections_that_fail_together_are_one_failure() -> None:
    hosts = Hosts()
    for now in (0, 0, 1, 10, 11, 20):
        hosts.failed(BEST.address, REFUSED, rest_s=10, now=now)
    assert hosts.silence([BEST], now=20).failures == 3  # at 0, at 10 and at 20


def test_a_domain_has_failed_as_often_as_its_best_host() -> None:
    hosts = Hosts()
    for now in (0, 100, 200):
        hosts.failed(BEST.address, REFUSED, rest_s=10, now=now)
    hosts.failed(WORSE.address, NO_CONNECTION, rest_s=50, now=200)
    silence = hosts.silence([BEST, WORSE], now=201)
    assert (silence.failures, silence.until, silence.why) == (1, 210, NO_CONNECTION)
    hosts.reached(BEST.address)
    assert hosts.silence([BEST, WORSE], now=201).failures == 0


def test_a_rest_of_nothing_is_still_a_rest() -> None:
    hosts = Hosts()
    hosts.failed(BEST.address, REFUSED, rest_s=0, now=0)
    assert hosts.usable([BEST], now=0.5) == []
    assert hosts.usable([BEST], now=1) == [BEST]


def test_a_host_that_gets_no_tls_gets_it_offered_again_later() -> None:
    hosts = Hosts()
    hosts.tls_failed(BEST.address, rest_s=10, now=0)
    assert hosts.is_plain(BEST.address, now=9)
    assert hosts.usable([BEST], now=1) == [BEST]
    assert not hosts.is_plain(BEST.address, now=10)


def test_a_host_without_tls_rests_for_those_only_who_need_it() -> None:
    hosts = Hosts()
    hosts.failed(BEST.address, STARTTLS_MISSING, rest_s=10, now=0, manner="needs TLS")
    assert hosts.usable([BEST], now=1) == [BEST]
    assert hosts.usable([BEST], now=1, manner="needs TLS") == []
    assert hosts.silence([BEST], now=1, manner="needs TLS").why == STARTTLS_MISSING
    hosts.failed(BEST.address, REFUSED, rest_s=20, now=1)
    assert hosts.usable([BEST], now=2, manner="something else") == []
    assert hosts.silence([BEST], now=2, manner="needs TLS").why == REFUSED
    hosts.reached(BEST.address, manner="needs TLS")
    assert hosts.usable([BEST], now=2, manner="needs TLS") == [BEST]


def test_news_of_a_host_are_news_once() -> None:
    hosts = Hosts()
    assert [hosts.failed(BEST.address, REFUSED, rest_s=10, now=now) for now in (0, 5, 10)] == [1, 0, 2]
    assert hosts.reached(BEST.address)
    assert not hosts.reached(BEST.address)


def test_rests_that_another_worker_counted_go_on_here() -> None:
    hosts = Hosts()
    hosts.failed(BEST.address, REFUSED, rest_s=10, now=0, counted=7)
    hosts.failed(BEST.address, REFUSED, rest_s=10, now=5, counted=8)  # he had missed one
    assert hosts.failed(BEST.address, REFUSED, rest_s=10, now=10) == 9
