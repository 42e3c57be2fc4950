"""`momentum-node config …`: what a person asks about a configuration file, and changes in it, without a node.

Files are read here; the configuration room itself opens none. `-` is standard input. Exit status 0 or 1.
"""

import gc
import json
import os
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path
from typing import TYPE_CHECKING

from momentum_node import config_console_command

if TYPE_CHECKING:
    from momentum_node.config.loading import Loaded
    from momentum_node.config.messages import Message

STDIN = "-"
CONFROOT = "/opt/msys/ecelerity/etc"


class DiskFiles:
    """The files of this machine for the configuration room; `-` is standard input."""

    def __call__(self, path: str, /) -> bytes:
        return sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()

    def entries(self, path: str, /) -> list[str]:
        return [entry.name for entry in Path(path).iterdir() if entry.is_file()]

    def writable(self, path: str, /) -> bool:
        """Whether a new content could take the place of the file: by renaming, so its folder counts too."""
        if path == STDIN:
            return True
        target = Path(path).resolve()
        return os.access(target.parent, os.W_OK | os.X_OK) and (not target.exists() or os.access(target, os.W_OK))


def add_arguments(subparsers: "_SubParsersAction[ArgumentParser]") -> None:
    """Register `config` and its commands."""
    parser = subparsers.add_parser("config", help="parse, check, show, ask and convert configuration files")
    parser.set_defaults(command=run)
    commands = parser.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    for name, meaning in (
        ("parse", "syntax only, includes not followed: the tree as JSON"),
        ("check", "read the file and everything it includes as a node would"),
        ("show", "the merged tree as canonical Momentum 3 text"),
        ("eval", "the value of one option after fallback, as the console prints it"),
        ("convert", "one file in the form of Momentum 3, with its comments and in its order"),
    ):
        command = commands.add_parser(name, help=meaning)
        command.add_argument("file", metavar="FILE", help="the main file; - reads standard input")
        command.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer")
        if name == "eval":
            words = "scopes and instances, then the option: Binding b Domain example.com Max_Retries"
            command.add_argument("path", metavar="PATH… OPTION", nargs="+", help=words)
        if name == "check":
            command.add_argument("--dialect", type=int, choices=(2, 3), help="refuse the forms of the other one")
        if name == "show":
            words = "one scope: scopes and instances, perhaps an option; without it the whole tree"
            command.add_argument("path", metavar="PATH", nargs="*", help=words)
        if name not in {"parse", "convert"}:
            command.add_argument("--strict", action="store_true", help="warnings refuse the file too")
    config_console_command.add_arguments(commands)


def run(arguments: Namespace) -> int:
    """Do what `add_arguments` registered; returns the exit status."""
    gc.disable()  # one answer, then the process ends: looking for garbage costs a large file a quarter of its time
    commands = {"parse": _parse, "check": _check, "show": _show, "eval": _eval, "convert": _convert}
    code = commands.get(arguments.config_command, _console)(arguments)
    gc.freeze()  # nor at the end of the process
    return code


# --- parse ---


def _parse(arguments: Namespace) -> int:
    from momentum_node.config import files  # noqa: PLC0415 - start-up of the other commands
    from momentum_node.config.shapes import statement_shape  # noqa: PLC0415

    name = arguments.file
    found = files.Files(DiskFiles(), contained=False, search=())
    statements = found.syntax(name)
    if found.report.error_count:
        _tell(found.report.errors, arguments.format)
        return 1
    _say(json.dumps([statement_shape(statement) for statement in statements], indent=2, ensure_ascii=False))
    return 0


# --- check, show and eval ---


def _load(arguments: Namespace) -> "Loaded | None":
    """The loaded file, or None after the refusal was told."""
    from momentum_node.config.loading import ConfigurationInvalid, load  # noqa: PLC0415

    dialect = getattr(arguments, "dialect", None)
    try:
        return load(arguments.file, DiskFiles(), strict=arguments.strict, search=search_path(), dialect=dialect)
    except ConfigurationInvalid as refusal:
        _tell(refusal.messages, arguments.format, refusal.text)
        return None


def _check(arguments: Namespace) -> int:
    from momentum_node.config.messages import warnings_text  # noqa: PLC0415

    loaded = _load(arguments)
    if loaded is None:
        return 1
    if arguments.format == "json":
        found = [_message(message) for message in loaded.warnings]
        _say(json.dumps({"valid": True, "messages": found, "notices": loaded.node.notices}, indent=2))
        return 0
    if loaded.warnings:
        _complain(warnings_text(loaded.warnings))
    for notice in loaded.node.notices:
        _complain(f"notice: {notice}")
    _say("Configuration valid")
    return 0


def _show(arguments: Namespace) -> int:
    from momentum_node.config.printer import print_tree  # noqa: PLC0415

    if arguments.path:
        return _console(arguments)
    loaded = _load(arguments)
    if loaded is None:
        return 1
    if arguments.format == "json":
        _say(json.dumps(loaded.tree.plain(), indent=2, ensure_ascii=False))
    else:
        sys.stdout.write(print_tree(loaded.tree))
    return 0


def _console(arguments: Namespace) -> int:
    """A command as at the console of a node, on files."""
    return config_console_command.run(arguments, DiskFiles(), search_path())


def _eval(arguments: Namespace) -> int:
    from momentum_node.config.evaluation import evaluate  # noqa: PLC0415
    from momentum_node.config.paths import PathFault  # noqa: PLC0415
    from momentum_node.config.shapes import value_shape  # noqa: PLC0415

    loaded = _load(arguments)
    if loaded is None:
        return 1
    try:
        found = evaluate(loaded.tree, arguments.path)
    except PathFault as fault:
        _complain(f"error: {fault}")
        return 1
    if arguments.format == "json":
        value = None if found.value is None else value_shape(found.value)
        place = None if found.at < 0 else str(loaded.sources.place(found.at))
        _say(json.dumps({"option": found.option, "value": value, "place": place}, indent=2, ensure_ascii=False))
    else:
        _say(str(found))
    return 0


# --- convert ---


def _convert(arguments: Namespace) -> int:
    from momentum_node.config.conversion import convert  # noqa: PLC0415
    from momentum_node.config.messages import ConfigurationInvalid  # noqa: PLC0415

    try:
        text = convert(arguments.file, DiskFiles())
    except ConfigurationInvalid as refusal:
        _tell(refusal.messages, arguments.format, refusal.text)
        return 1
    if arguments.format == "json":
        _say(json.dumps({"valid": True, "text": text}, indent=2, ensure_ascii=False))
    else:
        sys.stdout.write(text)
    return 0


def search_path() -> tuple[str, ...]:
    """Where relative includes are looked up after the including file's directory (EC_CONF_SEARCH_PATH)."""
    default = "{CONFROOT}:{CONFROOT}/conf/global:{CONFROOT}/conf/{NODENAME}:{CONFROOT}/conf/default"
    node = os.environ.get("EC_NODE_NAME") or os.uname().nodename.partition(".")[0]
    path = os.environ.get("EC_CONF_SEARCH_PATH") or default
    words = {"CONFROOT": CONFROOT, "NODENAME": node, "SUBCLUSTER": os.environ.get("EC_SUB_CLUSTER") or "default"}
    for word, text in words.items():
        path = path.replace("{" + word + "}", text)
    return tuple(part for part in path.split(":") if part)


def _tell(messages: "tuple[Message, ...] | list[Message]", form: str, text: str | None = None) -> None:
    from momentum_node.config.messages import formatted  # noqa: PLC0415

    if form == "json":
        _say(json.dumps({"valid": False, "messages": [_message(message) for message in messages]}, indent=2))
    else:
        _complain(formatted(messages) if text is None else text)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _message(message: "Message") -> dict[str, object]:
    place = message.place
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "severity": message.severity,
        "code": message.code,
        "text": message.text,
        "hint": message.hint,
    }
