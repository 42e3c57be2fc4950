"""Options of reception as a client sees them: each client has an address, and a `Peer` with what it is to show."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from momentum_node import __version__
from momentum_node.logs.events import Delivered, Received
from tests.support.nexthop import NextHop, next_hop
from tests.support.talk import Talk
from tests.support.tellingnode import TellingNode

pytestmark = pytest.mark.timeout(60)

STRANGER = 'Relay_Hosts = ( "192.0.2.0/24" )'  # this client is nobody's friend by its address
STORE = 'AuthPlainParameters = [ uri = "file:///nowhere" ] Auth_Requires_TLS = false'
AUTH = f'SMTP_Extensions = ( "AUTH PLAIN" ) {STORE}'
MORE = """
Pathway "partners" { Relay_Domains = ( "ours.test" "*.ours.test" ) Bounce_Domains = ( "bounces.test" ) }
Pathway "quiet" { RFC2822_Trace_Headers = false }
"""
LISTENER = f"""
Banner_Hostname = "r1.example.com"
Received_Hostname = "trace.example.com"
Context = [ customer = "17" ]
Peer "127.0.1.1" {{ Static_Banner = "220 nobody lives here" }}
Peer "127.0.1.2" {{ Max_Message_Size = 1000 }}
Peer "127.0.1.3" {{ Max_Recipients_Per_Message = 1 }}
Peer "127.0.1.4" {{ Require_EHLO = true Allow_NULL_Envelope_Sender = false }}
Peer "127.0.1.5" {{ {STRANGER} Pathway = "partners" }}
Peer "127.0.1.6" {{ {STRANGER} Relay_For_Sending_Domains = ( "friend.test" ) SMTP_Extensions = ( "XDUMPCONTEXT" ) }}
Peer "127.0.1.7" {{ {STRANGER} Open_Relay = true }}
Peer "127.0.1.8" {{ {STRANGER} {AUTH} Always_Allow = true }}
Peer "127.0.1.9" {{ {STRANGER} {AUTH} Always_Allow = true Always_Deny = true }}
Peer "127.0.1.10" {{ SMTP_Extensions = ( "XSETCONTEXT" ) }}
Peer "127.0.1.11" {{ Pathway = "quiet" }}
Peer "127.0.1.12" {{ {AUTH} Enable_Authentication = false }}
Peer "127.0.1.13" {{ {STORE} Enable_Authentication = true }}
"""


class Place:
    """A node and what is behind it."""

    def __init__(self, node: TellingNode, hop: NextHop) -> None:
        self.node, self.hop = node, hop

    async def client(self, number: int) -> Talk:
        """The client with this address."""
        return await Talk.to(self.node.port, source=f"127.0.1.{number}")

    async def answers(self, number: int, *lines: str) -> list[str]:
        """The codes that it hears."""
        talk = await self.client(number)
        heard = [(await talk.say(line))[:9] for line in lines]
        talk.close()
        return heard


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with next_hop() as (hop, gateway):
        node = TellingNode(tmp_path, gateway, more=MORE, listener=LISTENER)
        await node.start()
        yield Place(node, hop)
        await node.stop()


async def test_names_of_ours(place: Place) -> None:
    """Banner_Hostname, Received_Hostname, Static_Banner."""
    talk = await place.client(100)
    assert talk.greeting.startswith(f"220 r1.example.com ESMTP momentum-cluster {__version__}; ")
    assert (await talk.offers())[0] == "r1.example.com says EHLO to 127.0.1.100"
    await talk.begins()
    assert (await talk.ends("hello")).startswith("250 ")
    talk.close()
    await place.node.until(lambda: place.hop.content)
    assert b"\tby trace.example.com (envelope-from <a@x.test>)" in place.hop.content[0]

    silent = await place.client(1)
    assert silent.greeting == "220 nobody lives here"
    silent.close()


async def test_sizes_and_numbers(place: Place) -> None:
    """Max_Message_Size, Max_Recipients_Per_Message."""
    talk = await place.client(2)
    assert "SIZE 1000" in await talk.offers()
    assert (await talk.say("MAIL FROM:<a@x.test> SIZE=1001")).startswith("552 5.3.4")
    await talk.begins()
    assert await talk.ends("x" * 1000) == "552 5.3.4 message size limit exceeded"
    talk.close()
    lines = ("HELO pc7", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "NOOP")
    assert (await place.answers(3, *lines))[2:] == ["250 2.1.5", "452 4.5.3", "250 2.0.0"]


async def test_what_has_to_be_said(place: Place) -> None:
    """Require_EHLO, Allow_NULL_Envelope_Sender."""
    lines = ("MAIL FROM:<a@x.test>", "HELO pc7", "MAIL FROM:<>", "MAIL FROM:<a@x.test>")
    assert await place.answers(4, *lines) == ["550 5.5.1", "250 r1.ex", "550 5.7.1", "250 2.1.0"]
    assert await place.answers(100, "MAIL FROM:<>") == ["250 2.1.0"]


async def test_who_may_send_to_whom(place: Place) -> None:
    """Relay_Domains and Bounce_Domains of a pathway, Relay_For_Sending_Domains, Open_Relay."""
    denied, taken = "550 5.7.1", "250 2.1.5"
    lines = [f"RCPT TO:<b@{name}>" for name in ("y.test", "ours.test", "a.ours.test", "badours.test", "bounces.test")]
    assert (await place.answers(5, "HELO pc7", "MAIL FROM:<a@x.test>", *lines))[2:] == [
        denied, taken, taken, denied, taken,
    ]  # fmt: skip
    stranger, friend = "MAIL FROM:<a@x.test>", "MAIL FROM:<a@friend.test>"
    recipient = "RCPT TO:<b@y.test>"
    answers = await place.answers(6, "HELO pc7", stranger, recipient, "RSET", friend, recipient)
    assert (answers[2], answers[5]) == (denied, taken)
    assert (await place.answers(7, "HELO pc7", stranger, recipient))[2] == taken


async def test_the_context_says_whether_one_may_relay(place: Place) -> None:
    talk = await place.client(6)
    told = []
    for sender in ("a@x.test", "a@friend.test"):
        await talk.say(f"MAIL FROM:<{sender}>")
        talk.write("XDUMPCONTEXT")
        told.append([line for line in await talk.lines() if line.startswith("can_relay")])
        await talk.say("RSET")
    talk.close()
    assert told == [["can_relay=false"], ["can_relay=true"]]


async def test_the_result_of_authentication_is_overridden_and_deny_wins(place: Place) -> None:
    """Always_Allow, Always_Deny; both spellings of AUTH are offered."""
    talk = await place.client(8)
    assert {"AUTH PLAIN", "AUTH=PLAIN"} <= set(await talk.offers())
    talk.close()
    lines = ("EHLO pc7", "AUTH PLAIN AGFubgBhbnk=", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>")
    assert (await place.answers(8, *lines))[1:] == ["235 2.7.0", "250 2.1.0", "250 2.1.5"]
    assert (await place.answers(9, *lines))[1:] == ["535 5.7.8", "250 2.1.0", "550 5.7.1"]


async def test_authentication_may_be_switched_off_and_on(place: Place) -> None:
    """Enable_Authentication, whatever SMTP_Extensions lists."""
    for number, is_on in ((12, False), (13, True)):
        talk = await place.client(number)
        assert ("AUTH PLAIN" in await talk.offers()) == is_on
        talk.close()


async def test_a_message_keeps_the_context_of_its_session(place: Place) -> None:
    talk = await place.client(10)
    await talk.say("HELO pc7")
    await talk.say("XSETCONTEXT colour=dark+20blue")
    await talk.begins()
    await talk.ends("hello")
    talk.close()
    for event in (await place.node.heard(Received), await place.node.heard(Delivered)):
        context = dict(event.context)
        assert (context["customer"], context["colour"]) == ("17", "dark blue")
        assert (context["ehlo_string"], context["can_relay"], context["pathway"]) == ("HELO pc7", "true", "default")


async def test_a_pathway_without_trace_headers(place: Place) -> None:
    talk = await place.client(11)
    await talk.begins()
    assert (await talk.ends("hello")).startswith("250 ")
    talk.close()
    await place.node.until(lambda: place.hop.content)
    assert b"Received:" not in place.hop.content[0]
    assert b"Return-Path:" not in place.hop.content[0]
