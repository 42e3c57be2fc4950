"""`momentum-node spool import FOLDER`: take over the spool of a node that is gone; `import_poll`: how far that is."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from momentum_node.spool.importing import Taken
    from momentum_node.spool.importrecord import Progress

EACH_S: Final = 1.0
LEFT: Final = 3
RUNS: Final = 4
BROKEN_OFF: Final = 5
MOST_AT_ONCE: Final = 16
SUPPRESS: Final = "suppress_trace_headers"


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
            base, folder = Path(arguments.spool), Path(arguments.folder)
            done = take_over(base, folder, node, log, _Teller(), _at_once(arguments.words))
    except MomentumError as error:
        _complain(str(error))
        return 1
    except OSError as error:
        _complain(f"{error}\nbroken off; nothing is lost: when that is mended, run the same command again")
        return 1
    except KeyboardInterrupt:
        _complain("broken off; nothing is lost: run the same command again")
        return 1
    _tell_end(done, arguments)
    return 0 if done.is_complete else LEFT


def _at_once(words: list[int | str]) -> int:
    return next((word for word in words if isinstance(word, int)), 1)


class _Teller:
    """Progress on standard error, not more than once a second."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, progress: "Progress") -> None:
        if time.monotonic() - self._told >= EACH_S:
            self._told = time.monotonic()
            _complain(_so_far(progress))


def _so_far(progress: "Progress") -> str:
    return (
        f"segment {progress.segments_done} of {progress.segments}; "
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


def _tell_end(done: "Progress", arguments: argparse.Namespace) -> None:
    if arguments.format == "json":
        _tell(json.dumps(asdict(done)))
    else:
        _tell(
            f"{done.taken} messages taken over, {done.duplicates} were here already; "
            "running mail workers deliver them from now on, else the next start does"
        )
    for line in _staying(done):
        _complain(line)


def _staying(done: "Progress") -> list[str]:
    """What is not here, for people."""
    lines = [f"cannot be read, kept in quarantine there: {piece}" for piece in done.unreadable]
    if done.left:
        lines.append(
            f"{done.left} messages cannot be read and stay in {done.folder}: their large bodies are missing or damaged"
        )
    return lines


# -- how far it is


def run_poll(arguments: argparse.Namespace) -> int:
    """0: finished, all of it is ours; 1: no import of it is known; 3: finished, and what cannot be read stayed there;
    4: it runs; 5: it was broken off."""
    from momentum_node.errors import MomentumError  # noqa: PLC0415 - as above
    from momentum_node.spool.importrecord import BROKEN_OFF as IS_BROKEN_OFF  # noqa: PLC0415
    from momentum_node.spool.importrecord import RUNNING, read  # noqa: PLC0415

    try:
        one = read(Path(arguments.spool), Path(arguments.folder))
    except (MomentumError, OSError) as error:
        _complain(str(error))
        return 1
    _tell(json.dumps(asdict(one)) if arguments.format == "json" else _report(one))
    codes = {RUNNING: RUNS, IS_BROKEN_OFF: BROKEN_OFF}
    return codes.get(one.state, 0 if one.is_complete else LEFT)


def _report(one: "Progress") -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.changed))
    state = f"{one.state}: {one.why}; run it again, and it goes on" if one.why else one.state
    before = f"; earlier runs had taken over {one.taken_before} or more" if one.taken_before else ""
    return "\n".join([f"{one.folder}: {state}", f"{_so_far(one)}{before} ({when})", *_staying(one)])


def _tell(text: str) -> None:
    print(text)  # noqa: T201 - a command for people


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - a command for people


# -- the command line


def _word(text: str) -> int | str:
    """What may stand behind the folder: how many shards at once, and a word that old scripts have."""
    if text == SUPPRESS:
        return text
    if text.isdecimal() and 1 <= int(text) <= MOST_AT_ONCE:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"'{text}' is neither a number from 1 to {MOST_AT_ONCE} (shards that are read at once) nor {SUPPRESS}"
    )


def add_arguments(actions: "argparse._SubParsersAction[Any]", default_base: str) -> None:
    """Add `import` and `import_poll` to the actions of `spool`."""
    parser = actions.add_parser(
        "import",
        help="take over the spool folder of a node that is gone; may be run again",
        description="Exit status: 0 all of it is here; 1 it could not begin, or broke off: run it again; "
        "3 what cannot be read stays there.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="its SpoolBase: the folder with shard-00 in it")
    parser.add_argument(
        "words",
        nargs="*",
        type=_word,
        metavar="CONCURRENCY | suppress_trace_headers",
        help=f"how many of its shards are read at once, 1 to {MOST_AT_ONCE} (default: 1); "
        "suppress_trace_headers changes nothing, because an import never adds a header",
    )
    parser.add_argument("--log", metavar="FILE", help="append a line of the import log for each message")
    _add_common(parser, default_base)
    parser.set_defaults(command=run_import)
    poll = actions.add_parser(
        "import_poll",
        help="how far the import of a folder is, or what became of it",
        description="Exit status: 0 finished, all of it is here; 1 no import of it is known; 3 finished, what cannot "
        "be read stayed there; 4 it runs; 5 it was broken off: run the import again.",
    )
    poll.add_argument("folder", metavar="FOLDER", help="as it was given to `import`; it need not be there any more")
    _add_common(poll, default_base)
    poll.set_defaults(command=run_poll)


def _add_common(parser: argparse.ArgumentParser, default_base: str) -> None:
    parser.add_argument("--spool", default=os.environ.get("MOMENTUM_SPOOL", default_base), help="our spool folder")
    parser.add_argument("--format", choices=("text", "json"), default="text")
