"""`momentum-node cluster …`: the cluster module's commands, asked of the node on this machine."""

import argparse
import os
import sys
from typing import Any


def add_arguments(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `cluster` to the commands."""
    cluster = commands.add_parser("cluster", help="a command of the cluster module: arp show, duravip announce view")
    cluster.add_argument("words", nargs="+", metavar="WORD", help="the command; `help` lists them")
    cluster.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when it was carried out, 1 when not, 2 for a command that there is not."""
    from momentum_node import clusterdesk, settings  # noqa: PLC0415 - the command line must not pay for it
    from momentum_node.clusterwords import COMMANDS, CommandRefused  # noqa: PLC0415

    path = settings.from_environment(os.environ).run / clusterdesk.SOCKET
    try:
        text = clusterdesk.ask(path, arguments.words)
    except CommandRefused as refused:
        _complain(str(refused))
        return 1 if " ".join(arguments.words).lower() in COMMANDS else 2
    except (OSError, ValueError) as error:
        _complain(f"no node answers at {path}: {error}")
        return 1
    if text:
        print(text)  # noqa: T201 - a command for people
    return 0


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201
