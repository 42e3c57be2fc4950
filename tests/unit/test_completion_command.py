"""What a shell offers behind the beginning of one of our commands; bash itself is asked."""

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from momentum_node.__main__ import main
from momentum_node.completion_command import script

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing")
ASK = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _momentum_node; printf "%s\\n" "${COMPREPLY[@]}"'


def offered(file: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    command = ["bash", "--norc", "-c", ASK, str(file), "momentum-node", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The script as it is printed."""
    assert main(["completion", "bash"]) == 0
    printed = tmp_path / "momentum-node"
    printed.write_text(capsys.readouterr().out)
    return printed


@needs_bash
def test_commands_their_words_and_their_options_are_offered(file: Path) -> None:
    assert offered(file, "sp") == ["spool"]
    assert {"run", "status", "config", "completion"} <= set(offered(file, ""))
    assert offered(file, "spool", "quar") == ["quarantine"]
    assert set(offered(file, "spool", "quarantine", "")) >= {"list", "show", "retry", "drop"}
    assert offered(file, "status", "--fo") == ["--format"]
    assert {"text", "json"} <= set(offered(file, "status", "--format", ""))
    assert offered(file, "completion", "b") == ["bash"]


@needs_bash
def test_what_stands_before_does_not_hide_the_command(file: Path) -> None:
    assert offered(file, "spool", "explain", "default", "y.test", "--ho") == ["--host"]
    assert offered(file, "nonsense", "sp") == ["spool"]


@needs_bash
def test_the_script_is_registered(file: Path) -> None:
    ask = 'source "$0"; complete -p momentum-node'
    done = subprocess.run(["bash", "--norc", "-c", ask, str(file)], capture_output=True, text=True, check=True)
    assert "-F _momentum_node momentum-node" in done.stdout


def test_zsh_is_given_the_same_by_its_own_bridge() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=("here", "there"))
    text = script(parser, "zsh")
    assert text.startswith("autoload -Uz bashcompinit && bashcompinit\n")
    assert text.endswith(script(parser, "bash"))
    assert '"") words="-h --help --way here there" ;;' in text
