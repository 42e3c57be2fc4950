"""`momentum-node spool quarantine list|show|retry|drop`."""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def run_list(arguments: argparse.Namespace) -> int:
    """Print what there is; 0."""
    from momentum_node.spool import quarantine  # noqa: PLC0415 - the command line must not pay for it

    for one in quarantine.pieces(Path(arguments.spool)):
        since = datetime.fromtimestamp(one.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if arguments.format == "json":
            _say(json.dumps({"name": one.name, "size": one.size, "since": since}))
        else:
            _say(f"{one.name:<44} {one.size:>10} bytes  {since}")
    return 0


def run_one(arguments: argparse.Namespace) -> int:
    """Show, retry or drop one piece; 1 when that cannot be done."""
    from momentum_node.errors import SpoolError  # noqa: PLC0415
    from momentum_node.spool import quarantine  # noqa: PLC0415

    try:
        one = quarantine.piece(Path(arguments.spool), arguments.name)
        if arguments.action == "show":
            _show(quarantine.contents(one), one.path, arguments.format == "json")
        elif arguments.action == "retry":
            _say(f"{one.name}: {quarantine.retry(one)} transactions are in the spool again")
        else:
            quarantine.drop(one)
            _say(f"{one.name}: removed")
    except (SpoolError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command for people
        return 1
    return 0


def _show(readable: list[Any], path: Path, as_json: bool) -> None:
    found = [
        {
            "ids": [to.id for to in one.transaction.recipients],
            "sender": one.sender,
            "recipients": list(one.recipients),
            "size": one.transaction.envelope.size,
        }
        for one in readable
    ]
    if as_json:
        _say(json.dumps({"path": str(path), "messages": found}))
        return
    _say(str(path) if found else f"{path}: no message can be read in it")
    for one in found:
        _say(f"  {', '.join(one['ids'])}: <{one['sender']}> -> {', '.join(one['recipients'])}, {one['size']} bytes")


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a command for people


def add_arguments(actions: "argparse._SubParsersAction[Any]", default_base: str) -> None:
    """Add `quarantine` to the actions of `spool`."""
    parser = actions.add_parser("quarantine", help="mail that could not be read")
    commands = parser.add_subparsers(title="actions", required=True, metavar="ACTION", dest="action")
    for name, meaning in (
        ("list", "what there is"),
        ("show", "what can be read of one piece"),
        ("retry", "put its mail back into the spool; its worker must be stopped"),
        ("drop", "remove it for good"),
    ):
        one = commands.add_parser(name, help=meaning)
        if name != "list":
            one.add_argument("name", metavar="SHARD/FILE", help="as `list` prints it")
        if name in {"list", "show"}:
            one.add_argument("--format", choices=("text", "json"), default="text")
        one.add_argument("--spool", default=os.environ.get("MOMENTUM_SPOOL", default_base), help="spool folder")
        one.set_defaults(command=run_list if name == "list" else run_one)
