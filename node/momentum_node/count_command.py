"""`momentum-node count SERVICE BLOCK`: open connections of a running node by blocks of addresses."""

import argparse
import json
import os
import sys
from typing import Any, Final

_EXAMPLE: Final = """Open connections of this node, over all its mail workers.

    momentum-node count SMTP 192.0.2.0/24        clients from that block
    momentum-node count SMTP 24                  every /24 that clients come from
    momentum-node count outbound 8-28            next hops: the blocks at which their addresses part, from /8 to /28
    momentum-node count outbound/example 32      next hops of the binding `example`

A connection to a next hop counts from the attempt to open it. Exit status: 0 printed, 1 no node answers, 2 not
understood, 3 that service is not counted."""


def run_count(arguments: argparse.Namespace) -> int:
    """0 when the counts are printed, 1 when no node answers, 3 when it does not count that service."""
    from momentum_node import settings  # noqa: PLC0415 - the command line must not pay for what it does not use
    from momentum_node.limits import questions  # noqa: PLC0415
    from momentum_node.limits.blocks import described  # noqa: PLC0415

    path = settings.from_environment(os.environ).run / questions.SOCKET
    try:
        rows, more = questions.count(path, arguments.service, arguments.block)
    except LookupError as error:
        _complain(str(error.args[0]))
        return 3
    except (OSError, ValueError) as error:
        _complain(f"no node answers at {path}: {error}")
        return 1
    if arguments.format == "json":
        counts = [{"block": block, "connections": connections} for block, connections in rows]
        print(json.dumps({"counts": counts, "more": more}, indent=2))  # noqa: T201 - a command for people
    elif rows:
        print(described(rows))  # noqa: T201
    if more and arguments.format == "text":
        _complain(f"{more} more blocks: ask for larger ones")
    return 0


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def _block(text: str) -> str:
    from momentum_node.limits.blocks import asked  # noqa: PLC0415

    try:
        asked(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None
    return text


def add_arguments(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `count` to the commands."""
    count = commands.add_parser(
        "count",
        help="open connections by blocks of addresses",
        description=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    count.add_argument("service", metavar="SERVICE", help="SMTP, outbound, or outbound/BINDING")
    count.add_argument("block", metavar="CIDR|M|M-N", type=_block, help="a block, a size, or a range of sizes")
    count.add_argument("--format", choices=("text", "json"), default="text")
    count.set_defaults(command=run_count)
