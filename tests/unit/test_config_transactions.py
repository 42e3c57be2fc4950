"""Transactions as people at two consoles see them (configuration §12.3)."""

import pytest

from tests.support.console import MAIN, Node, console

TEXT = """
# what we agreed on
Retry_Interval = 5   # minutes matter
Binding b { Bind_Address = 10.0.0.1 }
cluster { Topology 10.0.0.0/24 { interface = eth0 } }
"""


def test_nothing_is_seen_outside_before_the_commit() -> None:
    node = Node(TEXT)
    anna, ben = node.console(), node.console()

    assert anna("config begin") == "Transaction begun at generation 1."
    assert anna("config set Retry_Interval = 7") == "Retry_Interval = 7"
    assert anna("config get Retry_Interval") == "Retry_Interval = 7"
    assert ben("config get Retry_Interval") == "Retry_Interval = 5"

    assert anna("config commit") == "Committed: generation 2."
    assert ben("config get Retry_Interval") == "Retry_Interval = 7"


def test_of_two_competing_transactions_the_second_fails_and_stays_open() -> None:
    node = Node(TEXT)
    anna, ben = node.console(), node.console()
    anna("config begin")
    ben("config begin")
    anna("config set Retry_Interval 7")
    ben("config set Retry_Interval 9")
    ben("config set Binding b EHLO_Hostname b.test")

    assert anna("config commit") == "Committed: generation 2."
    node.now += 12
    refused = ben("config commit")

    assert ben.status == 1
    assert refused == (
        "error: the configuration was changed since `begin`: generation 2 runs since 12 s, this transaction began "
        "with 1; `config replay` lists its changes, `config rollback` drops them"
    )
    assert anna("config get Retry_Interval") == "Retry_Interval = 7"
    assert ben("config get Retry_Interval") == "Retry_Interval = 9", "the copy is still there"

    changes = ben("config replay").splitlines()
    assert changes == ["config set Retry_Interval = 9", 'config set Binding "b" EHLO_Hostname = "b.test"']
    assert ben("config rollback") == "Rolled back: 2 changes dropped."
    assert ben("config begin") == "Transaction begun at generation 2."
    for change in changes:
        ben(change)
    assert ben("config commit") == "Committed: generation 3."
    assert anna("config get Retry_Interval") == "Retry_Interval = 9"


def test_a_set_outside_of_a_transaction_wins_over_one_that_is_open() -> None:
    node = Node(TEXT)
    anna, ben = node.console(), node.console()
    anna("config begin")
    anna("config set Retry_Interval 7")

    assert ben("config set Retry_Interval 6") == "Retry_Interval = 6"

    assert anna("config commit").startswith("error: the configuration was changed since `begin`")
    assert ben("config get Retry_Interval") == "Retry_Interval = 6"


def test_a_reload_counts_as_a_change_of_somebody_else() -> None:
    node = Node(TEXT)
    anna, ben = node.console(), node.console()
    anna("config begin")
    anna("config set Retry_Interval 7")

    assert ben("config reload") == "Reconfigure complete"

    assert anna("config commit").startswith("error: the configuration was changed since `begin`")


def test_what_is_valid_only_as_a_whole_is_committed_as_a_whole() -> None:
    alone = console(TEXT)
    assert "[X001]" in alone("config set Binding n Enable_Duravip yes")
    assert alone.status == 1

    together = console(TEXT)
    together("config begin")
    assert together("config set Binding n Enable_Duravip yes") == "\tEnable_Duravip = yes"
    assert together("config set Binding n Bind_Address 10.0.0.9") == '\tBind_Address = "10.0.0.9"'
    assert together("config commit").startswith("Committed: generation 2.")


def test_a_result_that_is_not_valid_changes_nothing_and_says_where() -> None:
    node = Node(TEXT)
    anna = node.console()
    anna("config begin")
    anna("config set Binding n Enable_Duravip yes")

    refused = anna("config commit")

    assert (anna.status, refused.splitlines()) == (
        1,
        [
            f"{MAIN}:7:3: error: a DuraVIP needs one specific address: binding 'n' has no Bind_Address [X001]",
            "      Enable_Duravip = yes",
            "      ^",
            "1 error, configuration not loaded",
        ],
    )
    assert (node.generation.number, node.text()) == (1, TEXT)
    anna("config set Binding n Bind_Address 10.0.0.9")
    assert anna("config commit").startswith("Committed: generation 2."), "the copy could be mended"


def test_from_scratch_only_what_is_set_remains() -> None:
    node = Node(TEXT)
    anna = node.console()

    assert anna("config begin from scratch") == "Transaction begun from scratch."
    assert anna("config show") == ""
    anna("config set Retry_Interval 11")
    assert anna("config commit").splitlines()[0] == "Committed: generation 2."

    assert anna("config show") == "Retry_Interval = 11"
    assert anna("config get Binding b Bind_Address") == "Option 'Bind_Address' is not set in scope 'Binding b'."
    anna("config writeback")
    assert node.disk.files[MAIN] == b"Retry_Interval = 11\n"


@pytest.mark.parametrize("command", ["commit", "rollback", "replay"])
def test_without_a_transaction_there_is_nothing_to_end(command: str) -> None:
    anna = console(TEXT)

    assert anna(f"config {command}") == "error: no transaction is open: `config begin` opens one"
    assert anna.status == 1


def test_one_transaction_at_a_time() -> None:
    anna = console(TEXT)
    anna("config begin")

    assert anna("config begin").startswith("error: a transaction is open already")
    assert anna("config reload").startswith("error: no reload inside a transaction")


def test_a_check_inside_a_transaction_says_what_a_commit_would() -> None:
    anna = console(TEXT)
    anna("config begin")
    anna("config set Binding n Enable_Duravip yes")
    assert "[X001]" in anna("config check")

    anna("config set Binding n Bind_Address 10.0.0.9")
    assert anna("config check").splitlines()[-1] == "Configuration valid"
    assert anna.node.generation.number == 1


def test_write_config_leaves_an_open_transaction_out() -> None:
    anna = console("Retry_Interval = 5")
    anna("config begin")
    anna("config set Retry_Interval 7")

    assert anna("write config") == "Retry_Interval = 5"


def test_a_reload_replaces_what_was_set_and_not_written() -> None:
    anna = console(TEXT)
    anna("config set Retry_Interval 7")

    assert anna("config reload") == "Reconfigure complete"

    assert anna("config get Retry_Interval") == "Retry_Interval = 5"


def test_a_reload_of_a_bad_file_changes_nothing() -> None:
    anna = console(TEXT)
    anna.node.disk.files[MAIN] = "Retry_Intervall = 5"

    refused = anna("config reload").splitlines()

    assert refused[0].startswith(f"{MAIN}:1:1: error: 'Retry_Intervall'")
    assert refused[-1] == "Reconfigure failed"
    assert (anna.status, anna.node.generation.number) == (1, 1)


def test_a_reload_may_name_another_main_file() -> None:
    anna = console(TEXT, other="Retry_Interval = 33")

    assert anna("config reload other.conf") == "Reconfigure complete"

    assert anna("config get Retry_Interval") == "Retry_Interval = 33"


def test_what_waits_for_a_restart_is_said_at_once() -> None:
    anna = console(TEXT)

    answer = anna("config set Security User mta").splitlines()

    assert answer[0] == '\tUser = "mta"'
    assert answer[1].startswith("restart needed: 'User' in Security keeps its old value")
