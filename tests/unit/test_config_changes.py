"""What a reload changes, and what it leaves alone."""

from ipaddress import IPv4Address

from momentum_node.config.changes import Change, Changes, changes, session_ends
from momentum_node.config.loading import Loaded
from tests.support.configuration import loaded

BEFORE = """
Security { User = mta }
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


def reloaded(*replacements: tuple[str, str]) -> tuple[Loaded, Loaded, Changes]:
    text = BEFORE
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    before, after = loaded(BEFORE), loaded(text)
    return before, after, changes(before, after)


def test_comments_order_and_quotes_change_nothing() -> None:
    _, _, found = reloaded(("Retry_Interval = 5", '# often\nretry_interval = "5"'))

    assert found == Changes((), (), (), (), (), duravips_changed=False)


def test_a_duravip_that_only_stands_elsewhere_is_no_news() -> None:
    text = BEFORE.replace("Binding old", 'Binding old <duravip="enabled">')

    found = changes(loaded(text), loaded(f"# later\n{text}"))

    assert found == Changes((), (), (), (), (), duravips_changed=False)


def test_a_dynamic_option_changes_at_once() -> None:
    _, _, found = reloaded(("Retry_Interval = 5", ""), ("Bind_Address", "Idle_Timeout = 9 Bind_Address"))

    assert found.options == (
        Change("", "Retry_Interval", "Retry_Interval = 5", None, dynamic=True),
        Change("Binding old", "Idle_Timeout", None, "Idle_Timeout = 9", dynamic=True),
    )
    assert found.warnings == ()


def test_identity_stays_until_a_restart() -> None:
    _, _, found = reloaded(("User = mta", "User = other"))

    assert found.warnings == ("restart needed: 'User' in Security keeps its old value",)


def test_a_wildcard_gives_way_to_a_specific_address() -> None:
    _, _, found = reloaded(("Listen *:25 {}", "Listen 10.0.0.1:25 {}"))

    assert [(one.address, one.port) for one in found.closed] == [(None, 25)]
    assert [(one.address, one.port) for one in found.opened] == [(IPv4Address("10.0.0.1"), 25)]


def test_a_socket_that_is_switched_off_is_closed() -> None:
    _, _, found = reloaded(("587 {}", "587 { Enable = false }"))

    assert [one.port for one in found.closed] == [587]
    assert found.opened == ()


def test_bindings_come_and_go_and_the_view_is_announced() -> None:
    _, _, found = reloaded(("Binding old", 'Binding new <duravip="enabled">'))

    assert [one.name for one in found.removed_bindings] == ["old"]
    assert [one.name for one in found.added_bindings] == ["new"]
    assert found.duravips_changed


def test_only_sessions_whose_options_differ_end() -> None:
    before, after, _ = reloaded(("Max_Message_Size = 5", "Max_Message_Size = 6"))
    listener = next(one for one in before.node.listeners if one.port == 25)

    assert session_ends(before, after, listener, IPv4Address("192.0.2.1"))
    assert not session_ends(before, after, listener, IPv4Address("198.51.100.1"))


def test_sessions_of_a_socket_that_is_gone_end() -> None:
    before, after, _ = reloaded(("Listen *:25 {}", ""))
    listener = next(one for one in before.node.listeners if one.port == 25)

    assert session_ends(before, after, listener, IPv4Address("198.51.100.1"))
