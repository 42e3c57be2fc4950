"""`config convert`: old files become new ones that say the same, with their comments and in their order."""

from pathlib import Path

import pytest

from momentum_node.config.conversion import convert
from momentum_node.config.loading import ConfigurationInvalid, load
from momentum_node.config.printer import print_tree
from tests.support.configuration import GOLDEN, MemoryFiles, loaded, where

ROOT = Path(__file__).parents[2]
OLD = ["V1", "V3", "V5", "manual"]
EXAMPLES = [path.stem for path in sorted((GOLDEN / "valid").glob("*.conf")) if path.stem != "V7"]


def converted(text: str) -> str:
    return convert("main.conf", MemoryFiles({"main.conf": text}))


def example(name: str) -> str:
    return (GOLDEN / "valid" / f"{name}.conf").read_text()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_means_the_same_afterwards(name: str) -> None:
    text = example(name)

    new = converted(text)

    assert print_tree(loaded(new).tree) == print_tree(loaded(text).tree)
    assert converted(new) == new


@pytest.mark.parametrize("name", OLD)
def test_an_old_file_becomes_a_new_one(name: str) -> None:
    files = MemoryFiles({"old.conf": example(name), "new.conf": converted(example(name))})

    load("old.conf", files, dialect=2)
    load("new.conf", files, dialect=3)
    with pytest.raises(ConfigurationInvalid):
        load("old.conf", files, dialect=3)
    with pytest.raises(ConfigurationInvalid):
        load("new.conf", files, dialect=2)


def test_the_manuals_example_keeps_its_comments_in_their_places() -> None:
    assert converted(example("manual")) == (GOLDEN / "converted" / "manual.conf").read_text()


def test_comments_of_rules_and_lists_stay_where_they_were() -> None:
    text = """
# the edge
Relay_Hosts = ( 10.0.0.0/8   # office
  # the cellar
  192.0.2.1 )

ESMTP_Listener = (
  *:25,9 [  # everybody
    0.0.0.0/0 = ( personality [ idle_time = 9 ] continue )  # short
    # nobody
  ]
)
/* the
   end */
"""
    assert converted(text) == (
        "# the edge\n"
        "Relay_Hosts = (\n"
        '  "10.0.0.0/8"  # office\n'
        "  # the cellar\n"
        '  "192.0.2.1"\n'
        ")\n"
        "\n"
        "ESMTP_Listener {\n"
        '  Listen "*:25" {\n'
        "    Listen_Backlog = 9  # everybody\n"
        '    Peer "0.0.0.0/0" {\n'
        "      Idle_Time = 9\n"
        "    }  # short\n"
        "    # nobody\n"
        "  }\n"
        "}\n"
        "/* the\n"
        "   end */\n"
    )


def test_includes_stay_and_are_not_read() -> None:
    assert converted("Binding b { include other.conf }") == 'Binding "b" {\n  include "other.conf"\n}\n'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "Binding b { Binding_Group = g Retry_Interval = 5 }",
            'Binding_Group "g" {\n  Binding "b" {\n    Retry_Interval = 5\n  }\n}\n',
        ),
        ("RFC2822 { Trace_Headers = off # no\n }", "RFC2822_Trace_Headers = off  # no\n"),
        (
            'Authorization { ops [ allow = "^mailq" ] }',
            'Authorization {\n  Role "ops" {\n    allow = ( "^mailq" )\n  }\n}\n',
        ),
        ("Control_Listener_Timeout = 5", "Control_Listener {\n  Timeout = 5\n}\n"),
        ("async_io_concurrency = 5", "# obsolete and ignored:\n# async_io_concurrency = 5\n"),
        ("Logger a/b ec_logger passive { }", 'ec_logger "ec_logger" {\n  Enabled = false\n}\n'),
        ("Validate validate/dkim_sign dkim_sign { a = 3 }", "dkim_sign { a = 3 }\n"),
        ('IO_System io/compress_spool "c1" { a = 3 }', 'compress_spool "c1" { a = 3 }\n'),
        ("Module a/b spf_v1 <name=x> { y = ( z ) }", 'spf_v1 "x" { y = ( z ) }\n'),
        (
            "ESMTP_Listener = ( *:25 )\nESMTP_Listener = ( *:26 )",
            "# replaced by the list that follows:\n# ESMTP_Listener = ( *:25 )\n"
            'ESMTP_Listener {\n  Listen "*:26" {}\n}\n',
        ),
        ("Domain /a+$/{ }", 'Domain "/a+$/" {}\n'),
    ],
)
def test_each_old_form(old: str, new: str) -> None:
    assert converted(old) == new


def test_comments_of_a_listener_that_moves_go_with_it() -> None:
    old = """
cluster {
  cluster_group = a  # the group
  # where nodes meet
  cluster_listener = *:4802  # here
}
"""
    assert converted(old) == (
        'cluster {\n  cluster_group = "a"  # the group\n}\n'
        '# where nodes meet\n# here\nECCluster_Listener {\n  Listen "*:4802" {}\n}\n'
    )


def test_what_is_included_into_an_old_stanza_stays_in_it() -> None:
    files = {"old.conf": "Missing_Headers = allow"}
    old = "RFC2822 {\n  include old.conf  # of 2005\n  Trace_Headers = off\n}"

    new = converted(old)

    assert new == 'RFC2822 {\n  include "old.conf"  # of 2005\n}\nRFC2822_Trace_Headers = off\n'
    assert loaded(new, files=files).tree == loaded(old, files=files).tree


LISTS = {"other.conf": "ESMTP_Listener = ( 10.0.0.2 )"}


def test_a_list_that_an_included_file_replaces_becomes_a_comment() -> None:
    old = "ESMTP_Listener = ( 10.0.0.1 )\ninclude other.conf"

    new = convert("main.conf", MemoryFiles({"main.conf": old, **LISTS}))

    assert new == '# replaced by the list in "other.conf":\n# ESMTP_Listener = ( 10.0.0.1 )\ninclude "other.conf"\n'
    assert loaded(new, files=LISTS).tree == loaded(old, files=LISTS).tree


def test_a_list_that_replaces_an_included_one_says_so() -> None:
    old = "include other.conf\nESMTP_Listener = ( 10.0.0.1 )"

    new = convert("main.conf", MemoryFiles({"main.conf": old, **LISTS}))

    assert '# Stanzas add up: remove the list in "other.conf", which this one replaced\nESMTP_Listener {' in new


def test_the_manuals_example_of_the_repository_survives_convert_and_show() -> None:
    old = (ROOT / "examples" / "manual-2.x.conf").read_text()

    new = converted(old)

    assert loaded(new).tree == loaded(old).tree
    shown = print_tree(loaded(new).tree)
    assert loaded(shown).tree == loaded(old).tree
    assert shown == print_tree(loaded(old).tree)
    assert loaded(shown).node.notices == loaded(old).node.notices


def test_a_faulty_file_is_not_converted() -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        converted("Max_Retrys = 5\nBinding { }")
    assert [where(message) for message in caught.value.messages] == ["1:1 S001", "2:1 S003"]


def test_the_checker_names_what_a_dialect_does_not_have() -> None:
    files = MemoryFiles({"main.conf": "cluster { replicate [ type = OBTM ]\n 10.0.0.0/8 [ interface = a ] }"})

    with pytest.raises(ConfigurationInvalid) as caught:
        load("main.conf", files, dialect=3)

    assert [where(message) for message in caught.value.messages] == ["1:11 S002", "2:2 S002"]
    assert caught.value.messages[1].hint == 'write `Topology "10.0.0.0/8" { … }`'
