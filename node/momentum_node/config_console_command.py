"""`momentum-node config get|set|unset|showrecurse|locate|replay FILE …`: the commands of the console, on files.

A change is checked as a node would check it; then the files are written, or nothing is. `-` reads standard input and
writes the changed text to standard output.
"""

import json
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from momentum_node.config.files import FileReader
    from momentum_node.config.transactions import Generation, Session
    from momentum_node.config.words.answer import Answer
    from momentum_node.config.writeback import FileChange

_STDIN = "-"
_COMMANDS = (
    ("get", "PATH… OPTION", "the value that is set exactly there"),
    ("set", "PATH… OPTION [=] VALUE", "set an option in the file it belongs to"),
    ("unset", "PATH… [OPTION]", "clear an option, or a scope with everything inside"),
    ("showrecurse", "PATH", "one scope with everything inside"),
    ("locate", "SCOPE [REGEX]", "where the instances of a scope are"),
    ("replay", None, "make the changes that standard input lists (`config set …`, one a line) as one transaction"),
)
_CHANGING = frozenset({"set", "unset", "replay"})


def add_arguments(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Register the commands below `config`."""
    for name, words, meaning in _COMMANDS:
        command = commands.add_parser(name, help=meaning)
        command.add_argument("file", metavar="FILE", help="the main file; - reads standard input")
        if words is not None:
            command.add_argument("path", metavar=words, nargs="*", help="as at the console of a node")
        command.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer")
        if name in _CHANGING:
            command.add_argument("--dry-run", action="store_true", help="show what would change, and write nothing")


def run(arguments: Namespace, read: "FileReader", search: tuple[str, ...]) -> int:
    """Do one command; returns the exit status."""
    from momentum_node.config import transactions  # noqa: PLC0415 - start-up of the other commands

    try:
        generation = transactions.first(arguments.file, transactions.Origin(read, search), 0.0)
    except transactions.ConfigurationInvalid as invalid:
        return _fail(invalid.text, arguments.format)
    if arguments.config_command == "replay":
        return _replay(arguments, generation)
    words = ["config", arguments.config_command, *arguments.path]
    answer = _asked(words, transactions.Session(), generation)
    if answer.status:
        return _fail(answer.text, arguments.format)
    return _finish(arguments, answer, generation)


def _asked(words: Sequence[str], session: "Session", generation: "Generation") -> "Answer":
    from momentum_node.config.words.console import run as ask  # noqa: PLC0415

    return ask(words, session, generation, 0.0)


def _replay(arguments: Namespace, generation: "Generation") -> int:
    from momentum_node.config.transactions import Session  # noqa: PLC0415
    from momentum_node.config.words.console import run_line  # noqa: PLC0415

    if arguments.file == _STDIN:
        return _fail("error: standard input lists the changes here: name the file", arguments.format)
    session = Session().begin(generation)
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        answer = run_line(line, session, generation, 0.0)
        if answer.status:
            return _fail(f"line {number}: {answer.text}", arguments.format)
        if answer.effects or answer.session.transaction is None:
            return _fail(f"line {number}: error: only `config set` and `config unset` are replayed", arguments.format)
        session = answer.session
    answer = _asked(["config", "commit"], session, generation)
    return _fail(answer.text, arguments.format) if answer.status else _finish(arguments, answer, generation)


# --- files ---


def _finish(arguments: Namespace, answer: "Answer", before: "Generation") -> int:
    """Write what the command changed, and answer."""
    from momentum_node.config.writeback import Install, writeback  # noqa: PLC0415
    from momentum_node.config_writer import NotWritten, write  # noqa: PLC0415

    after = next((effect.generation for effect in answer.effects if isinstance(effect, Install)), before)
    files, _ = writeback(after)
    if after.texts.unsaved:
        return _fail(f"error: no file can take this change:\n{after.texts.unsaved.rstrip()}", arguments.format)
    if not arguments.__dict__.get("dry_run") and arguments.file != _STDIN:
        try:
            write(files)
        except NotWritten as fault:
            return _fail(f"error: {fault}", arguments.format)
    _tell(arguments, answer, files, after)
    return 0


def _tell(arguments: Namespace, answer: "Answer", files: "Sequence[FileChange]", after: "Generation") -> None:
    dry, changing = arguments.__dict__.get("dry_run", False), arguments.config_command in _CHANGING
    written = [change.path for change in files] if not dry else []
    if arguments.format == "json":
        whole: dict[str, object] = {"status": 0, **(answer.data or {"text": answer.text})}
        if changing:
            whole |= {"written": written, "changes": {change.path: _difference(change) for change in files}}
        sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    elif changing and dry:
        sys.stdout.write("".join(map(_difference, files)) or "Nothing would change.\n")
    elif changing and arguments.file == _STDIN:
        sys.stdout.write(after.texts.text(_STDIN))
    else:
        sys.stdout.write("\n".join([answer.text, *(f"{path} written" for path in written)]) + "\n")


def _difference(change: "FileChange") -> str:
    from difflib import unified_diff  # noqa: PLC0415

    before, after = ((data or b"").decode().splitlines(keepends=True) for data in (change.before, change.after))
    lines = unified_diff(before, after, change.path, change.path)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _fail(text: str, form: str) -> int:
    if form == "json":
        sys.stdout.write(json.dumps({"status": 1, "error": text.removeprefix("error: ")}, indent=2) + "\n")
    else:
        sys.stderr.write(f"{text}\n")
    return 1
