"""The command `config`, run as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.configuration import GOLDEN


def config(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "momentum_node", "config", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=30)


def test_a_good_file_is_valid(tmp_path: Path) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "a.conf").write_text("Retry_Interval = 5")
    (tmp_path / "main.conf").write_text('include "extra"')

    answer = config("check", str(tmp_path / "main.conf"))

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "Configuration valid\n", "")


def test_a_bad_file_is_refused_with_its_place() -> None:
    answer = config("check", "-", text="Max_Retrys = 5")

    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        "-:1:1: error: 'Max_Retrys' is not an option or stanza of scope global [S001]",
        "    Max_Retrys = 5",
        "    ^",
        "  hint: did you mean `Max_Retries`?",
        "1 error, configuration not loaded",
    ]


def test_a_missing_file_is_an_error_with_a_name() -> None:
    answer = config("check", "/nowhere/ecelerity.conf")

    assert answer.returncode == 1
    assert "'/nowhere/ecelerity.conf' cannot be read" in answer.stderr


def test_show_prints_what_reads_back_the_same() -> None:
    shown = config("show", str(GOLDEN / "valid" / "manual.conf"))
    again = config("show", "-", text=shown.stdout)

    assert shown.returncode == 0
    assert again.stdout == shown.stdout == (GOLDEN / "valid" / "manual.canonical").read_text()


def test_parse_gives_the_tree_and_follows_no_include() -> None:
    answer = config("parse", "-", text='include "nothing.conf" Binding b <duravip=enabled> { Bind_Address = 10.0.0.1 }')

    include, binding = json.loads(answer.stdout)
    assert include == {"include": "nothing.conf", "read_only": False}
    assert binding["attributes"] == {"duravip": "enabled"}
    assert binding["body"] == [{"option": "Bind_Address", "value": "10.0.0.1"}]


def test_messages_as_json() -> None:
    answer = config("check", "-", "--format", "json", text="TLS = maybe")

    (message,) = json.loads(answer.stdout)["messages"]
    assert (message["line"], message["column"], message["code"]) == (1, 7, "V005")


def test_eval_answers_as_the_console_does() -> None:
    text = "Binding b { Bind_Address = 192.0.2.1  Domain d { Retry_Interval = 5 } }"

    assert (
        config("eval", "-", "binding", "b", "domain", "d", "retry_interval", text=text).stdout == "Retry_Interval = 5\n"
    )
    assert config("eval", "-", "Binding", "b", "bind_address", text=text).stdout == 'Bind_Address = "192.0.2.1"\n'
    found = json.loads(config("eval", "-", "--format", "json", "Binding", "b", "Bind_Address", text=text).stdout)
    assert found == {"option": "Bind_Address", "value": "192.0.2.1", "place": "-:1:13"}


def test_eval_of_a_wrong_path_fails() -> None:
    answer = config("eval", "-", "Bind", "b", "Retry_Interval")

    assert answer.returncode == 1
    assert answer.stderr.startswith("error: 'Bind' is not a scope of global")


def test_the_manuals_example_survives_convert_check_and_show() -> None:
    converted = config("convert", str(GOLDEN / "valid" / "manual.conf")).stdout
    checked = config("check", "--dialect", "3", "-", text=converted)

    assert (checked.returncode, checked.stdout) == (0, "Configuration valid\n")
    assert config("show", "-", text=converted).stdout == (GOLDEN / "valid" / "manual.canonical").read_text()
    assert config("check", "--dialect", "2", "-", text=converted).returncode == 1
