"""When a core that says nothing is taken for hanging: waiting for a processor is not its fault, up to a point."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from momentum_node import supervisor
from momentum_node.supervisor import STALL_S, START_S, Core, waited_for_processor_s


@pytest.fixture
def core() -> Iterator[Core]:
    """One that said something at 10 s."""
    made = Core(["sleep", "60"], 10.0)
    made.has_spoken = True
    yield made
    made.sock.close()
    os.kill(made.pid, 9)
    os.waitpid(made.pid, 0)


@pytest.mark.parametrize(
    ("silent_s", "waited_s", "patience_s", "stalled"),
    [
        (0.9, 0.0, 5.0, False),
        (1.1, 0.0, 5.0, True),  # it had its processor
        (1.1, 0.5, 5.0, False),
        (4.0, 3.5, 5.0, False),
        (4.0, 2.5, 5.0, True),
        (5.1, 5.0, 5.0, True),  # leases end, others want to know
        (1.1, 1.0, 1.0, True),  # of short leases nothing can be spared
    ],
)
def test_what_it_waited_for_a_processor_is_not_its_fault(
    core: Core, monkeypatch: pytest.MonkeyPatch, silent_s: float, waited_s: float, patience_s: float, stalled: bool
) -> None:
    monkeypatch.setattr(supervisor, "waited_for_processor_s", lambda pid: waited_s)
    assert core.is_stalled(10.0 + silent_s, patience_s) is stalled


def test_a_core_may_take_longer_for_its_first_word(core: Core) -> None:
    core.has_spoken = False
    assert not core.is_stalled(10.0 + START_S - 0.1, STALL_S)
    assert core.is_stalled(10.0 + START_S + 0.1, STALL_S)


def test_who_shares_a_processor_waits_for_it() -> None:
    processor = min(os.sched_getaffinity(0))
    busy = ["taskset", "-c", str(processor), sys.executable, "-c", "while True: pass"]
    two = [subprocess.Popen(busy) for _ in range(2)]
    try:
        deadline = time.monotonic() + 30
        while min(waited_for_processor_s(one.pid) for one in two) < 0.3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert min(waited_for_processor_s(one.pid) for one in two) >= 0.3
        assert waited_for_processor_s(2**22 + 1) == 0.0
    finally:
        for one in two:
            one.kill()
            one.wait()
