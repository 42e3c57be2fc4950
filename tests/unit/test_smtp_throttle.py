"""Inbound_Throttle_Messages in a session: a MAIL FROM waits for its turn, and everything behind it waits too."""

from ipaddress import ip_address

import pytest

from momentum_node.config.model import InboundOptions, Rate
from momentum_node.smtp.events import AwaitTurn
from tests.support.configuration import loaded
from tests.support.dialogue import Dialogue

RATE = Rate(1, 10, "Global")


def waiting() -> Dialogue:
    talk = Dialogue(InboundOptions(throttle_messages=RATE, open_relay=True))
    talk.run("""
        S: 220 ...
        C: HELO pc7
        S: 250 ...
    """)
    events = talk.session.receive(b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n")
    assert events == [AwaitTurn(RATE)]
    assert talk.is_silent()
    return talk


def test_the_answer_comes_with_the_turn_and_then_those_to_what_was_pipelined() -> None:
    talk = waiting()
    talk.perform(talk.session.may_begin(True))
    talk.run("""
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
    """)


def test_who_would_wait_too_long_may_try_again() -> None:
    talk = waiting()
    talk.perform(talk.session.may_begin(False))
    talk.run("""
        S: 451 4.3.2 Service unavailable, messages arrive too fast, try again later
        S: 503 5.5.1 bad sequence of commands
    """)
    assert talk.session.receive(b"MAIL FROM:<a@x.test>\r\n") == [AwaitTurn(RATE)]


def test_a_sender_that_is_refused_takes_no_turn() -> None:
    talk = Dialogue(InboundOptions(throttle_messages=RATE))
    talk.run("""
        S: 220 ...
        C: HELO pc7
        S: 250 ...
        C: MAIL FROM:<no address>
        S: 553 5.1.7 malformed address
    """)


PATHWAYS = """
    Inbound_Throttle_Messages = 9
    Pathway_Group partners { Inbound_Throttle_Messages = "5/60"
        Pathway shop { Inbound_Throttle_Messages = "2/10" } Pathway other {} }
    Pathway free { Inbound_Throttle_Messages = 0 }
    Pathway plain {}
    ESMTP_Listener { Listen "*:25" {
        Peer "192.0.2.1" { Pathway = shop } Peer "192.0.2.2" { Pathway = other }
        Peer "192.0.2.3" { Pathway = free } Peer "192.0.2.4" { Pathway = plain } } }
"""


@pytest.mark.parametrize(
    ("client", "rate"),
    [("192.0.2.1", Rate(2, 10, "Pathway:shop")), ("192.0.2.2", Rate(5, 60, "Pathway_Group:partners")),
     ("192.0.2.3", None), ("192.0.2.4", Rate(9, 1, "Global")), ("192.0.2.5", Rate(9, 1, "Global"))],
)  # fmt: skip
def test_the_counter_is_that_of_the_scope_in_which_the_value_stands(client: str, rate: Rate | None) -> None:
    configuration = loaded(PATHWAYS)
    options = configuration.inbound(configuration.node.listeners[0], ip_address(client))
    assert options.throttle_messages == rate
