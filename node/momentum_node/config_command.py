"""`momentum-node config …`: what a configuration says, without a node.

    config check [--strict] FILE     `Configuration valid`, or the messages with their places; exit code 0 or 1
    config show FILE                 the merged tree as canonical 3.x text

FILE may be `-`: standard input. Only what a command needs is imported: start-up is part of its answer.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

STANDARD_INPUT = "-"


def add_arguments(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `config` and its actions to the command line."""
    config = commands.add_parser("config", help="check and show configuration files")
    actions = config.add_subparsers(title="actions", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="read a configuration and everything it includes; say what is wrong")
    check.add_argument("--strict", action="store_true", help="warnings are errors too")
    show = actions.add_parser("show", help="the merged configuration as canonical 3.x text")
    for action, run in ((check, _check), (show, _show)):
        action.add_argument("--format", choices=("text", "json"), default="text")
        action.add_argument("file", metavar="FILE", help="a configuration file, or - for standard input")
        action.set_defaults(command=run)


def _read(path: str) -> bytes:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    return Path(path).read_bytes()


def _check(parsed: argparse.Namespace) -> int:
    from momentum_node.config.loading import ConfigurationInvalid, load  # noqa: PLC0415

    try:
        loaded = load(parsed.file, _read, strict=parsed.strict)
    except ConfigurationInvalid as invalid:
        _answer(parsed, {"valid": False, "messages": [str(message) for message in invalid.messages]}, invalid.text)
        return 1
    warnings = [str(message) for message in loaded.warnings]
    notices = [f"notice: {notice}" for notice in loaded.node.notices]
    text = "\n".join([*warnings, *notices, "Configuration valid"])
    _answer(parsed, {"valid": True, "messages": warnings, "notices": list(loaded.node.notices)}, text)
    return 0


def _show(parsed: argparse.Namespace) -> int:
    from momentum_node.config.loading import ConfigurationInvalid, load  # noqa: PLC0415
    from momentum_node.config.printer import print_tree  # noqa: PLC0415

    try:
        text = print_tree(load(parsed.file, _read).tree)
    except ConfigurationInvalid as invalid:
        _answer(parsed, {"valid": False, "messages": [str(message) for message in invalid.messages]}, invalid.text)
        return 1
    _answer(parsed, {"valid": True, "text": text}, text.rstrip("\n"))
    return 0


def _answer(parsed: argparse.Namespace, document: dict[str, Any], text: str) -> None:
    """One answer in the form that was asked for; what is wrong goes to standard error."""
    if parsed.format == "json":
        print(json.dumps(document, ensure_ascii=False))  # noqa: T201
    else:
        print(text, file=sys.stdout if document["valid"] else sys.stderr)
