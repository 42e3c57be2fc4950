"""Memory of processes, as benchmarks tell it."""

from collections.abc import Iterable
from pathlib import Path


def resident_mb(pids: Iterable[int]) -> float:
    """Of all of these, pages that they share with others counted in part (proc_pid_smaps(5), Pss)."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(text.partition("\nPss:")[2].split()[0]) for text in rollups) * 1024 / 1e6
