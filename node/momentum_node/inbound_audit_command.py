"""`momentum-node inbound_audit show ip IP[/MASK]`: what clients of a running node did lately, window by window."""

import argparse
import json
import os
import sys
from typing import Any, Final

_EXAMPLE: Final = """Counts of this node, over all its mail workers, for one client address or the sum over a block.
Prints `Connections 300/0: 3` and so on: the length of the windows in seconds, the number of the window (0 is the
current one), and the count.

    momentum-node inbound_audit show ip 192.0.2.7
    momentum-node inbound_audit show ip 2001:db8::/64 --format json

What is counted is set by `inbound_audit { Monitors = ( "300,6" "1800,4" ) }`: seconds, and how many complete windows
are kept. Exit status: 0 printed, 1 no node answers or it counts nothing, 2 not understood."""


def run_show_ip(arguments: argparse.Namespace) -> int:
    """0 when the counts are printed, 1 when no node answers or it counts nothing."""
    from momentum_node import settings  # noqa: PLC0415 - the command line must not pay for what it does not use
    from momentum_node.audit.words import described  # noqa: PLC0415
    from momentum_node.limits import questions  # noqa: PLC0415

    path = settings.from_environment(os.environ).run / questions.SOCKET
    try:
        answer = questions.audited(path, arguments.block)
    except (OSError, ValueError) as error:
        return _failed(f"no node answers at {path}: {error}")
    if answer is None:
        return _failed('this node counts nothing: add `inbound_audit { Monitors = ( "300,6" ) }` to its configuration')
    print(json.dumps(answer, indent=2) if arguments.format == "json" else described(answer))  # noqa: T201
    if answer["dropped"] and arguments.format == "text":
        print(f"{answer['dropped']} addresses were forgotten early: there were too many", file=sys.stderr)  # noqa: T201
    return 0


def _failed(why: str) -> int:
    print(why, file=sys.stderr)  # noqa: T201 - a command for people
    return 1


def _block(text: str) -> str:
    from momentum_node.audit.words import block_of  # noqa: PLC0415

    try:
        return str(block_of(text))
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def add_arguments(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `inbound_audit` to the commands."""
    audit = commands.add_parser(
        "inbound_audit",
        aliases=["inbound-audit"],
        help="what clients did lately: connections, receptions, rejections",
        description=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shows = audit.add_subparsers(title="actions", required=True, metavar="ACTION")
    show = shows.add_parser("show", help="counts of an address or a block")
    kinds = show.add_subparsers(title="what", required=True, metavar="WHAT")
    kind = kinds.add_parser(
        "ip",
        help="of clients",
        description=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kind.add_argument("block", metavar="IP[/MASK]", type=_block, help="an address, or a block of them")
    kind.add_argument("--format", choices=("text", "json"), default="text")
    kind.set_defaults(command=run_show_ip)
