"""`momentum-node config get|set|unset|show|showrecurse|locate|replay`, run as a person runs them."""

import gc
import io
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from momentum_node.__main__ import main as momentum_node

MAIN = '# ours\nRetry_Interval = 5  # why\ninclude "sub.conf"\n'
SUB = "Binding b { Bind_Address = 10.0.0.1 }\n"


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def _garbage() -> Iterator[None]:
    """The command switches the collection off, because its process ends with it; ours does not."""
    yield
    gc.unfreeze()
    gc.enable()


def config(*arguments: str, text: str = "") -> Answer:
    """The command in this process: what it prints, and its exit status."""
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = momentum_node(["config", *arguments])
    finally:
        sys.stdin = before
    return Answer(code, out.getvalue(), err.getvalue())


def files(folder: Path) -> str:
    (folder / "main.conf").write_text(MAIN)
    (folder / "sub.conf").write_text(SUB)
    return str(folder / "main.conf")


def test_set_writes_the_file_that_has_the_stanza(tmp_path: Path) -> None:
    main = files(tmp_path)

    answer = config("set", main, "Binding", "b", "EHLO_Hostname", "b.test")

    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == f'\tEHLO_Hostname = "b.test"\n{tmp_path / "sub.conf"} written\n'
    assert (tmp_path / "main.conf").read_text() == MAIN
    assert (tmp_path / "sub.conf").read_text() == SUB.replace(" }", '  EHLO_Hostname = "b.test" }')
    assert config("get", main, "Binding", "b", "EHLO_Hostname").stdout == '\tEHLO_Hostname = "b.test"\n'


def test_a_change_that_is_not_valid_writes_nothing(tmp_path: Path) -> None:
    main = files(tmp_path)

    answer = config("set", main, "Binding", "b", "Enable_Duravip", "maybe")
    late = config("set", main, "Binding", "c", "Enable_Duravip", "yes")

    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("error: 'Enable_Duravip' needs true or false")
    assert "main.conf:5:3: error: a DuraVIP needs one specific address" in late.stderr
    assert (tmp_path / "main.conf").read_text() == MAIN


def test_a_dry_run_shows_the_difference(tmp_path: Path) -> None:
    main = files(tmp_path)

    answer = config("set", "--dry-run", main, "Retry_Interval", "=", "9")

    assert "-Retry_Interval = 5  # why\n+Retry_Interval = 9  # why\n" in answer.stdout
    assert (tmp_path / "main.conf").read_text() == MAIN
    assert config("set", "--dry-run", main, "Retry_Interval", "5").stdout == "Nothing would change.\n"


def test_standard_input_comes_back_changed() -> None:
    assert config("set", "-", "Retry_Interval=9", text="Retry_Interval = 5 # x\n").stdout == "Retry_Interval = 9 # x\n"
    assert config("unset", "-", "Retry_Interval", text="Retry_Interval = 5\n# x\n").stdout == "# x\n"
    assert config("get", "-", "Retry_Interval", text="Retry_Interval = 5").stdout == "Retry_Interval = 5\n"


def test_negative_numbers_are_values(tmp_path: Path) -> None:
    assert config("set", files(tmp_path), "Max_Outbound_Connections", "-1").returncode == 0


def test_a_list_of_changes_is_made_as_a_whole(tmp_path: Path) -> None:
    main = files(tmp_path)
    lines = "# two that need each other\n\nconfig set Binding n Enable_Duravip yes\nconfig unset Retry_Interval\n"

    refused = config("replay", main, text=lines)
    assert (refused.returncode, (tmp_path / "main.conf").read_text()) == (1, MAIN)
    assert config("replay", main, text="config sett x").stderr.startswith("line 1: error: 'sett' is not a config comm")
    assert config("replay", main, text="config commit").stderr.startswith("line 1: error: only `config set`")

    done = config("replay", main, text=f"{lines}config set Binding n Bind_Address 10.0.0.9\n")
    assert done.returncode == 0
    assert done.stdout.endswith(f"{main} written\n")
    assert (tmp_path / "main.conf").read_text().startswith('# ours\n# why\ninclude "sub.conf"\nBinding "n" {')


def test_show_and_locate_take_a_path(tmp_path: Path) -> None:
    main = files(tmp_path)

    assert config("show", main, "Binding", "b").stdout == 'Binding "b" {\n  Bind_Address = "10.0.0.1"\n}\n'
    assert config("showrecurse", main).stdout == config("show", main).stdout
    assert config("locate", main, "Binding", "^b$").stdout == 'Binding "b"\n  is at Binding:b:\n'
    assert config("show", main, "Binding", "c").stderr == (
        "error: Binding c is not in the configuration; did you mean `b`?\n"
    )


def test_json_everywhere(tmp_path: Path) -> None:
    main = files(tmp_path)

    got = json.loads(config("get", "--format", "json", main, "Retry_Interval").stdout)
    assert (got["status"], got["value"]) == (0, "5")
    done = json.loads(config("set", "--format", "json", main, "Retry_Interval", "6").stdout)
    assert done["written"] == [main]
    refused = config("set", "--format", "json", main, "Retry_Intervall", "6")
    assert refused.returncode == 1
    assert "did you mean `Retry_Interval`?" in json.loads(refused.stdout)["error"]


def test_a_file_with_errors_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "main.conf").write_text("Retry_Intervall = 5\n")

    answer = config("set", str(tmp_path / "main.conf"), "Retry_Interval", "6")

    assert answer.returncode == 1
    assert "main.conf:1:1: error: 'Retry_Intervall'" in answer.stderr


def test_a_mistyped_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    for words, meant in ((["config", "shwo"], "show"), (["confg"], "config"), (["config", "evla"], "eval")):
        with pytest.raises(SystemExit) as ended:
            momentum_node(words)
        assert ended.value.code == 2
        assert f"'{words[-1]}' is not known here; did you mean `{meant}`?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        momentum_node(["config", "frobnicate"])
    assert "choose from" in capsys.readouterr().err
