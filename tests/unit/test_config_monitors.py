"""`inbound_audit`: its windows in both dialects, and what is said of those that cannot be."""

import pytest

from momentum_node.config.conversion import convert
from momentum_node.config.model import InboundAudit, Monitor
from tests.support.configuration import MemoryFiles, loaded, refused, where

BOTH = (Monitor(300, 6), Monitor(1800, 4))


@pytest.mark.parametrize(
    "text",
    [
        'inbound_audit { Monitors = ( "300,6" "1800,4" ) }',
        "inbound_audit { monitors = ( 300,6 1800,4 ) }",
        'inbound_audit { Monitors = ( "300,6" ) }\ninbound_audit { Monitors = ( " 1800 , 4 " ) }',
        'Validate validate/inbound_audit inbound_audit {\n  monitor = "300,6"\n  monitor = "1800,4"\n}',
    ],
)
def test_both_dialects_say_the_same(text: str) -> None:
    read = loaded(text)
    assert read.node.inbound_audit == InboundAudit(BOTH, 300.0)
    assert read.warnings == ()
    assert read.node.notices == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "inbound_audit { }",
        'inbound_audit { Enabled = false Monitors = ( "300,6" ) }',
        'Validate validate/inbound_audit inbound_audit disabled { monitor = "300,6" }',
        'Validate validate/inbound_audit inbound_audit passive { monitor = "300,6" }',
    ],
)
def test_nothing_is_counted_without_windows_or_when_the_module_is_not_enabled(text: str) -> None:
    assert loaded(text).node.inbound_audit is None


def test_the_pause_between_clean_ups_and_what_is_not_built() -> None:
    read = loaded('inbound_audit { Monitors = ( "60,1" ) maintenance_interval = 30 serialize_dir = /var/x }')
    assert read.node.inbound_audit == InboundAudit((Monitor(60, 1),), 30.0)
    assert read.node.notices == ("accepted, but not built yet: serialize_dir",)


def test_windows_of_one_length_are_one_monitor() -> None:
    read = loaded('inbound_audit { Monitors = ( "300,6" "300,8" "300,8" ) }')
    assert read.node.inbound_audit == InboundAudit((Monitor(300, 8),))
    assert [(where(one), one.text) for one in read.warnings] == [
        ("1:38 V002", "two monitors have windows of 300 s: 8 of them are kept")
    ]


@pytest.mark.parametrize(
    ("monitor", "why"),
    [
        ("300;6", 'write "S,N" for N windows of S seconds [V001]'),
        ("300", 'write "S,N" for N windows of S seconds [V001]'),
        ("5m,6", 'write "S,N" for N windows of S seconds [V001]'),
        ("0,6", "a window has 1-2678400 seconds [V002]"),
        ("2678401,1", "a window has 1-2678400 seconds [V002]"),
        ("300,0", "1-1000 windows are kept [V002]"),
        ("300,1001", "1-1000 windows are kept [V002]"),
    ],
)
def test_a_monitor_that_cannot_be_is_refused_at_its_place(monitor: str, why: str) -> None:
    (message,) = refused(f'inbound_audit {{\n  Monitors = ( "60,1"\n    "{monitor}" )\n}}').messages
    assert str(message) == f"main.conf:3:5: error: '{monitor}' is not a monitor: {why}"


def test_a_disabled_module_is_checked_too() -> None:
    assert [where(one) for one in refused('inbound_audit { Enabled = false monitor = "x" }').messages] == ["1:43 V001"]


def test_more_than_ten_monitors_are_refused() -> None:
    texts = " ".join(f'"{number},1"' for number in range(1, 12))
    (message,) = refused(f"inbound_audit {{ Monitors = ( {texts} ) }}").messages
    assert (where(message), message.text) == ("1:91 V002", "there are more than 10 monitors")


def test_a_file_of_momentum_2_is_converted_with_its_comments() -> None:
    text = 'Validate validate/inbound_audit inbound_audit {\n  monitor = "300,6"  # half an hour\n}\n'
    assert convert("old.conf", MemoryFiles({"old.conf": text})) == (
        'inbound_audit {\n  Monitors = ( "300,6" )  # half an hour\n}\n'
    )
