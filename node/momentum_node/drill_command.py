"""`momentum-node drill`: move an address away and back, and tell what a client saw of it."""

import argparse
import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from momentum_node.drill.client import Drill, Outcome, Way, Wish

DONE: Final = 0
REFUSED: Final = 1
TOO_LONG: Final = 3
NOT_BACK: Final = 4
LIMIT_MS: Final = 1000.0

_ABOUT: Final = """\
Moves an address that this cluster owns to another node and back, asks it every 5 ms meanwhile as a client would, and
tells how long each way took and how long nobody answered. Run it on a node that is neither giver nor taker: what it
sees is then what a client on this network sees. Sessions that are open at the address get duravip_release_grace to end,
as in every planned move.

The address always comes back: after an interrupt (^C, SIGTERM, SIGHUP), when this command is killed, when the core it
talks to dies. Refused, with the reason and nothing moved: an address that is no DuraVIP, follows another one, is
BROKEN, pinned, moving or without an owner; no other candidate; no answer from here to begin with; other addresses would
move as well.

exit codes:
  0  away and back, and nobody waited longer than --limit
  1  refused, or it could not be tried: nothing was moved
  2  the command line is not understood
  3  it is back, but a client waited longer than --limit, or it did not arrive at the other node
  4  it is not back where it was: look at it
  130, 143, 129  interrupted by SIGINT, SIGTERM, SIGHUP; it is back
"""


def run_drill(arguments: argparse.Namespace) -> int:
    """The exit code, as `_ABOUT` lists them."""
    from momentum_node import settings  # noqa: PLC0415 - the command line must not pay for it
    from momentum_node.drill import desk  # noqa: PLC0415
    from momentum_node.drill.client import DrillError, Wish  # noqa: PLC0415
    from momentum_node.errors import ConfigurationError  # noqa: PLC0415

    try:
        wish = Wish(
            address=ip_address(arguments.vip),
            to=arguments.to,
            port=arguments.port,
            stay_s=arguments.stay,
            every_s=arguments.every / 1000,
            even_if_others_move=arguments.even_if_others_move,
        )
        path = settings.from_environment(os.environ).run / desk.SOCKET
    except (ValueError, ConfigurationError) as error:
        return _complain(f"--vip {arguments.vip}: {error}") + 1
    try:
        if arguments.unpin:
            return asyncio.run(_unpin(path, wish))
        return asyncio.run(_drill(path, wish, arguments))
    except DrillError as error:
        return _complain(f"refused: {error}")


async def _unpin(path: Path, wish: "Wish") -> int:
    from momentum_node.drill.client import Line  # noqa: PLC0415

    line = Line(path)
    await line.open()
    print((await line.ask({"unpin": str(wish.address)}))["says"])  # noqa: T201
    line.close()
    return DONE


async def _drill(path: Path, wish: "Wish", arguments: argparse.Namespace) -> int:
    from momentum_node.drill.client import Drill  # noqa: PLC0415

    drill = Drill(path, wish)
    try:
        plan = await drill.prepare()
        for line in _planned(plan, wish, drill.port):
            _tell(line)
        if arguments.dry_run:
            return DONE
        signals = _heed_signals(drill)
        outcome = await drill.run()
    finally:
        drill.close()
    told = json.dumps(_as_json(outcome)) if arguments.format == "json" else "\n".join(_as_text(outcome))
    print(told)  # noqa: T201
    if signals and outcome.problem is None:
        return 128 + signals[0]
    return verdict(outcome, arguments.limit / 1000)


def _heed_signals(drill: "Drill") -> list[int]:
    """The first one ends the drill in order; the list it is put into."""
    seen: list[int] = []

    def heed(number: int) -> None:
        seen.append(number)
        _tell(f"{signal.Signals(number).name}: bringing the address back")
        drill.interrupt.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, heed, number)
    return seen


def verdict(outcome: "Outcome", limit_s: float) -> int:
    """The exit code of a drill that nobody interrupted."""
    if outcome.problem is not None or outcome.ways[-1].moved_s is None:
        return NOT_BACK
    if any(way.moved_s is None or way.seen.silent_s > limit_s for way in outcome.ways):
        return TOO_LONG
    return DONE


def _planned(plan: dict[str, Any], wish: "Wish", port: int) -> list[str]:
    from momentum_node.drill.asking import NOBODY_LISTENS  # noqa: PLC0415

    here = plan["node"]
    asked = f"asked every {wish.every_s * 1000:g} ms at port {port} from {here}"
    lines = [f"drill of {wish.address}: {plan['from']} -> {plan['to']} -> {plan['from']}, {asked}"]
    if plan["along"]:
        lines.append(f"  with it go its followers: {', '.join(plan['along'])}")
    if port == NOBODY_LISTENS and not plan["ports"]:
        lines.append("  nobody listens at it: that it refuses a connection is the answer")
    if here in {plan["from"], plan["to"]}:
        lines.append(f"  {here} is the {'giver' if here == plan['from'] else 'taker'}: for what a client sees, run it")
        lines[-1] += " on a third node"
    return lines


def _as_text(outcome: "Outcome") -> list[str]:
    return [
        *(_told(name, way) for name, way in zip(("away", "back"), outcome.ways, strict=True)),
        outcome.problem or f"{outcome.address} is on {outcome.ways[0].origin} again",
    ]


def _told(name: str, way: "Way") -> str:
    figures = way.seen
    moved = "did not arrive" if way.moved_s is None else f"moved in {way.moved_s * 1000:.0f} ms"
    line = f"  {name}  {way.origin} -> {way.target}  {moved}; no answer for {figures.silent_s * 1000:.0f} ms"
    if figures.turned_away:
        line += f", no welcome for {figures.unserved_s * 1000:.0f} ms ({figures.turned_away} turned away)"
    return f"{line}; {figures.answered} of {figures.tries} tries answered"


def _as_json(outcome: "Outcome") -> dict[str, Any]:
    return {
        "address": str(outcome.address),
        "seenFrom": outcome.seen_from,
        "port": outcome.port,
        "interrupted": outcome.was_interrupted,
        "problem": outcome.problem,
        "ways": [
            {"from": way.origin, "to": way.target, "movedSeconds": way.moved_s, **_camel(asdict(way.seen))}
            for way in outcome.ways
        ],
    }


def _camel(figures: dict[str, Any]) -> dict[str, Any]:
    names = {"silent_s": "silentSeconds", "unserved_s": "unservedSeconds", "turned_away": "turnedAway"}
    return {names.get(name, name): value for name, value in figures.items()}


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress; the result goes to standard output


def _complain(text: str) -> int:
    _tell(text)
    return REFUSED


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text}: more than 0")
    return value


def add_arguments(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `drill` to the command line."""
    drill = commands.add_parser(
        "drill",
        help="move an address away and back, and measure what a client sees",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    drill.add_argument("--vip", required=True, metavar="ADDRESS", help="the address")
    drill.add_argument("--to", metavar="NODE", help="where to (default: who would have it if its owner died)")
    drill.add_argument("--port", type=int, metavar="PORT", help="where it is asked (default: its first listener)")
    drill.add_argument("--stay", type=_positive, default=1.0, metavar="SECONDS", help="how long it stays away (1)")
    drill.add_argument("--every", type=_positive, default=5.0, metavar="MS", help="pause between two tries (5)")
    drill.add_argument("--limit", type=_positive, default=LIMIT_MS, metavar="MS", help="longest silence allowed (1000)")
    drill.add_argument("--even-if-others-move", action="store_true", help="also when balancing could move others")
    drill.add_argument("--dry-run", action="store_true", help="only say what would be done")
    drill.add_argument("--unpin", action="store_true", help="end the pin that a drill or an administrator left")
    drill.add_argument("--format", choices=("text", "json"), default="text")
    drill.set_defaults(command=run_drill)
