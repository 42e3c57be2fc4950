"""What a large configuration costs: 20,000 bindings with 100,000 domain stanzas, compiled by the helper, then mapped.

    python benchmarks/configuration.py [--bindings 20000] [--domains 100000] [--seed 1]

The aims: less than 6 s and 600 MB in the helper; less than 30 MB in each process that maps the file; no loop stops for
more than 50 ms while a new generation is compiled, mapped and put in the place of the old one; less than 1 µs for a
look-up that was asked before. Run it alone: on a busy machine only the seconds of CPU mean something.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from momentum_node import compiling, generation, settings
from momentum_node.spool.assignment import Assignment

AIMS = {
    "helper, s": 6.0,
    "helper, MB": 600.0,
    "mapping, MB": 30.0,
    "longest stall, ms": 50.0,
    "cached look-up, µs": 1.0,
}
ASKED = 2000
TICK_S = 0.001
READER = "--as-reader"


def text(bindings: int, domains: int, seed: int) -> Iterator[str]:
    """Groups of a hundred bindings, each with its share of the domains; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - figures, no secrets
    yield 'Relay_Hosts = ( 127.0.0.1 10.0.0.0/8 )\nESMTP_Listener { Listen "*:25" {} }\n'
    yield "Domain /slow/ { Max_Retries = 9 }\n"
    for number in range(bindings):
        if number % 100 == 0:
            yield f'Binding_Group "group-{number // 100}" {{\n  Retry_Interval = {chance.randrange(300, 3600)}\n'
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        yield f'  Binding "binding-{number}" {{\n    Bind_Address = "{address}"\n'
        yield f'    EHLO_Hostname = "b{number}.example.com"\n'
        for domain in range(number * domains // bindings, (number + 1) * domains // bindings):
            yield f'    Domain "d{domain}.test" {{\n      Max_Outbound_Connections = {chance.randrange(1, 50)}\n'
            yield f'      Outbound_Throttle_Messages = "{chance.randrange(1, 500)}/60"\n    }}\n'
        yield "  }\n"
        if number % 100 == 99 or number == bindings - 1:
            yield "}\n"


def queues(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """Some of the (binding, domain) that have a stanza of their own."""
    step = max(1, arguments.domains // ASKED)
    return [
        (f"binding-{domain * arguments.bindings // arguments.domains}", f"d{domain}.test")
        for domain in range(0, arguments.domains, step)
    ]


def resident_mb() -> float:
    """What this process holds in memory, pages of files included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def compile_once(own: settings.Settings) -> dict[str, float]:
    """What the helper takes, its start included."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    compiling.compile_in_helper(own)
    seconds, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "helper, s": seconds,
        "helper, s of CPU": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        "helper, MB": used.ru_maxrss * 1024 / 1e6,
    }


def read_and_ask(own: settings.Settings, asked: list[tuple[str, str]]) -> dict[str, float]:
    """What one mapping process sees: growth of its memory after `asked` look-ups, and what those cost in CPU."""
    before = resident_mb()
    found = generation.read(own)
    mapped = resident_mb()
    started = time.process_time()
    for queue in asked:
        found.outbound(*queue)
    first = time.process_time() - started
    rounds = max(1, 200_000 // len(asked))
    started = time.process_time()
    for _ in range(rounds):
        for queue in asked:
            found.outbound(*queue)
    again = time.process_time() - started
    return {
        "mapping, MB": resident_mb() - before,
        "mapping before any look-up, MB": mapped - before,
        "first look-up, µs": first / len(asked) * 1e6,
        "cached look-up, µs": again / rounds / len(asked) * 1e6,
    }


async def longest_stall_ms(own: settings.Settings, asked: list[tuple[str, str]]) -> dict[str, float]:
    """The longest time between two turns of a loop that ticks each millisecond: idle, and during a whole reload."""
    running = generation.read(own)
    for queue in asked:
        running.outbound(*queue)
    longest = {"idle": 0.0, "reload": 0.0}
    used = {"idle": 0.0, "reload": 0.0}
    phase = "idle"

    async def tick() -> None:
        last, last_used = time.perf_counter(), time.process_time()
        while True:
            await asyncio.sleep(TICK_S)
            now, now_used = time.perf_counter(), time.process_time()
            longest[phase] = max(longest[phase], now - last - TICK_S)
            used[phase] = max(used[phase], now_used - last_used)
            last, last_used = now, now_used

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(1.0)
    phase = "reload"
    with own.config.open("a") as file:
        file.write("Max_Outbound_Connections = 21\n")
    await asyncio.to_thread(compiling.compile_in_helper, own)
    running = await asyncio.to_thread(generation.read, own)
    assignment = Assignment(running.node.bindings)
    assignment.choose("x.test", None)
    for queue in asked[:20]:
        running.outbound(*queue)
    await asyncio.sleep(0.1)
    ticking.cancel()
    return {
        "longest stall, ms": longest["reload"] * 1e3,
        "longest stall without a reload, ms": longest["idle"] * 1e3,
        "most CPU between two ticks, ms": used["reload"] * 1e3,
    }


def show(figures: dict[str, float]) -> bool:
    """Print them; whether every aim is met."""
    met = True
    for name, value in figures.items():
        aim = AIMS.get(name)
        met = met and (aim is None or value < aim)
        verdict = "" if aim is None else f"   aim {aim:g}: {'met' if value < aim else 'MISSED'}"
        sys.stdout.write(f"{name:36} {value:10.2f}{verdict}\n")
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("bindings", 20_000), ("domains", 100_000), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(READER, metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_reader:
        figures = read_and_ask(_settings(Path(arguments.as_reader)), queues(arguments))
        sys.stdout.write(json.dumps(figures))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run").mkdir()
        with (folder / "ecelerity.conf").open("w") as file:
            file.writelines(text(arguments.bindings, arguments.domains, arguments.seed))
        return 0 if show(measure(folder, arguments)) else 1


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """All figures. The mapping process is a fresh one."""
    own = _settings(folder)
    figures = {"text, MB": own.config.stat().st_size / 1e6}
    figures |= compile_once(own)
    figures["compiled file, MB"] = compiling.path(own).stat().st_size / 1e6
    sizes = ["--bindings", str(arguments.bindings), "--domains", str(arguments.domains)]
    command = [sys.executable, __file__, READER, str(folder), *sizes]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures |= json.loads(answer)
    return figures | asyncio.run(longest_stall_ms(own, queues(arguments)))


def _settings(folder: Path) -> settings.Settings:
    names = {"MOMENTUM_CONFIG": str(folder / "ecelerity.conf"), "MOMENTUM_RUN": str(folder / "run")}
    return settings.from_environment({**os.environ, **names})


if __name__ == "__main__":
    sys.exit(main())
