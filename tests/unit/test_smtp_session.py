"""Reception, told as dialogues."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from momentum_node.config.model import InboundOptions
from momentum_node.smtp.dialogue import STEPS_AT_ONCE
from momentum_node.smtp.events import Client
from momentum_node.smtp.reply import ADDRESS_MOVES, IDLE
from momentum_node.smtp.session import Session
from tests.support.dialogue import Dialogue

OPEN = InboundOptions(open_relay=True)
TO_DATA = """
    S: 220 mx.test ESMTP momentum
    C: EHLO client.test
    P: MAIL FROM:<a@x.test>
    P: RCPT TO:<b@y.test>
    P: DATA
    S: 250-mx.test says EHLO to 192.0.2.77
    S: 250-PIPELINING
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-ENHANCEDSTATUSCODES
    S: 250-CHUNKING
    S: 250 SIZE
    S: 250 2.1.0 sender ok
    S: 250 2.1.5 recipient ok
    S: 354 ...
"""


def to_data(options: InboundOptions = OPEN) -> Dialogue:
    return Dialogue(options).run(TO_DATA)


def test_a_message_is_answered_when_the_driver_says_so() -> None:
    talk = to_data().run("R: Subject: x\\r\\n\\r\\nhi\\r\\n.\\r\\nQUIT\\r\\n")
    assert talk.is_silent()
    talk.run("""
        *: 250 kept
        S: 250 kept
        S: 221 2.0.0 ...
    """)
    ((arriving, content),) = talk.messages
    assert (arriving.sender.text, [one.text for one in arriving.recipients]) == ("a@x.test", ["b@y.test"])
    assert content == b"Subject: x\r\n\r\nhi\r\n"
    assert talk.is_closed


def test_dots_are_taken_out_and_only_crlf_dot_crlf_ends() -> None:
    talk = to_data().run("R: S: x\\r\\n\\r\\n..one\\r\\n.two\\r\\n.\\rx\\r\\n..\\r\\n.\\r\\n")
    assert talk.messages[0][1] == b"S: x\r\n\r\n.one\r\ntwo\r\n\rx\r\n.\r\n"


def test_the_end_is_found_wherever_packets_are_cut() -> None:
    wire = b"S: x\r\n\r\n..a\r\n..\r\nb\r\n.\r\n"
    for cut in range(1, len(wire)):
        talk = to_data()
        talk.send(wire[:cut])
        talk.send(wire[cut:])
        assert talk.messages[0][1] == b"S: x\r\n\r\n.a\r\n.\r\nb\r\n"
    talk = to_data()
    for byte in wire:
        talk.send(bytes([byte]))
    assert talk.messages[0][1] == b"S: x\r\n\r\n.a\r\n.\r\nb\r\n"


def test_lines_of_one_dot_may_follow_each_other_wherever_packets_are_cut() -> None:
    wire = b"S: x\r\n\r\na\r\n..\r\n..\r\n..\r\nb\r\n.\r\n"
    for cut in range(1, len(wire)):
        talk = to_data()
        talk.send(wire[:cut])
        talk.send(wire[cut:])
        assert talk.messages[0][1] == b"S: x\r\n\r\na\r\n.\r\n.\r\n.\r\nb\r\n"


@pytest.mark.parametrize("end", ["\\n.\\n", "\\n.\\r\\n", "\\r.\\r", "\\r.\\r\\n"])
def test_a_smuggled_end_ends_nothing_and_is_refused(end: str) -> None:
    """The sender's idea of where the message ends must never differ from ours, or from the next server's."""
    talk = to_data().run(f"R: S: x\\r\\n\\r\\nhi{end}MAIL FROM:<evil@x.test>\\r\\n\\r\\n.\\r\\n")
    talk.run("S: 550 5.6.0 Lone CR or LF before a dot in body ...")
    assert talk.messages == []
    assert talk.is_silent()


def test_a_smuggled_end_is_seen_across_packets() -> None:
    for cut in range(1, 4):
        talk = to_data()
        wire = b"S: x\r\n\r\nhi\n.\r\nrest\r\n.\r\n"
        at = wire.index(b"\n.\r\n") + cut
        talk.send(wire[:at])
        talk.send(wire[at:])
        talk.run("S: 550 5.6.0 ...")


def test_a_lone_lf_in_a_body_is_kept_and_in_a_header_refused() -> None:
    assert to_data().run("R: S: x\\r\\n\\r\\na\\nb\\r\\n.\\r\\n").messages[0][1].endswith(b"a\nb\r\n")
    to_data().run("R: S: x\\nT: y\\r\\n\\r\\nhi\\r\\n.\\r\\n").run("S: 550 5.6.0 Lone CR or LF in headers ...")


def test_a_message_that_went_round_too_often_is_refused() -> None:
    hops = b"Received: from somewhere\r\n" * 101
    talk = to_data()
    talk.send(hops + b"\r\nhi\r\n.\r\n")
    talk.run("S: 554 5.4.6 ...")


def test_what_is_too_large_is_refused_before_and_after_data() -> None:
    options = InboundOptions(open_relay=True, max_message_size=1000)
    talk = Dialogue(options).run("""
        S: 220 ...
        C: HELO client.test
        S: 250 ...
        C: MAIL FROM:<a@x.test> SIZE=1001
        S: 552 5.3.4 message size limit exceeded
        C: MAIL FROM:<a@x.test>
        S: 250 ...
        C: RCPT TO:<b@y.test>
        S: 250 ...
        C: DATA
        S: 354 ...
    """)
    talk.send(b"S: x\r\n\r\n" + b"y" * 1000 + b"\r\n.\r\n")
    talk.run("""
        S: 552 5.3.4 message size limit exceeded
        C: NOOP
        S: 250 ...
    """)
    assert talk.messages == []


def test_relaying_needs_a_reason() -> None:
    options = InboundOptions(relay_domains=("ours.test", "*.ours.test"), relay_for_sending_domains=("friend.test",))
    Dialogue(options).run("""
        S: 220 ...
        C: HELO client.test
        S: 250 ...
        C: MAIL FROM:<a@x.test>
        S: 250 ...
        C: RCPT TO:<b@y.test>
        S: 550 5.7.1 relaying denied
        C: RCPT TO:<b@OURS.test>
        S: 250 ...
        C: RCPT TO:<b@sub.ours.test>
        S: 250 ...
        C: RCPT TO:<b@badours.test>
        S: 550 ...
        C: RCPT TO:<postmaster>
        S: 250 ...
        C: RSET
        S: 250 ...
        C: MAIL FROM:<a@friend.test>
        S: 250 ...
        C: RCPT TO:<b@y.test>
        S: 250 ...
    """)


def test_a_client_in_relay_hosts_may_relay() -> None:
    options = InboundOptions(relay_hosts=(ip_network("192.0.2.0/24"),))
    Dialogue(options).run("""
        S: 220 ...
        C: HELO client.test
        S: 250 ...
        C: MAIL FROM:<>
        S: 250 ...
        C: RCPT TO:<b@y.test>
        S: 250 ...
    """)


def test_options_bound_recipients_and_null_senders() -> None:
    options = InboundOptions(
        open_relay=True, max_recipients_per_message=1, allow_null_envelope_sender=False, require_ehlo=True
    )
    Dialogue(options).run("""
        S: 220 ...
        C: MAIL FROM:<a@x.test>
        S: 550 5.5.1 RFC2821 HELO/EHLO needed
        C: HELO client.test
        S: 250 ...
        C: MAIL FROM:<>
        S: 550 5.7.1 null sender not accepted
        C: MAIL FROM:<a@x.test>
        S: 250 ...
        C: RCPT TO:<b@y.test>
        S: 250 ...
        C: RCPT TO:<c@y.test>
        S: 452 4.5.3 Service unavailable, recipients per message limit reached
    """)


def test_commands_out_of_order_and_malformed() -> None:
    Dialogue(OPEN).run("""
        S: 220 ...
        C: RCPT TO:<b@y.test>
        S: 503 5.5.1 bad sequence of commands
        C: EHLO
        S: 501 5.5.2 ...
        C: HELO client.test
        S: 250 ...
        C: DATA
        S: 503 ...
        C: MAIL FROM: a@x.test
        S: 501 ...
        C: MAIL FROM:<a@x.test> BODY=9BIT
        S: 501 5.5.4 ...
        C: MAIL FROM:<a@x.test> FUN=1
        S: 555 5.5.4 ...
        C: MAIL FROM:<a@@x.test>
        S: 553 5.1.7 ...
        C: MAIL FROM:<jürgen@x.test>
        S: 553 5.6.7 address needs SMTPUTF8
        C: MAIL FROM:<jürgen@x.test> SMTPUTF8
        S: 250 ...
        C: DATA
        S: 554 5.5.1 no valid recipients
    """)


def test_three_lines_that_are_no_commands_end_the_session() -> None:
    talk = Dialogue(OPEN).run("""
        S: 220 ...
        C: GET / HTTP/1.1
        S: 500 5.5.2 unrecognized command
        R: NOOP\\n
        S: 500 5.5.2 command line must end with CRLF
    """)
    talk.send(b"x" * 5000)
    talk.send(b"x" * 5000 + b"\r\n")
    talk.run("S: 421 4.7.0 ...")
    assert talk.is_closed


def test_chunks_carry_what_they_like() -> None:
    talk = Dialogue(OPEN).run("""
        S: 220 ...
        C: HELO client.test
        S: 250 ...
        C: MAIL FROM:<a@x.test>
        S: 250 ...
        C: RCPT TO:<b@y.test>
        S: 250 ...
        R: BDAT 8\\r\\nS: x\\r\\n\\r\\n
        S: 250 2.0.0 8 bytes received
        R: BDAT 5 LAST\\r\\n.\\r\\nhi
    """)
    assert talk.messages[0][1] == b"S: x\r\n\r\n.\r\nhi"
    Dialogue(OPEN).run("""
        S: 220 ...
        C: HELO client.test
        S: 250 ...
        R: BDAT 5 LAST\\r\\nQUITxNOOP\\r\\n
        S: 503 5.5.1 bad sequence of commands
        S: 250 ...
    """)
    Dialogue(InboundOptions(require_ehlo=True)).run("""
        S: 220 ...
        R: BDAT 5 LAST\\r\\nQUITxNOOP\\r\\n
        S: 503 5.5.1 bad sequence of commands
        S: 250 ...
        C: MAIL FROM:<a@x.test>
        S: 550 5.5.1 RFC2821 HELO/EHLO needed
    """)


@pytest.mark.parametrize("command", ["RSET", "EHLO client.test", "HELO client.test"])
def test_chunks_of_a_transaction_that_was_given_up_are_in_no_other(command: str) -> None:
    envelope = "MAIL FROM:<a@x.test>\\r\\nRCPT TO:<b@y.test>\\r\\n"
    talk = Dialogue(OPEN).run(f"R: HELO client.test\\r\\n{envelope}BDAT 8\\r\\nS: x\\r\\n\\r\\n")
    talk.run(f"R: {command}\\r\\n{envelope}BDAT 8 LAST\\r\\nS: y\\r\\n\\r\\n")
    assert [content for _, content in talk.messages] == [b"S: y\r\n\r\n"]


def test_a_session_on_an_address_that_moves_finishes_its_message_first() -> None:
    talk = to_data()
    talk.perform(talk.session.end(ADDRESS_MOVES))
    assert not talk.is_closed
    talk.run("""
        R: S: x\\r\\n\\r\\nhi\\r\\n.\\r\\n
        *: 250 kept
        S: 250 kept
        S: 421 4.3.2 ...
    """)
    assert talk.is_closed


def test_a_session_that_is_to_end_ends_after_a_chunk_that_is_refused() -> None:
    talk = Dialogue(OPEN).run("S: 220 ...").run("R: HELO client.test\\r\\nBDAT 5\\r\\nhel")
    talk.perform(talk.session.end(ADDRESS_MOVES))
    talk.run("R: lo").run("S: 250 ...").run("S: 503 5.5.1 ...").run("S: 421 4.3.2 ...")
    assert talk.is_closed


def test_an_idle_session_is_told_why_it_ends() -> None:
    talk = Dialogue(OPEN).run("S: 220 ...")
    talk.perform(talk.session.end(IDLE))
    talk.run("S: 421 4.4.2 ...")
    assert talk.is_closed


def test_addresses_without_domain_are_completed_where_an_option_names_one() -> None:
    options = InboundOptions(
        open_relay=True, unqualified_sender_domain="from.test", unqualified_recipient_domain="to.test"
    )
    talk = Dialogue(options).run("""
        S: 220 ...
        C: HELO client.test
        S: 250 ...
        C: MAIL FROM:<ann>
        S: 250 ...
        C: RCPT TO:<postmaster>
        S: 250 ...
        C: RCPT TO:<bob@y.test>
        S: 250 ...
        C: DATA
        S: 354 ...
        R: S: x\\r\\n\\r\\nhi\\r\\n.\\r\\n
    """)
    ((arriving, _),) = talk.messages
    assert arriving.sender.text == "ann@from.test"
    assert [one.text for one in arriving.recipients] == ["postmaster@to.test", "bob@y.test"]
    Dialogue(OPEN).run("""
        S: 220 ...
        C: HELO client.test
        S: 250 ...
        C: MAIL FROM:<ann>
        S: 553 5.1.7 malformed address
    """)


def test_address_literals_are_refused_where_an_option_says_so() -> None:
    script = """
        S: 220 ...
        C: HELO client.test
        S: 250 ...
        C: MAIL FROM:<a@x.test>
        S: 250 ...
        C: RCPT TO:<b@[192.0.2.1]>
    """
    Dialogue(OPEN).run(script + "S: 250 2.1.5 recipient ok")
    Dialogue(InboundOptions(open_relay=True, allow_ip_literal=False)).run(script + "S: 553 5.1.3 malformed address")


def test_blanks_behind_a_command_are_taken_away_where_an_option_says_so() -> None:
    talk = Dialogue(OPEN).run("S: 220 ...").run("R: RSET  \\r\\n")
    talk.run("S: 501 5.5.2 syntax error")
    talk = Dialogue(InboundOptions(allow_trailing_whitespace=True)).run("S: 220 ...").run("R: RSET  \\r\\n")
    talk.run("S: 250 2.0.0 reset ok")


@pytest.mark.parametrize(
    ("is_pedantic", "answer"), [(True, "553 5.1.7 malformed address"), (False, "250 2.1.0 sender ok")]
)
def test_odd_addresses_are_refused_unless_the_options_say_otherwise(is_pedantic: bool, answer: str) -> None:
    Dialogue(replace(OPEN, pedantic_addresses=is_pedantic)).run(f"""
        S: 220 ...
        C: HELO pc7
        S: 250 ...
        C: MAIL FROM:<a..b@x.test>
        S: {answer}
    """)


def test_of_many_commands_in_one_packet_some_are_worked_on_before_others_have_their_turn() -> None:
    session = Session(Client(ip_address("192.0.2.77"), InboundOptions(), "mx.test", "momentum"))
    session.output()
    session.receive(b"NOOP\r\n" * (2 * STEPS_AT_ONCE) + b"VRFY a\r\nNO")
    assert session.has_more
    assert session.is_behind
    assert session.output().count(b"250 ") == STEPS_AT_ONCE
    session.receive(b"OP\r\n")
    assert session.output().count(b"250 ") == STEPS_AT_ONCE
    session.go_on()
    assert [line[:3] for line in session.output().splitlines()] == [b"252", b"250"]
    assert not session.has_more
