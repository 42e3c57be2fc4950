"""The command `momentum-node`: one word for each process of a node, and what people ask of one.

Each command imports only what it needs: `config check` must answer before a person notices that it started.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from momentum_node.command_line import CommandLine


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (0 = done, 1 = failed, 2 = not understood)."""
    parsed = _parser().parse_args(arguments)
    code: int = parsed.command(parsed)
    return code


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = CommandLine(prog="momentum-node", description="A node of a Momentum cluster.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a node, or one role of it", description=_RUN)
    run.add_argument("--role", choices=("node", "services", "mail"), help="only this role (one container each)")
    run.set_defaults(command=_run)

    bus = commands.add_parser(
        "bus", help="run Corosync and restart it when it ends (the bus container's first process)"
    )
    bus.add_argument(
        "--conf", default="/etc/momentum/config/corosync.conf", help="corosync.conf (default: %(default)s)"
    )
    bus.add_argument("--keys", metavar="FOLDER", help="where the bus key comes from (authkey, authkey.next, stage)")
    bus.set_defaults(command=_bus)

    status = commands.add_parser("status", help="what the node on this machine says of itself")
    status.add_argument("--format", choices=("text", "json"), default="text")
    status.set_defaults(command=_status)

    doctor = commands.add_parser("doctor", help="one verdict on the node of this machine, and what to look at")
    doctor.add_argument("--format", choices=("text", "json"), default="text")
    doctor.set_defaults(command=_doctor)

    for name, meaning in (("core", "the core process; started by the supervisor"), ("worker", "one mail worker")):
        internal = commands.add_parser(name, help=meaning)
        internal.set_defaults(command=_core if name == "core" else _worker)
        if name == "worker":
            internal.add_argument("--index", type=int, required=True, help="number of the worker, from 0")

    # After the cheap ones, and cheap themselves.
    from momentum_node import (  # noqa: PLC0415
        cluster_command,
        completion_command,
        config_command,
        count_command,
        drill_command,
        inbound_audit_command,
        replay_command,
        spool_command,
    )

    config_command.add_arguments(commands)
    spool_command.add_arguments(commands)
    replay_command.add_arguments(commands)
    drill_command.add_arguments(commands)
    cluster_command.add_arguments(commands)
    inbound_audit_command.add_arguments(commands)
    count_command.add_arguments(commands)
    completion_command.add_arguments(commands, _parser)
    return parser


_RUN = """Without --role: starts supervisor and core, services and mail as children, and ends when they have ended.
Environment: EC_NODE_NAME, EC_NODE_ADDR, MOMENTUM_CONFIG, MOMENTUM_NODES, MOMENTUM_RUN, MOMENTUM_TLS, MOMENTUM_BUS
(cpg: or embedded:PATH), MOMENTUM_SPOOL, MOMENTUM_FLIGHT."""


def _version() -> str:
    from momentum_node import __version__  # noqa: PLC0415

    return f"momentum-node {__version__}"


def _run(parsed: argparse.Namespace) -> int:
    if parsed.role == "node":
        from momentum_node import supervisor  # noqa: PLC0415

        return supervisor.run([sys.executable, "-m", "momentum_node", "core"])
    if parsed.role == "services":
        from momentum_node import services  # noqa: PLC0415

        return services.run()
    if parsed.role == "mail":
        from momentum_node import mail  # noqa: PLC0415

        return mail.run_mail(None)
    from momentum_node import roles  # noqa: PLC0415

    return roles.run()


def _core(_parsed: argparse.Namespace) -> int:
    from momentum_node import core  # noqa: PLC0415

    return core.run()


def _worker(parsed: argparse.Namespace) -> int:
    from momentum_node import worker  # noqa: PLC0415

    return worker.run_worker(parsed.index)


def _bus(parsed: argparse.Namespace) -> int:
    from momentum_node.bus import container  # noqa: PLC0415

    return container.run_corosync(parsed.conf, keys=parsed.keys)


def _status(parsed: argparse.Namespace) -> int:
    from momentum_node.status import reader  # noqa: PLC0415

    return reader.show(_status_socket(), as_json=parsed.format == "json")


def _doctor(parsed: argparse.Namespace) -> int:
    from momentum_node.status import reader  # noqa: PLC0415

    return reader.examine(_status_socket(), as_json=parsed.format == "json")


def _status_socket() -> Path:
    from momentum_node import settings  # noqa: PLC0415

    return settings.from_environment(os.environ).status_socket


if __name__ == "__main__":
    sys.exit(main())
