"""`momentum-node spool refresh DOMAIN|all`: what a running node knows of the hosts of a domain is asked for again."""

import argparse
import os
import sys


def run_refresh(arguments: argparse.Namespace) -> int:
    """0 when the workers were told, 1 when no node answers or none of its workers is there."""
    from momentum_node import settings  # noqa: PLC0415 - the command line must not pay for what it does not use
    from momentum_node.limits import questions  # noqa: PLC0415

    path = settings.from_environment(os.environ).run / questions.SOCKET
    try:
        told = questions.refresh(path, arguments.domain)
    except (OSError, ValueError) as error:
        print(f"no node answers at {path}: {error}", file=sys.stderr)  # noqa: T201 - a command for people
        return 1
    print(f"{arguments.domain}: {told} mail workers look it up again")  # noqa: T201
    return 0 if told else 1


def add_arguments(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `refresh` to the actions of `spool`."""
    refresh = actions.add_parser("refresh", help="ask the DNS again for the hosts of a domain, and try them at once")
    refresh.add_argument("domain", metavar="DOMAIN", help="a routing domain, or all")
    refresh.set_defaults(command=run_refresh)
