"""When memory is too short for more mail, told by files as the kernel writes them."""

from pathlib import Path

import pytest

from momentum_node.spool.memory import RESERVE_BYTES, Memory

MIB = 1 << 20
GIB = 1 << 30


def host(folder: Path, *, free: int = 8 * GIB) -> None:
    (folder / "self").mkdir()
    (folder / "self/cgroup").write_text("0::/pod/mail\n")
    (folder / "meminfo").write_text(
        f"MemTotal: {16 * GIB >> 10} kB\nMemAvailable: {free >> 10} kB\nHugePages_Total: 0\n"
    )


def group(folder: Path, most: int | str, anon: int = 0, cache: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.stat").write_text(f"anon {anon}\nfile {cache}\nkernel_stack 0\nsock 0\n")


@pytest.mark.parametrize(
    ("most", "anon", "cache", "is_short"),
    [(2 * GIB, GIB, 0, False), (2 * GIB, 2 * GIB - 90 * MIB, 0, True), (2 * GIB, GIB, 2 * GIB, False),
     (16 * GIB, 16 * GIB - RESERVE_BYTES, 0, False), (16 * GIB, 16 * GIB - RESERVE_BYTES + 1, 0, True),
     ("max", 64 * GIB, 0, False)],
)  # fmt: skip
def test_the_limit_of_our_group_counts_and_the_page_cache_does_not(
    tmp_path: Path, most: int | str, anon: int, cache: int, is_short: bool
) -> None:
    host(tmp_path)
    group(tmp_path / "groups/pod/mail", most, anon, cache)
    assert Memory(tmp_path / "groups", tmp_path).is_short() == is_short


def test_a_limit_of_a_group_above_counts_too(tmp_path: Path) -> None:
    host(tmp_path)
    group(tmp_path / "groups/pod", GIB, GIB)
    group(tmp_path / "groups/pod/mail", 4 * GIB)
    memory = Memory(tmp_path / "groups", tmp_path)
    assert memory.is_short()
    group(tmp_path / "groups/pod", GIB, 0)
    assert not memory.is_short()


@pytest.mark.parametrize(("free", "is_short"), [(RESERVE_BYTES, False), (RESERVE_BYTES - 1024, True)])
def test_without_a_limit_the_host_is_asked(tmp_path: Path, free: int, is_short: bool) -> None:
    host(tmp_path, free=free)
    assert Memory(tmp_path / "groups", tmp_path).is_short() == is_short


def test_where_nothing_is_told_nothing_is_short(tmp_path: Path) -> None:
    assert not Memory(tmp_path / "groups", tmp_path).is_short()
