"""What a queue makes of hosts and look-ups that fail, and how much one connection may carry."""

from typing import cast

import pytest

from momentum_node.config.model import OutboundOptions
from momentum_node.smtp.hosts import NO_CONNECTION, Silence
from momentum_node.smtp.opening import tls_failed
from momentum_node.smtp.outbound import Connection
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.routes import DOMAIN_UNKNOWN, LOOKUP_FAILED, NULL_MX, NoRoute
from momentum_node.spool.line import STILL_S, Hand, Line
from momentum_node.spool.schedule import TOO_OLD, Key, Queue, Untried
from tests.support.configuration import loaded
from tests.support.queued import message


def line(text: str = "") -> Line:
    return Line.of(Queue(Key("default", "y.test")), loaded(text))


def test_mail_waits_for_hosts_that_do_not_answer_until_it_is_delayed() -> None:
    one = line("Connect_Timeout_To_Delay = 300")
    assert one.no_contact(Silence(NO_CONNECTION, 1, until=120), now=0) is None
    assert one.rest_until == 120
    assert one.no_contact(Silence(NO_CONNECTION, 2, until=240), now=120) is None
    assert one.no_contact(Silence(NO_CONNECTION, 3, until=360), now=240) is None
    assert one.rest_until == 300  # not later than when it is to be judged
    assert one.no_contact(Silence(NO_CONNECTION, 3, until=360), now=300) == NO_CONNECTION
    one.reached()
    assert one.no_contact(Silence(NO_CONNECTION, 1, until=520), now=400) is None


@pytest.mark.parametrize(("most", "failures", "told"), [(3, 2, None), (3, 3, NO_CONNECTION), (0, 99, None)])
def test_mail_is_delayed_when_every_host_failed_so_often(most: int, failures: int, told: Reply | None) -> None:
    one = line(f"MX_Failures_To_Delay = {most}")
    assert one.no_contact(Silence(NO_CONNECTION, failures, until=10), now=0) == told


def test_mail_that_needs_tls_is_delayed_at_once() -> None:
    why = tls_failed("certificate has expired")
    assert line().no_contact(Silence(why, 1, until=10), now=0) == why


@pytest.mark.parametrize(
    ("purge", "failures", "told"), [(3, 2, LOOKUP_FAILED), (3, 3, DOMAIN_UNKNOWN), (0, 9, LOOKUP_FAILED)]
)
def test_mail_comes_back_when_look_ups_fail_for_too_long(purge: int, failures: int, told: Reply) -> None:
    one = line(f"DNS_Failures_To_Purge = {purge} Host_Failure_Retry = 60")
    assert one.no_route(NoRoute(LOOKUP_FAILED, failures), now=100) == told
    assert one.rest_until == 160


def test_an_answer_that_there_is_no_mail_host_is_passed_on() -> None:
    one = line()
    assert one.no_route(NoRoute(NULL_MX), now=100) == NULL_MX
    assert one.rest_until == 0


def test_what_grows_too_old_where_its_address_is_nowhere_does_not_wait_for_a_last_try() -> None:
    one = line("Message_Expiration = 1000")
    assert one.untried(5000) is None  # it may be tried
    one.source_is(False, 5000)
    assert one.untried(5000 + STILL_S - 1) is None  # nodes come and go
    one.source_missing(5010)
    assert one.untried(5000 + STILL_S) == Untried(TOO_OLD, 4000 + STILL_S)
    one.source_is(True, 5100)
    assert one.untried(9000) is None


@pytest.mark.parametrize("text", ["Suspend_Delivery = true", "Default_Binding = suspended"])
def test_what_waits_by_order_grows_old(text: str) -> None:
    one = line(f"{text} Message_Expiration = 1000")
    assert one.is_suspended
    assert one.untried(5000) == Untried(TOO_OLD, 4000)


def test_a_reload_that_shortens_the_life_of_mail_counts_for_what_waits() -> None:
    one = line("Message_Expiration = 1000")
    waiting = message("delayed", next_attempt=900)
    one.queue.delayed.add(waiting)
    one.refresh(loaded("Message_Expiration = 500"))
    assert one.queue.delayed.next_due == 500


class Used:
    """What a hand looks at of a connection."""

    def __init__(self, delivered: int = 0, recipients: int = 0, room: int | None = None) -> None:
        self.delivered, self.recipients, self.room = delivered, recipients, room


def hand(options: str) -> Hand:
    one = line(options)
    return Hand(one, one.way)


@pytest.mark.parametrize(
    ("options", "used", "batch"),
    [("", Used(99, 999), 100), ("Max_Recipients_Per_Batch = 7", Used(), 7),
     ("Max_Recipients_Per_Connection = 10", Used(1, 6), 4), ("Max_Recipients_Per_Batch = 7", Used(1, 9, 2), 2),
     ("Max_Recipients_Per_Connection = 10 Max_Recipients_Per_Batch = 3", Used(1, 6), 3)],
)  # fmt: skip
def test_how_many_recipients_the_next_transaction_has(options: str, used: Used, batch: int) -> None:
    connection = cast("Connection", used)
    assert not hand(options).is_used_up(connection)
    assert hand(options).batch(connection) == batch


@pytest.mark.parametrize(
    ("options", "used"),
    [("Max_Recipients_Per_Connection = 10", Used(1, 10)), ("Max_Deliveries_Per_Connection = 2", Used(2, 2))],
)
def test_a_connection_that_had_its_share_ends(options: str, used: Used) -> None:
    assert hand(options).is_used_up(cast("Connection", used))


def test_another_way_uses_up_the_connections_of_the_old_one() -> None:
    one = line('Domain y.test { Routes = ( "a.test" ) }')
    there = Hand(one, one.way)
    one.refresh(loaded('Domain y.test { Routes = ( "b.test" ) }'))
    assert there.is_used_up(cast("Connection", Used()))


def test_a_connection_in_the_clear_carries_nothing_once_tls_is_required() -> None:
    one = line("TLS = ifavailable")
    there = Hand(one, one.way)
    one.refresh(loaded("TLS = required"))
    assert there.is_used_up(cast("Connection", Used()))


def test_lmtp_goes_to_its_own_port() -> None:
    way = line('Delivery_Method = LMTP Domain y.test { Routes = ( "192.0.2.1" ) }').way
    assert (way.method, way.stops[0].port) == ("LMTP", 2003)


def test_options_of_delivery_have_their_defaults() -> None:
    assert line().options == OutboundOptions()
