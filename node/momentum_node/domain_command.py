"""`momentum-node spool domain DOMAIN`: what the workers of a running node know of the hosts and queues of a domain."""

import argparse
import json
import os
import sys


def run_domain(arguments: argparse.Namespace) -> int:
    """0 when something is known, 3 when nothing is, 1 when no node answers."""
    from momentum_node import settings  # noqa: PLC0415 - the command line must not pay for what it does not use
    from momentum_node.limits import questions  # noqa: PLC0415
    from momentum_node.spool.knowledge import described, together  # noqa: PLC0415

    path = settings.from_environment(os.environ).run / questions.SOCKET
    try:
        known = together(questions.known_of(path, arguments.domain))
    except (OSError, ValueError, LookupError) as error:
        print(f"no node answers at {path}: {error}", file=sys.stderr)  # noqa: T201 - a command for people
        return 1
    print(json.dumps(known, indent=2) if arguments.format == "json" else described(arguments.domain, known))  # noqa: T201
    return 0 if known["queues"] else 3


def add_arguments(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `domain` to the actions of `spool`."""
    domain = actions.add_parser("domain", help="the hosts of a domain, how they behave, and its queues")
    domain.add_argument("domain", metavar="DOMAIN", help="a routing domain: of recipients, or a gateway")
    domain.add_argument("--format", choices=("text", "json"), default="text")
    domain.set_defaults(command=run_domain)
