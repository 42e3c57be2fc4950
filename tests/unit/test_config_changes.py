"""What a reload means for sessions, and what waits for the next start of the node."""

from ipaddress import ip_address

from momentum_node.config.changes import fixed_options, session_ends, waiting_for_restart
from momentum_node.config.loading import Loaded
from momentum_node.config.model import Listener
from tests.support.configuration import loaded

BEFORE = """
Security { User = mta }
SpoolBase = /spool
Retry_Interval = 5
ESMTP_Listener {
  Idle_Time = 60
  Listen *:25 {}
  Listen 10.0.0.1:587 {}
  Peer 192.0.2.0/24 { Max_Message_Size = 5 }
}
Binding old { Bind_Address = 10.0.0.7 }
cluster { Topology 10.0.0.0/24 { interface = eth0 } }
"""


def reloaded(*replacements: tuple[str, str]) -> tuple[Loaded, Loaded]:
    text = BEFORE
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return loaded(BEFORE), loaded(text)


def waiting(before: Loaded, after: Loaded) -> tuple[str, ...]:
    return waiting_for_restart(fixed_options(before.tree), fixed_options(after.tree))


def listener(generation: Loaded, port: int) -> Listener | None:
    return next((one for one in generation.node.listeners if one.port == port), None)


def ends(before: Loaded, after: Loaded, client: str, port: int = 25) -> bool:
    """Whether a session of this client, begun before, ends."""
    address, now = ip_address(client), listener(after, port)
    begun = listener(before, port)
    assert begun is not None
    return session_ends(before.inbound(begun, address), now, after.inbound(now, address) if now else None)


def test_comments_order_and_quotes_change_nothing() -> None:
    before, after = reloaded(("User = mta", '# who\nuser = "mta"'), ("SpoolBase", "spoolbase"))

    assert waiting(before, after) == ()
    assert not ends(before, after, "192.0.2.1")


def test_a_dynamic_option_waits_for_nothing() -> None:
    before, after = reloaded(("Retry_Interval = 5", ""), ("Bind_Address", "Idle_Timeout = 9 Bind_Address"))

    assert waiting(before, after) == ()
    assert not ends(before, after, "192.0.2.1")


def test_identity_and_the_spools_place_stay_until_a_restart() -> None:
    before, after = reloaded(
        ("User = mta", "User = other"), ("/spool", "/elsewhere"), ("interface", "cidrmask=32 interface")
    )

    assert set(waiting(before, after)) == {
        "restart needed: 'User' in Security keeps its old value until the node is started again",
        "restart needed: 'SpoolBase' in global keeps its old value until the node is started again",
    }
    assert waiting(before, before) == ()


def test_an_option_of_a_start_that_is_taken_away_is_told_too() -> None:
    before, after = reloaded(("SpoolBase = /spool", ""), ("*:25 {}", "*:25 { Event_Loop = x }"))

    assert set(waiting(before, after)) == {
        "restart needed: 'SpoolBase' in global keeps its old value until the node is started again",
        "restart needed: 'Event_Loop' in ESMTP_Listener Listen *:25"
        " keeps its old value until the node is started again",
    }


def test_only_sessions_whose_options_differ_end() -> None:
    before, after = reloaded(("Max_Message_Size = 5", "Max_Message_Size = 6"))

    assert ends(before, after, "192.0.2.1")
    assert not ends(before, after, "198.51.100.1")


def test_sessions_of_a_socket_that_is_gone_or_switched_off_end() -> None:
    before, after = reloaded(("Listen *:25 {}", ""), ("587 {}", "587 { Enable = false }"))

    assert ends(before, after, "198.51.100.1")
    assert ends(before, after, "198.51.100.1", port=587)
