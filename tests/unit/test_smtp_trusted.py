"""XREMOTEIP, XSETCONTEXT, XDUMPCONTEXT, and `Context`: who may say them, and what follows."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from momentum_node.config.model import InboundOptions
from momentum_node.smtp.context import kept_context
from momentum_node.smtp.events import Become, Client, Refused, State
from momentum_node.smtp.xclient import Attributes, from_xtext, to_xtext
from tests.support.configuration import loaded
from tests.support.dialogue import Dialogue

TRUSTED = InboundOptions(
    open_relay=True,
    smtp_extensions=frozenset({"XREMOTEIP", "XSETCONTEXT", "XDUMPCONTEXT"}),
    context=(("customer", "17"),),
)
HELO = """
    S: 220 ...
    C: HELO pc7
    S: 250 ...
"""


@pytest.mark.parametrize("command", ["XREMOTEIP 192.0.2.1", "XSETCONTEXT a=b", "XDUMPCONTEXT"])
def test_a_client_that_is_not_trusted_knows_no_such_command(command: str) -> None:
    Dialogue().run(f"""
        S: 220 ...
        C: {command}
        S: 500 5.5.2 unrecognized command
    """)


def test_they_are_offered_where_they_are_listed() -> None:
    Dialogue(replace(TRUSTED, smtp_extensions=frozenset({"XREMOTEIP", "XDUMPCONTEXT"}))).run("""
        S: 220 ...
        C: EHLO pc7
        S: 250-mx.test says EHLO to 192.0.2.77
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-ENHANCEDSTATUSCODES
        S: 250-CHUNKING
        S: 250-SIZE
        S: 250-XREMOTEIP
        S: 250 XDUMPCONTEXT
    """)


def test_the_context_is_that_of_the_options_and_what_is_set() -> None:
    Dialogue(TRUSTED).run(f"""
        {HELO}
        C: XSETCONTEXT colour=dark+20blue can_relay=never
        S: 250 2.0.0 ok
        C: XDUMPCONTEXT
        S: 250-customer=17
        S: 250-colour=dark+20blue
        S: 250-can_relay=true
        S: 250-connection_message_count=0
        S: 250-connection_rcpt_count=0
        S: 250-ehlo_domain=pc7
        S: 250-ehlo_string=HELO+20pc7
        S: 250-pathway=default
        S: 250 end of context
    """)


@pytest.mark.parametrize("argument", ["", "novalue", "=x", f"a={'x' * 2000}"])
def test_pairs_that_are_none_change_nothing(argument: str) -> None:
    talk = Dialogue(TRUSTED).run(f"""
        {HELO}
        C: XSETCONTEXT good=1 {argument or "="}
        S: 501 5.5.4 invalid parameter
    """)
    assert "good" not in talk.session.context


def test_a_context_has_so_many_keys() -> None:
    pairs = " ".join(f"k{number}=v" for number in range(99))
    Dialogue(TRUSTED).run(f"""
        {HELO}
        C: XSETCONTEXT {pairs}
        S: 250 2.0.0 ok
        C: XSETCONTEXT one=more
        S: 552 5.5.4 ...
    """)


def test_a_refusal_is_told_with_the_context() -> None:
    talk = Dialogue(TRUSTED).run(HELO)
    talk.session.notes_refusals = True
    (refused,) = talk.session.receive(b"MAIL FROM:<no address>\r\n")
    assert isinstance(refused, Refused)
    assert refused.connection_context["customer"] == "17"


def test_another_address_in_the_middle_of_a_transaction() -> None:
    """The driver admits it; its options count from there on, and the transaction goes on."""
    talk = Dialogue(TRUSTED).run(f"""
        {HELO}
        C: MAIL FROM:<a@x.test>
        S: 250 ...
    """)
    address = ip_address("2001:db8::7")
    assert talk.session.receive(b"XREMOTEIP 2001:db8::7\r\n") == [Become(Attributes(address), is_new=False)]
    assert talk.session.state is State.ASIDE
    talk.perform(talk.session.moved(Client(address, InboundOptions(), "mx.test", "momentum")))
    talk.run("""
        S: 250 2.0.0 ok
        C: RCPT TO:<b@y.test>
        S: 550 5.7.1 relaying denied
        C: XREMOTEIP 192.0.2.1
        S: 500 5.5.2 unrecognized command
    """)


def test_a_client_that_xclient_names_has_its_own_context() -> None:
    options = replace(TRUSTED, smtp_extensions=TRUSTED.smtp_extensions | {"XCLIENT"})
    talk = Dialogue(options).run(f"""
        {HELO}
        C: XSETCONTEXT colour=red
        S: 250 2.0.0 ok
    """)
    (event,) = talk.session.receive(b"XCLIENT ADDR=192.0.2.9 LOGIN=ann\r\n")
    assert isinstance(event, Become)
    client = Client(ip_address("192.0.2.9"), replace(TRUSTED, context=(("customer", "9"),)), "mx.test", "momentum")
    talk.perform(talk.session.restart(client, "pc9", True, event.attributes.user))
    context = dict(kept_context(talk.session))
    assert "colour" not in context
    assert (context["customer"], context["ehlo_domain"]) == ("9", "pc9")
    assert (context["auth_user"], context["auth_status"]) == ("ann", "pass")


def test_messages_of_one_client_keep_the_same_context() -> None:
    """The counts of a session are not in it: there may be a million messages of one client."""
    one, two = (Dialogue(TRUSTED).run(HELO) for _ in range(2))
    two.run("""
        C: MAIL FROM:<a@x.test>
        S: 250 ...
        C: RCPT TO:<b@y.test>
        S: 250 ...
    """)
    assert kept_context(one.session) is kept_context(two.session)


def test_what_is_no_address_is_refused() -> None:
    Dialogue(TRUSTED).run(f"""
        {HELO}
        C: XREMOTEIP localhost
        S: 501 5.5.4 invalid parameter
    """)


@pytest.mark.parametrize("text", ["plain", "a b", "a+b=c", "line\r\nend", "dürr"])
def test_xtext_comes_back(text: str) -> None:
    assert from_xtext(to_xtext(text)) == text
    assert not set(to_xtext(text)) & set(" \r\n=")


def test_the_context_is_looked_up_like_any_option() -> None:
    peer = 'Peer "192.0.2.0/24" { Context = [ b = "2" c = "x y" ] }'
    text = f'ESMTP_Listener {{ Context = [ a = "1" ] Listen "*:25" {{ {peer} }} }}'
    configuration = loaded(text)
    listener = configuration.node.listeners[0]
    assert configuration.inbound(listener, ip_address("192.0.2.1")).context == (("b", "2"), ("c", "x y"))
    assert configuration.inbound(listener, ip_address("198.51.100.1")).context == (("a", "1"),)
