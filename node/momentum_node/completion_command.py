"""`momentum-node completion bash|zsh`: a script that completes our commands, made of the parser itself.

The script knows one table: path of a command → words that may follow. It asks nobody when a key is pressed.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

_FUNCTION: Final = """# Completion of momentum-node: source it, or put it where the shell looks for completions.
_momentum_node() {
  local current="${COMP_WORDS[COMP_CWORD]}" path="" next="" word index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="${COMP_WORDS[index]}"
    next="${path:+$path }$word"
    case "$next" in
      @PATHS@) path="$next" ;;
    esac
  done
  local words=""
  case "$path" in
@CASES@
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
"""
_BASH: Final = "complete -o default -F _momentum_node momentum-node\n"
_ZSH: Final = "autoload -Uz bashcompinit && bashcompinit\n"


def add_arguments(commands: Any, parser: Callable[[], argparse.ArgumentParser]) -> None:
    """Add `completion` to the commands of `parser()`."""
    completion = commands.add_parser("completion", help="print a script that completes these commands in a shell")
    completion.add_argument("shell", choices=("bash", "zsh"))
    completion.set_defaults(command=lambda parsed: _show(parser(), parsed.shell))


def _show(parser: argparse.ArgumentParser, shell: str) -> int:
    sys.stdout.write(script(parser, shell))
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for "bash" or "zsh"."""
    table = dict(_walk(parser, ""))
    paths = " | ".join(f'"{path}"' for path in table if path)
    cases = "\n".join(f'    "{path}") words="{" ".join(words)}" ;;' for path, words in table.items())
    text = _FUNCTION.replace("@PATHS@", paths).replace("@CASES@", cases) + _BASH
    return text if shell == "bash" else _ZSH + text


def _walk(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, list[str]]]:
    """(command, what may stand behind it) for a parser and all below it."""
    words: list[str] = []
    below: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to be asked
        words += action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            below.update(action.choices)
        elif action.choices is not None:
            words += map(str, action.choices)
    yield path, [*below, *words]
    for name, one in below.items():
        yield from _walk(one, f"{path} {name}".lstrip())
