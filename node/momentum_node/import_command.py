"""`momentum-node spool import FOLDER`: take over the spool of a node that is gone."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from momentum_node.spool.importing import Taken
    from momentum_node.spool.takeover import Progress

EACH_S: Final = 1.0
LEFT: Final = 3


def run_import(arguments: argparse.Namespace) -> int:
    """0: all of it is ours; 1: it could not begin, or broke off (run it again); 3: what cannot be read stays there."""
    from momentum_node import settings  # noqa: PLC0415 - the command line must not pay for what it does not use
    from momentum_node.errors import MomentumError  # noqa: PLC0415
    from momentum_node.spool.takeover import take_over  # noqa: PLC0415

    os.umask(0o007)
    try:
        with ExitStack() as stack:
            log = _import_log(stack, arguments.log, Path(arguments.spool))
            node = settings.from_environment(os.environ).node_name
            done = take_over(Path(arguments.spool), Path(arguments.folder), node, log, _Teller())
    except MomentumError as error:
        _complain(str(error))
        return 1
    except OSError as error:
        _complain(f"{error}\nbroken off; nothing is lost: when that is mended, run the same command again")
        return 1
    except KeyboardInterrupt:
        _complain("broken off; nothing is lost: run the same command again")
        return 1
    return _tell_end(done, arguments.folder)


class _Teller:
    """Progress on standard error, not more than once a second."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, progress: "Progress") -> None:
        if time.monotonic() - self._told >= EACH_S or progress.segments_done == progress.segments:
            self._told = time.monotonic()
            _complain(
                f"{progress.shard}: segment {progress.segments_done} of {progress.segments}; "
                f"{progress.taken} messages taken over, {progress.duplicates} were here already"
            )


def _import_log(stack: ExitStack, path: str | None, base: Path) -> "Callable[[Taken], None]":
    """Lines of the import log, `time@old id@I@new id@result@spool base`; 1 = taken over, 3 = cannot be read."""
    if path is None:
        return lambda _taken: None
    file = stack.enter_context(Path(path).open("a", buffering=1))  # noqa: SIM115 - the stack closes it

    def log(one: "Taken") -> None:
        if one.fate:
            file.write(f"{int(time.time())}@{one.id}@I@{one.new_id or '00/00-00000-00000000'}@{one.fate:d}@{base}\n")

    return log


def _tell_end(done: "Progress", folder: str) -> int:
    print(  # noqa: T201 - a command for people
        f"{done.taken} messages taken over, {done.duplicates} were here already; "
        "running mail workers deliver them from now on, else the next start does"
    )
    for piece in done.unreadable:
        _complain(f"cannot be read, kept in quarantine there: {piece}")
    if done.left:
        _complain(
            f"{done.left} messages cannot be read and stay in {folder}: their large bodies are missing or damaged"
        )
    return LEFT if done.left or done.unreadable else 0


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - a command for people


def add_arguments(actions: "argparse._SubParsersAction[Any]", default_base: str) -> None:
    """Add `import` to the actions of `spool`."""
    parser = actions.add_parser("import", help="take over the spool folder of a node that is gone; may be run again")
    parser.add_argument("folder", metavar="FOLDER", help="its SpoolBase: the folder with shard-00 in it")
    parser.add_argument("--spool", default=os.environ.get("MOMENTUM_SPOOL", default_base), help="our spool folder")
    parser.add_argument("--log", metavar="FILE", help="append a line of the import log for each message")
    parser.set_defaults(command=run_import)
