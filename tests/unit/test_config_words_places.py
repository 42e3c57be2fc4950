"""Where a change is written (configuration §12.4), and that every other character stays as it is."""

import pytest

from tests.support.console import MAIN, Node, console

TWO_X = """\
/* the edge */
ESMTP_Listener = (
  *:25,200 <duravip="disabled" duravip_preference="n1"> [
    0.0.0.0/0 = (
      personality [ idle_time = 300   # five minutes
                    banner_hostname = r1.test ]
      continue
    )
  ]
)
Binding old <duravip="enabled"> { Bind_Address = 10.0.0.1 }  # ours
Logger cluster/ec_cluster cluster passive {
  logs [ main = /var/log/main ]
  replicate [ type = "inbound_cidr" ]
  10.0.0.0/24 [ interface = "eth0" ]
}
RFC2822 { Max_Line_Length_Policy = reject }
"""


def changed(text: str, *lines: str) -> str:
    """The main file after these commands."""
    anna = console(text)
    for line in lines:
        answer = anna(line)
        assert anna.status == 0, answer
    return anna.node.text()


@pytest.mark.parametrize(
    ("line", "old", "new"),
    [
        (
            "config set ESMTP_Listener Listen *:25 Peer 0.0.0.0/0 Idle_Time 60",
            "idle_time = 300   # five",
            "idle_time = 60   # five",
        ),
        ("config set ESMTP_Listener Listen *:25 Duravip_Preference n2", '"n1"', '"n2"'),
        ("config set Binding old Enable_Duravip false", '<duravip="enabled">', '<duravip="disabled">'),
        ("config set Binding old Bind_Address 10.0.0.2", "= 10.0.0.1 }", '= "10.0.0.2" }'),
        ("config set cluster Topology 10.0.0.0/24 interface eth7", '"eth0"', '"eth7"'),
        ("config set cluster logs = [ main = /var/log/other ]", "[ main = /var/log/main ]", None),
        ("config unset Binding old Enable_Duravip", 'old <duravip="enabled"> {', "old {"),
        (
            "config unset ESMTP_Listener Listen *:25 Duravip_Preference",
            ' duravip_preference="n1"',
            "",
        ),
        ("config unset cluster Replicate inbound_cidr", '  replicate [ type = "inbound_cidr" ]\n', ""),
    ],
)
def test_a_value_of_either_dialect_is_replaced_in_place(line: str, old: str, new: str | None) -> None:
    new = '= [ main = "/var/log/other" ]' if new is None else new
    assert TWO_X.count(old) == 1

    assert changed(TWO_X, line) == TWO_X.replace(old, new)


def test_what_has_no_place_in_the_old_form_gets_a_stanza_behind_it() -> None:
    text = changed(TWO_X, "config set ESMTP_Listener Listen *:25 Listen_Backlog 300")

    assert text == f'{TWO_X}ESMTP_Listener {{\n  Listen "*:25" {{\n    Listen_Backlog = 300\n  }}\n}}\n'


def test_what_is_part_of_another_setting_cannot_be_unset() -> None:
    anna = console(TWO_X)

    refused = anna("config unset ESMTP_Listener Listen *:25 Listen_Backlog")

    assert anna.status == 1
    assert refused.startswith(f"error: 'Listen_Backlog' is part of another setting at {MAIN}:3:3: change it there")
    assert anna.node.text() == TWO_X


def test_a_module_that_is_loaded_passive_is_switched_on_in_its_block() -> None:
    text = changed(TWO_X, "config set cluster Enabled true")

    assert text == TWO_X.replace('interface = "eth0" ]\n}', 'interface = "eth0" ]\n  Enabled = true\n}')


@pytest.mark.parametrize(
    ("text", "line", "after"),
    [
        ("Security {}", "config set Security User mta", 'Security { User = "mta" }'),
        ("Security { Group = g }", "config set Security User mta", 'Security { Group = g  User = "mta" }'),
        (
            "Security {\r\n\tGroup = g # g\r\n}\r\n# end",
            "config set Security User mta",
            'Security {\r\n\tGroup = g # g\r\n\tUser = "mta"\r\n}\r\n# end',
        ),
        (
            "cluster {\n  Topology 10.0.0.0/8 {\n    interface = e\n  }\n}\n",
            "config set cluster if_down_limit 3",
            "cluster {\n  Topology 10.0.0.0/8 {\n    interface = e\n  }\n  if_down_limit = 3\n}\n",
        ),
        ("# no newline at the end", "config set Retry_Interval 5", "# no newline at the end\nRetry_Interval = 5\n"),
        ("\ufeffRetry_Interval = 4", "config set Retry_Interval 5", "Retry_Interval = 5"),
        (
            "Relay_Hosts (\n  10.0.0.0/8 # ours\n)\nRetry_Interval = 4",
            "config set Relay_Hosts 127.0.0.1",
            'Relay_Hosts = ( "127.0.0.1" )\nRetry_Interval = 4',
        ),
    ],
)
def test_an_addition_takes_the_form_of_its_block(text: str, line: str, after: str) -> None:
    assert changed(text, line) == after


def test_of_two_values_the_one_that_counts_is_replaced_and_unset_takes_both() -> None:
    text = "Retry_Interval = 1\nRetry_Interval = 2\n# end\n"

    assert changed(text, "config set Retry_Interval 3") == "Retry_Interval = 1\nRetry_Interval = 3\n# end\n"
    assert changed(text, "config unset Retry_Interval") == "# end\n"


def test_an_option_that_may_stand_several_times_is_replaced_as_a_whole() -> None:
    text = "Binding b {\n  Match_Domain = a.test\n  Match_Domain = b.test\n}\n"

    after = changed(text, "config set Binding b Match_Domain = ( c.test d.test )")

    assert after == 'Binding b {\n  Match_Domain = ( "c.test" "d.test" )\n}\n'


# --- which file ---


def test_a_value_is_changed_in_the_file_that_says_it_last() -> None:
    anna = console('Retry_Interval = 1\ninclude "sub.conf"\n', sub="# sub\nRetry_Interval = 2 # two\n")

    anna("config set Retry_Interval 3")

    assert anna.node.text("sub.conf") == "# sub\nRetry_Interval = 3 # two\n"
    assert anna("config writeback") == "sub.conf written"


def test_an_addition_goes_to_the_first_file_that_has_the_scope() -> None:
    main = 'include "one.conf"\ninclude "two.conf"\n'
    anna = console(main, one="Binding a { Bind_Address = 10.0.0.1 }", two="Binding b {}\nBinding a { }\n")

    anna("config set Binding a EHLO_Hostname a.test")

    assert anna.node.text("one.conf") == 'Binding a { Bind_Address = 10.0.0.1  EHLO_Hostname = "a.test" }'
    assert anna("config writeback") == "one.conf written"


def test_a_value_of_a_read_only_file_is_replaced_behind_it() -> None:
    main = 'Binding a { EHLO_Hostname = x.test }\nreadonly_include "vendor.conf"\nBinding a { }\n'
    anna = console(main, vendor="Binding a { EHLO_Hostname = v.test }")

    anna("config set Binding a EHLO_Hostname mine.test")

    assert anna.node.text() == main.replace("Binding a { }", 'Binding a { EHLO_Hostname = "mine.test" }')
    assert anna("config get Binding a EHLO_Hostname") == '\tEHLO_Hostname = "mine.test"'
    assert anna("config unset Binding a Bind_Address").startswith("Option 'Bind_Address' is not set")
    refused = anna("config unset Binding a EHLO_Hostname")
    assert refused == "error: 'EHLO_Hostname' stands at vendor.conf:1:13, in a file that may not be written"


def test_a_file_in_front_of_the_value_is_no_place_for_its_replacement() -> None:
    main = 'include "one.conf"\nreadonly_include "vendor.conf"\ninclude "two.conf"\n'
    anna = console(main, one="Binding a {}", vendor="Binding a { EHLO_Hostname = v.test }", two="Binding a {}")

    anna("config set Binding a EHLO_Hostname mine.test")

    assert anna.node.text("one.conf") == "Binding a {}"
    assert anna.node.text("two.conf") == 'Binding a { EHLO_Hostname = "mine.test" }'


def test_what_is_overridden_everywhere_is_refused() -> None:
    main = 'Local_Changes_File = "local.conf"\nRetry_Interval = 1\n'
    node = Node(main, protected=("local.conf",), local="Retry_Interval = 2")
    anna = node.console()

    refused = anna("config set Retry_Interval 3")

    assert (anna.status, node.text()) == (1, main)
    assert refused == (
        "error: 'Retry_Interval' in global cannot be changed: its value stands behind every place that can be written"
    )


def test_a_file_that_is_read_twice_is_read_only() -> None:
    main = 'Binding a { include "sub.conf" }\nBinding b { include "sub.conf" }\n'
    anna = console(main, sub="EHLO_Hostname = s.test")

    anna("config set Binding b EHLO_Hostname b.test")

    assert anna.node.text("sub.conf") == "EHLO_Hostname = s.test"
    assert anna.node.text() == main.replace(
        'Binding b { include "sub.conf" }', 'Binding b { include "sub.conf"  EHLO_Hostname = "b.test" }'
    )
    assert anna("config get Binding a EHLO_Hostname") == '\tEHLO_Hostname = "s.test"'


def test_something_new_goes_to_the_local_changes_file_which_is_made() -> None:
    main = 'Local_Changes_File = "local.conf"\nRetry_Interval = 5\n'
    anna = console(main)

    anna("config set Binding new EHLO_Hostname n.test")
    anna("config set Retry_Interval 6")

    assert anna.node.text() == main.replace("= 5", "= 6"), "what stands in a file is changed there"
    assert anna.node.text("local.conf") == 'Binding "new" {\n  EHLO_Hostname = "n.test"\n}\n'
    assert anna("config writeback").splitlines() == [f"{MAIN} written", "local.conf written"]
    assert anna("config reload") == "Reconfigure complete"
    assert anna("config get Binding new EHLO_Hostname") == '\tEHLO_Hostname = "n.test"'


def test_local_changes_only_means_only_there() -> None:
    main = 'Local_Changes_File = "local.conf"\nLocal_Changes_Only = true\nRetry_Interval = 5\n'
    anna = console(main)

    anna("config set Retry_Interval 6")
    anna("config set Retry_Interval 7")

    assert anna.node.text() == main
    assert anna.node.text("local.conf") == "Retry_Interval = 6\nRetry_Interval = 7\n"
    assert anna("config get Retry_Interval") == "Retry_Interval = 7"


def test_what_no_file_can_take_is_in_force_and_said_at_writeback() -> None:
    node = Node("Retry_Interval = 5\n", protected=(MAIN,))
    anna = node.console()

    assert anna("config set Retry_Interval 6").splitlines()[0] == "Retry_Interval = 6"
    assert anna("config eval Binding b Retry_Interval") == "Retry_Interval = 6"

    assert anna("config writeback").splitlines() == [
        "warning: no file can take these changes; they are lost at the next start or reload:",
        "Retry_Interval = 6",
    ]
    assert node.disk.files[MAIN] == "Retry_Interval = 5\n"


def test_a_folder_that_is_included_and_empty_stays_one() -> None:
    node = Node("Retry_Interval = 5\n")
    node.disk.files["conf.d/.hidden"] = ""
    node.disk.files[MAIN] = 'include "conf.d"\nRetry_Interval = 5\n'
    anna = node.console()
    assert anna("config reload") == "Reconfigure complete"

    assert anna("config set Retry_Interval 6") == "Retry_Interval = 6"


def test_a_byte_order_mark_stays() -> None:
    anna = console("\ufeffRetry_Interval = 4")

    anna("config set Retry_Interval 5")
    anna("config writeback")

    assert anna.node.disk.files[MAIN] == b"\xef\xbb\xbfRetry_Interval = 5"


def test_a_binding_of_a_group_is_changed_in_its_group() -> None:
    anna = console('Binding_Group g { Binding b {} }\nBinding old { Binding_Group = "g" }\n')

    assert anna("config set Binding b Retry_Interval 3") == (
        "error: binding 'b' stands in a group: write `Binding_Group g Binding b`"
    )
    assert anna("config set Binding_Group g Binding b Retry_Interval 3") == "\tRetry_Interval = 3"
    assert anna("config unset Binding_Group g").startswith("Binding_Group g has been unset")
    assert anna.node.text() == "", "the bindings of a group go with it, in either dialect"


def test_rules_that_only_count_in_their_order_are_left_to_their_list() -> None:
    rules = "10.0.0.0/8 = ( relay_hosts ( 10.0.0.0/8 ) ) 0.0.0.0/0 = ( personality [ idle_time = 5 ] )"
    anna = console(f"ESMTP_Listener = ( *:25 [ {rules} ] )")

    refused = anna("config set ESMTP_Listener Listen *:25 Peer 0.0.0.0/0 Idle_Time 9")

    assert refused.startswith(f"error: the rules of ESMTP_Listener Listen *:25 at {MAIN}:1:27 apply in their order")
