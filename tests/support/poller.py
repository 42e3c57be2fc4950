"""A client that asks an address again and again, and writes down when it was answered and by whom.

    python -m tests.support.poller 198.18.0.41 --port 25 --every 0.005 --seconds 30 --output FILE

One line a try: {"at": monotonic seconds of the try, "took": seconds or null, "who": greeting's host name or null}.
Answered means: the connection was accepted and a greeting came. A 421 counts; it names no host, so `who` is null.
"""

import argparse
import asyncio
import itertools
import json
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

PATIENCE_S = 0.4
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER 0: thousands of tries must not leave TIME_WAIT behind


@dataclass(frozen=True)
class Answer:
    """One try. `took` None: no answer within the patience."""

    address: str
    at: float
    took: float | None
    who: str | None
    code: str | None

    @property
    def answered_at(self) -> float:
        """When the greeting was there."""
        return self.at + (self.took or 0.0)


def read(path: Path) -> list[Answer]:
    """All tries in a file, by time of the try. A last line cut short is left out."""
    lines = path.read_text().splitlines()
    whole = lines if path.read_bytes().endswith(b"\n") else lines[:-1]
    return sorted((Answer(**json.loads(line)) for line in whole), key=lambda answer: answer.at)


def longest_gap(answers: Iterable[Answer]) -> tuple[float, float]:
    """(length in seconds, when it began) of the longest time in which no answer came.

    Counted from answer to answer, not from try to try: a try that is answered late was without an answer until then.
    What had not ended at the last try lasts until then; where nobody ever answered, from the first try on.
    """
    tries = sorted(answers, key=lambda answer: answer.at)
    moments = sorted(answer.answered_at for answer in tries if answer.took is not None) or [one.at for one in tries[:1]]
    moments += [one.at for one in tries[-1:] if one.at > moments[-1]]
    gaps = [(later - sooner, sooner) for sooner, later in itertools.pairwise(moments)]
    return max(gaps, default=(0.0, 0.0))


def double_answer(answers: Iterable[Answer]) -> float:
    """The longest time, in seconds, between the first answer of a host that took over and the last of the one before.

    Judged by when the client had each answer. A host that was silent for longer than the patience has begun anew.
    """
    bursts: dict[str | None, list[list[float]]] = {}
    for answer in _attributed(sorted((a for a in answers if a.took is not None), key=lambda a: a.answered_at)):
        of_host = bursts.setdefault(answer.who, [])
        if of_host and answer.answered_at - of_host[-1][1] < PATIENCE_S:
            of_host[-1][1] = answer.answered_at
        else:
            of_host.append([answer.answered_at, answer.answered_at])
    pairs = itertools.combinations(bursts.values(), 2)
    overlaps = (min(a[1], b[1]) - max(a[0], b[0]) for one, other in pairs for a in one for b in other)
    return max([0.0, *overlaps])


def _attributed(answers: Iterable[Answer]) -> Iterator[Answer]:
    """Every answer with a name: whoever greeted before the first 421 of a series says all of the series."""
    greeter: str | None = None
    refuser, refused_at = greeter, -PATIENCE_S
    for answer in answers:
        if answer.who is not None:
            greeter = answer.who
            yield answer
            continue
        if answer.answered_at - refused_at >= PATIENCE_S:
            refuser = greeter
        refused_at = answer.answered_at
        yield replace(answer, who=refuser)


def told(answers: Iterable[Answer], since: float) -> str:
    """Who answered when, one line for each run of like answers, in seconds after `since`: for a person who wonders."""
    ordered = sorted(answers, key=lambda answer: answer.at)
    runs = itertools.groupby(ordered, key=lambda answer: (answer.who, answer.code))
    lines = []
    for (who, code), run in runs:
        tries = list(run)
        last = max(answer.answered_at for answer in tries)
        told_by = f"{code} {who or ''}".rstrip() if code else "no answer"
        lines.append(f"{tries[0].at - since:+.3f} to {last - since:+.3f} s: {told_by} ({len(tries)} tries)")
    return "\n".join(lines)


async def _ask(address: str, port: int, output: IO[str]) -> None:
    began = time.monotonic()
    took = who = code = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                line = (await reader.readline()).decode("ascii", "replace").split()
            finally:
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                writer.close()
        if line:
            code, took = line[0], time.monotonic() - began
            who = line[1] if code == "220" and len(line) > 1 else None
    except OSError:  # refused, reset, unreachable, and TimeoutError: no answer
        pass
    output.write(json.dumps({"address": address, "at": began, "took": took, "who": who, "code": code}) + "\n")


async def poll(addresses: list[str], port: int, every_s: float, seconds: float, output: IO[str]) -> None:
    """Ask each address every `every_s` for `seconds`; tries overlap when answers are late."""
    tasks: set[asyncio.Task[None]] = set()
    begin = time.monotonic()
    for number in range(int(seconds / every_s)):
        for address in addresses:
            task = asyncio.create_task(_ask(address, port, output))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        output.flush()
        await asyncio.sleep(max(0.0, begin + (number + 1) * every_s - time.monotonic()))
    await asyncio.gather(*tasks)
    output.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="Poll addresses and write down each answer.")
    parser.add_argument("addresses", nargs="+")
    parser.add_argument("--port", type=int, default=25)
    parser.add_argument("--every", type=float, default=0.005)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--output", type=Path, required=True)
    parsed = parser.parse_args()
    with parsed.output.open("w") as output:
        asyncio.run(poll(parsed.addresses, parsed.port, parsed.every, parsed.seconds, output))


if __name__ == "__main__":
    main()
