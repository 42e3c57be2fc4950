"""`momentum-node spool explain BINDING DOMAIN`: every limit of a queue, and which one binds now."""

import argparse
import json
import os
import sys
from typing import Any


def run_explain(arguments: argparse.Namespace) -> int:
    """0 when one more connection may be opened, 3 when not, 1 when it cannot be said."""
    from momentum_node.limits.questions import described  # noqa: PLC0415 - the command line must not pay for it

    told = _of_configuration(arguments) if arguments.configured else _of_node(arguments)
    if told is None:
        return 1
    print(json.dumps(told, indent=2) if arguments.format == "json" else described(told))  # noqa: T201
    return 0 if told["may_open"] else 3


def _of_node(arguments: argparse.Namespace) -> dict[str, Any] | None:
    from momentum_node import settings  # noqa: PLC0415
    from momentum_node.limits import questions  # noqa: PLC0415

    path = settings.from_environment(os.environ).run / questions.SOCKET
    try:
        told = questions.ask(path, arguments.binding, arguments.domain, arguments.host)
    except (OSError, ValueError) as error:
        _complain(f"no node answers at {path}: {error} (--configured shows the limits without counts)")
        return None
    if "error" in told:
        _complain(str(told["error"]))
        return None
    return told


def _of_configuration(arguments: argparse.Namespace) -> dict[str, Any] | None:
    from momentum_node import generation, settings  # noqa: PLC0415
    from momentum_node.errors import MomentumError  # noqa: PLC0415
    from momentum_node.limits.authority import Authority  # noqa: PLC0415
    from momentum_node.limits.rules import LimitRules  # noqa: PLC0415

    try:
        loaded = generation.read(settings.from_environment(os.environ))
    except (MomentumError, OSError) as error:
        _complain(str(error))
        return None
    authority = Authority(LimitRules(loaded.tree, loaded.sources.place))
    return authority.explain(arguments.binding, arguments.domain, arguments.host, 0.0).plain()


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - a command for people


def add_arguments(actions: "argparse._SubParsersAction[Any]") -> None:
    """Add `explain` to the actions of `spool`."""
    explain = actions.add_parser("explain", help="why a queue may, or may not, open one more connection now")
    explain.add_argument("binding", metavar="BINDING")
    explain.add_argument("domain", metavar="DOMAIN")
    explain.add_argument("--host", help="the MX host, for the limits of its own")
    explain.add_argument(
        "--configured", action="store_true", help="from MOMENTUM_CONFIG, without a running node: all counts are 0"
    )
    explain.add_argument("--format", choices=("text", "json"), default="text")
    explain.set_defaults(command=run_explain)
