"""Which value counts: the eight levels of delivery, the levels of reception, and 2.x rule lists."""

import time
from ipaddress import IPv4Address, IPv6Address

import pytest

from momentum_node.config.lookup import first_set
from momentum_node.config.lookup_outbound import OutboundLookup
from momentum_node.config.model import Address, InboundOptions
from tests.support.configuration import loaded

G40 = "Max_Outbound_Connections = 40  Domain a.test { Max_Outbound_Connections = 20 }  Domain b.test {}"
EXPIRATION = """
    Message_Expiration = 900
    Binding B1 { Message_Expiration = 300 }
    Binding B2 { Domain c.test {} }
    Domain a.test { Message_Expiration = 60 }
"""
GROUPS = """
    Retry_Interval = 30
    Binding_Group g {
      Retry_Interval = 5
      Binding b { Retry_Interval = 15  Domain d {} }
      Binding other {}
    }
    Binding_Group h { Binding stranger {} }
"""
DOMAIN_OF_GROUP = "Binding_Group g { Domain d { Retry_Interval = 7 }  Binding b { Retry_Interval = 9 } }"


@pytest.mark.parametrize(
    ("text", "binding", "domain", "option", "expected"),
    [
        (G40, "default", "b.test", "max_outbound_connections", 40),
        (G40, "default", "A.Test.", "max_outbound_connections", 20),
        (EXPIRATION, "B1", "a.test", "message_expiration", 300),
        (EXPIRATION, "B2", "a.test", "message_expiration", 60),
        (GROUPS, "b", "d", "retry_interval", 15),
        (GROUPS, "other", "d", "retry_interval", 5),
        (GROUPS, "stranger", "d", "retry_interval", 30),
        (DOMAIN_OF_GROUP, "b", "d", "retry_interval", 7),
        ('Binding_Group "default" { Retry_Interval = 8 }  Binding b {}', "b", "d", "retry_interval", 8),
    ],
)
def test_the_first_level_that_sets_an_option_wins(
    text: str, binding: str, domain: str, option: str, expected: int
) -> None:
    levels = OutboundLookup(loaded(text).tree).levels(binding, domain)

    setting = first_set(levels, option)

    assert setting is not None
    assert setting.decoded == expected


def test_a_regex_domain_is_asked_for_what_the_exact_one_does_not_set() -> None:
    options = loaded("Domain a.test { Retry_Interval = 1 }  Domain /test$/ { Retry_Interval = 2  Connect_Timeout = 3 }")

    assert options.outbound("default", "a.test").retry_interval_s == 1
    assert options.outbound("default", "a.test").connect_timeout_s == 3
    assert options.outbound("default", "b.test").retry_interval_s == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", (None, True)), ("Max_Retries = none", (None, False)), ("Max_Retries = 4", (4, False))],
)
def test_the_number_of_retries_is_automatic_none_or_given(text: str, expected: tuple[int | None, bool]) -> None:
    options = loaded(text).outbound("default", "a.test")

    assert (options.max_retries, options.retries_are_automatic) == expected


def inbound(text: str, client: str) -> InboundOptions:
    configuration = loaded(text)
    address: Address = IPv6Address(client) if ":" in client else IPv4Address(client)
    return configuration.inbound(configuration.node.listeners[0], address)


LEVELS = """
    Require_EHLO = true
    ESMTP_Listener {
      Idle_Time = 10
      Peer 10.0.0.0/8 { Idle_Time = 20  Max_Message_Size = 1 }
      Listen ":25" {
        Idle_Time = 30
        Listener_Sessions = 4
        Peer 10.1.0.0/16 { Idle_Time = 40 }
        Peer 10.1.1.0/24 { Max_Recipients_Per_Message = 5 }
      }
    }
"""


def test_the_narrowest_peer_of_the_socket_comes_first_then_outwards() -> None:
    options = inbound(LEVELS, "10.1.1.1")

    assert options.idle_time_s == 40
    assert options.max_recipients_per_message == 5
    assert options.max_message_size == 1
    assert options.listener_sessions == 4
    assert options.require_ehlo


def test_a_peer_of_the_listener_beats_the_socket() -> None:
    assert inbound(LEVELS, "10.9.0.1").idle_time_s == 20
    assert inbound(LEVELS, "192.0.2.1").idle_time_s == 30
    assert inbound(LEVELS, "::ffff:10.1.0.1").idle_time_s == 40


RULES = """
    Relay_Hosts = ( 192.0.2.1 )
    ESMTP_Listener = ( *:25 [
      10.1.0.0/16 = ( limits [ idle_time = 1 ] continue )
      10.0.0.0/8 = ( limits [ idle_time = 2 message_size = 9 ] )
      0.0.0.0/0 = ( limits [ idle_time = 3 ] relay_hosts ( 10.0.0.5 ) )
    ] )
"""


def test_rules_are_walked_in_file_order_and_the_later_value_wins() -> None:
    assert inbound(RULES, "10.1.0.1").idle_time_s == 2
    assert inbound(RULES, "10.1.0.1").max_message_size == 9
    assert inbound(RULES, "198.51.100.1").idle_time_s == 3


def test_a_rule_adds_its_relay_hosts_to_the_global_ones() -> None:
    hosts = [str(network) for network in inbound(RULES, "198.51.100.1").relay_hosts]

    assert hosts == ["192.0.2.1/32", "10.0.0.5/32"]
    assert [str(network) for network in inbound(RULES, "10.2.0.1").relay_hosts] == ["192.0.2.1/32"]


def test_rules_that_peers_can_say_become_peers() -> None:
    text = "ESMTP_Listener = ( *:25 [ 0.0.0.0/0 = ( limits [ idle_time = 1 ] continue ) 10.0.0.0/8 = ( ) ] )"
    tree = loaded(text).tree
    listen = next((tree.only("esmtp_listener") or tree).all("listen"))

    assert not listen.acl
    assert [peer.instance for peer in listen.all("peer")] == ["0.0.0.0/0", "10.0.0.0/8"]


def test_asked_again_an_answer_is_the_same_object() -> None:
    configuration = loaded(LEVELS)
    listener = configuration.node.listeners[0]

    assert configuration.outbound("default", "a.test") is configuration.outbound("default", "a.test")
    assert configuration.inbound(listener, IPv4Address("10.0.0.1")) is configuration.inbound(
        listener, IPv4Address("10.0.0.1")
    )


def test_ten_thousand_rules_are_not_walked_for_each_client() -> None:
    rules = " ".join(f"10.{i >> 8}.{i & 255}.0/24 = ( limits [ idle_time = {i} ] )" for i in range(10_000))
    configuration = loaded(f"ESMTP_Listener = ( *:25 [ {rules} 0.0.0.0/0 = ( continue ) ] )")
    listener = configuration.node.listeners[0]

    started = time.process_time()
    found = [configuration.inbound(listener, IPv4Address(f"10.{i}.7.9")).idle_time_s for i in range(39)]

    assert found == [float((i << 8) + 7) for i in range(39)]
    assert time.process_time() - started < 0.2


def test_what_delays_and_parts_mail_is_looked_up_by_domain() -> None:
    configuration = loaded("""
        Connect_Timeout_To_Delay = 60
        Domain slow.test { MX_Failures_To_Delay = 3  Max_Recipients_Per_Batch = 20 }
    """)
    slow, other = configuration.outbound("default", "slow.test"), configuration.outbound("default", "b.test")

    assert (slow.connect_timeout_to_delay_s, slow.mx_failures_to_delay, slow.max_recipients_per_batch) == (60, 3, 20)
    assert (other.connect_timeout_to_delay_s, other.mx_failures_to_delay, other.max_recipients_per_batch) == (
        60,
        50,
        100,
    )


def test_where_the_node_may_connect() -> None:
    node = loaded("Use_IPv6 = on Prohibited_Hosts = ( 10.0.0.0/8 fd00::/8 ) Default_Binding = NONE").node

    assert (node.use_ipv6, [str(network) for network in node.prohibited_hosts]) == (True, ["10.0.0.0/8", "fd00::/8"])
    assert node.default_binding == "none"
    plain = loaded("").node
    assert (plain.use_ipv6, plain.prohibited_hosts, plain.default_binding) == (False, (), "normal")
