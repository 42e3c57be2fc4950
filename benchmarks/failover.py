"""How long a client is without an answer, for each fault: minimum, median and maximum; keepalived beside it.

    python benchmarks/failover.py [--runs 5] [--fault "core killed"] [--profile Aggressive] [--peer keepalived|none]

Three nodes, real Corosync, profile Fast if nothing else is said, in network namespaces of this machine; the client
opens a connection every 5 ms. Then keepalived (VRRP version 3, an advertisement every 0.1 s, and every second, its
default) on three hosts of the same kind, asked by the same client. A machine that does other work at the same time
gives other figures: run it alone. Machine-readable: benchmarks/results/failover.json. The whole list: make faults.
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.faults import judge  # noqa: E402 - the tree must be found first
from tests.faults.catalogue import FAULTS  # noqa: E402
from tests.faults.fault import THREE  # noqa: E402
from tests.support import poller  # noqa: E402
from tests.support.keepalived import Peer, keepalived, why_no_keepalived  # noqa: E402
from tests.support.lab import why_no_lab  # noqa: E402

AIMS_MS = {
    "cable cut": 700,
    "core killed": 60,
    "core frozen": 1200,
    "corosync killed": 900,
    "supervisor and core killed": 2400,
    "stopped as a pod is deleted": 20,
}
ADVERTS_S = (0.1, 1.0)
Figures = dict[str, list[float]]


def ours(names: Sequence[str], runs: int, profile: str) -> Figures:
    """Milliseconds without an answer, each fault `runs` times."""
    found: Figures = {}
    print(f"{'fault':<30} {'min':>7} {'median':>7} {'max':>7} {'aim':>7}  answered by two")
    shape = replace(THREE, profile=profile)
    with shape.cluster() as cluster:
        for name in names:
            fault = next(fault for fault in FAULTS if fault.name == name and fault.shape == THREE)
            shown = [judge.run(cluster, shape, fault) for _ in range(runs)]
            found[name] = [1000 * run.outage_s for run in shown]
            both = 1000 * max(run.double_s for run in shown)
            print(f"{line(name, found[name])} {AIMS_MS[name]:>7} {both:>6.0f} ms", flush=True)
    return found


def line(name: str, gaps: Sequence[float]) -> str:
    return f"{name:<30} {min(gaps):>7.0f} {statistics.median(gaps):>7.0f} {max(gaps):>7.0f}"


# -- keepalived ----------------------------------------------------------------------------------


def cut(peer: Peer, owner: str) -> None:
    peer.lab.cut(owner)


def heal(peer: Peer, owner: str) -> None:
    peer.lab.heal(owner)


def kill(peer: Peer, owner: str) -> None:
    peer.end(owner, signal.SIGKILL)


def stop(peer: Peer, owner: str) -> None:
    peer.end(owner, signal.SIGTERM)


def restart(peer: Peer, owner: str) -> None:
    peer.put_away(owner)
    peer.start(owner)


PEER_FAULTS: dict[str, tuple[Callable[[Peer, str], None], Callable[[Peer, str], None]]] = {
    "cable cut": (cut, heal),
    "core killed": (kill, restart),
    "stopped as a pod is deleted": (stop, restart),
}
"""The same faults, where keepalived has them: its one process is core and supervisor."""


def theirs(advert: float, names: Sequence[str], runs: int) -> Figures:
    """The same for keepalived; `NAME, on two hosts` = milliseconds that two kernels had the address, to the end."""
    found: Figures = {}
    with tempfile.TemporaryDirectory(prefix="momentum-peer-") as folder, keepalived(Path(folder), advert) as peer:
        for name in names:
            shown = [_measure(peer, name, advert) for _ in range(runs)]
            found[name] = [gap for gap, _ in shown]
            found[f"{name}, on two hosts"] = [both for _, both in shown]
    return found


def _measure(peer: Peer, name: str, advert: float) -> tuple[float, float]:
    do, undo = PEER_FAULTS[name]
    owner = _settled(peer, advert)
    polling = peer.poll(3.0 + 5 * advert)
    while not (polling[1].exists() and polling[1].stat().st_size):
        time.sleep(0.05)
    time.sleep(0.5)
    begin = time.monotonic()
    do(peer, owner)
    both = _on_two_hosts(peer, begin + 1.5 + 5 * advert) if name != "cable cut" else 0.0
    answers = peer.answers(polling)
    undo(peer, owner)
    gap_s, _ = poller.longest_gap(answer for answer in answers if answer.at > begin - 0.5)
    return 1000 * gap_s, 1000 * both


def _settled(peer: Peer, advert: float) -> str:
    """The one owner, unchanged for some advertisements. Raises `TimeoutError`."""
    deadline = time.monotonic() + 60
    same_since, last = time.monotonic(), [""]
    while time.monotonic() < deadline:
        if (holders := peer.holders()) != last or len(holders) != 1:
            same_since, last = time.monotonic(), holders
        elif time.monotonic() > same_since + 1.0 + 5 * advert and all(map(peer.processes, peer.hosts)):
            return holders[0]
        time.sleep(0.05)
    raise TimeoutError("keepalived does not settle")


def _on_two_hosts(peer: Peer, until: float) -> float:
    """Seconds, until then, that more than one kernel had the address."""
    total, before = 0.0, time.monotonic()
    while time.monotonic() < until:
        is_double = len(peer.holders()) > 1
        now = time.monotonic()
        total += now - before if is_double else 0.0
        before = now
        time.sleep(0.01)
    return total


def compare(mine: Figures, names: Sequence[str], runs: int) -> Figures:
    """Run the peer in both settings and print each figure with ours as a ratio of it."""
    found: Figures = {}
    print("\nkeepalived, VRRP version 3; ratio: our median / its median, below 1 is better for us")
    print(f"{'fault':<30} {'min':>7} {'median':>7} {'max':>7} {'ratio':>7}  on two hosts")
    for advert in ADVERTS_S:
        figures = theirs(advert, names, runs)
        for name in names:
            gaps, both = figures[name], max(figures[f"{name}, on two hosts"])
            ratio = statistics.median(mine[name]) / max(1.0, statistics.median(gaps)) if name in mine else 0.0
            print(f"{line(f'{name}, {advert:g} s', gaps)} {ratio:>7.2f} {both:>6.0f} ms", flush=True)
        found |= {f"{name}, {advert:g} s": gaps for name, gaps in figures.items()}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how long a client is without an answer.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fault", choices=AIMS_MS, action="append", help="only this one (may be given again)")
    parser.add_argument("--peer", choices=("keepalived", "none"), default="keepalived")
    parser.add_argument("--profile", choices=("Aggressive", "Fast", "Balanced", "Safe"), default="Fast")
    parsed = parser.parse_args()
    if (why := why_no_lab()) is not None:
        print(why)
        return 1
    names = parsed.fault or list(AIMS_MS)
    results = {"momentum": ours(names, parsed.runs, parsed.profile)}
    if parsed.peer == "keepalived":
        if (missing := why_no_keepalived()) is not None:
            print(f"{missing}; the comparison is left out")
        else:
            shared = [name for name in names if name in PEER_FAULTS]
            results["keepalived"] = compare(results["momentum"], shared, parsed.runs)
    output = ROOT / "benchmarks" / "results" / "failover.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
