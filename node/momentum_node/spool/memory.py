"""Whether the mail processes have memory for more mail: by the control groups that bound them, and by the host.

    /proc/self/cgroup             0::/kubepods/pod7/mail
    /sys/fs/cgroup/kubepods/…     memory.max    memory.stat: anon 812646400 …

What the kernel takes back when it needs it does not count: the page cache always fills up with the spool.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 256 << 20
RESERVE_SHARE: Final = 20  # of a small limit: one in so many bytes, as Memory_HWM = 95 % has it
_KEPT: Final = frozenset({"anon", "shmem", "kernel_stack", "pagetables", "slab_unreclaimable", "sock"})


class Memory:
    """Of this process and those that share its limits. Only control groups of version 2 are looked at."""

    def __init__(self, groups: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")) -> None:
        self._host = proc / "meminfo"
        self._groups = [folder for folder in _upwards(groups, proc) if (folder / "memory.max").exists()]

    def is_short(self) -> bool:
        """New mail is to be refused for now."""
        return any(most - used < min(RESERVE_BYTES, most // RESERVE_SHARE) for most, used in self._figures())

    def _figures(self) -> Iterator[tuple[int, int]]:
        """Bytes that there may be, and those that are in use, of everything that has a limit."""
        for folder in self._groups:
            try:
                most = (folder / "memory.max").read_text().strip()
                if most != "max":
                    yield int(most), sum(size for name, size in _table(folder / "memory.stat") if name in _KEPT)
            except (OSError, ValueError):  # the group is another one by now
                continue
        try:
            host = dict(_table(self._host))
            yield host["MemTotal"] << 10, host["MemTotal"] - host["MemAvailable"] << 10
        except (OSError, ValueError, KeyError):
            return


def _upwards(groups: Path, proc: Path) -> Iterator[Path]:
    """The folder of our group, and those above it."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if own is None or ".." in own.split("/"):  # not below what we see
        return
    folder = groups / own
    yield folder
    while folder != groups:
        folder = folder.parent
        yield folder


def _table(path: Path) -> Iterator[tuple[str, int]]:
    """Lines like `anon 4096` and `MemTotal:  4096 kB`."""
    for line in path.read_text().splitlines():
        name, number, *_ = line.split()
        yield name.rstrip(":"), int(number)
