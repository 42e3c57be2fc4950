"""`momentum-node spool list`: what waits in a spool, read from its files without disturbing the workers that use it."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from momentum_node import domain_command, explain_command, import_command, quarantine_command, refresh_command

DEFAULT_BASE: Final = "/var/spool/ecelerity"


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """One waiting message."""

    id: str
    message_id: str  # the Message-ID header, "" when it has none
    sender: str  # "" = the null sender
    recipient: str
    binding: str
    domain: str
    age_s: float
    retries: int
    size: int
    shard: int


def spool_list(base: Path) -> Iterator[SpoolEntry]:
    """All waiting messages of all shards under `base`, newest segments first.

    Read without a lock: a message that is delivered meanwhile may still be listed, and none is listed twice.
    Segments that cannot be read are named on standard error.
    """
    for folder in sorted(base.glob("shard-[0-9][0-9]")):
        yield from _shard_list(folder, int(folder.name[6:]))


def _shard_list(folder: Path, shard: int) -> Iterator[SpoolEntry]:
    from momentum_node import clock  # noqa: PLC0415 - the command line must not pay for what it does not use
    from momentum_node.errors import SpoolError  # noqa: PLC0415
    from momentum_node.spool.disk import RealDisk  # noqa: PLC0415
    from momentum_node.spool.recovery import Recovery, segment_numbers  # noqa: PLC0415

    disk = RealDisk()
    recovery = Recovery(disk, str(folder), lambda found: _complain(f"{folder}: {found.reason}"))
    for number in reversed(segment_numbers(disk, str(folder))):
        try:
            kept = recovery.segment(number)
        except FileNotFoundError:  # finished and removed since we looked
            continue
        except (OSError, SpoolError) as error:
            _complain(f"{folder}: segment {number}: {error}")
            continue
        for one in kept:
            age = clock.wall() - one.envelope.created
            for recipient in one.recipients:
                tries = one.tries.get(recipient.id)
                yield SpoolEntry(
                    recipient.id,
                    one.envelope.message_id,
                    one.envelope.sender,
                    recipient.address,
                    recipient.binding,
                    recipient.domain,
                    round(age, 3),
                    0 if tries is None else tries.retries,
                    one.envelope.size,
                    shard,
                )


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - a command for people


def run_spool(arguments: argparse.Namespace) -> int:
    """Print the list; 0, also when it is empty, and 1 when there is no such spool."""
    base = Path(arguments.spool)
    if not base.is_dir():
        _complain(f"{base}: no such spool folder (set MOMENTUM_SPOOL or --spool)")
        return 1
    if arguments.format == "text":
        print(f"{'ID':<24} {'AGE':>8} {'TRIES':>5} {'BINDING':<16} FROM -> TO")  # noqa: T201
    for entry in spool_list(base):
        if arguments.format == "json":
            print(json.dumps(asdict(entry), ensure_ascii=False))  # noqa: T201
        else:
            print(  # noqa: T201
                f"{entry.id:<24} {entry.age_s:>7.0f}s {entry.retries:>5} {entry.binding:<16} "
                f"<{entry.sender}> -> <{entry.recipient}>"
            )
    return 0


def add_arguments(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `spool` to the command line."""
    spool = commands.add_parser("spool", help="look at the mail that waits")
    actions = spool.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="waiting messages; one JSON object a line with --format json")
    listing.add_argument("--format", choices=("text", "json"), default="text")
    listing.add_argument(
        "--spool",
        default=os.environ.get("MOMENTUM_SPOOL", DEFAULT_BASE),
        help="spool folder (default: MOMENTUM_SPOOL, else %(default)s)",
    )
    listing.set_defaults(command=run_spool)
    explain_command.add_arguments(actions)
    refresh_command.add_arguments(actions)
    domain_command.add_arguments(actions)
    quarantine_command.add_arguments(actions, DEFAULT_BASE)
    import_command.add_arguments(actions, DEFAULT_BASE)
