"""Changed files on the disk: at every moment each one is whole, the old or the new."""

import errno
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from momentum_node.config.transactions import Generation, Origin, Session, first
from momentum_node.config.words.console import run
from momentum_node.config.writeback import FileChange
from momentum_node.config_command import DiskFiles
from momentum_node.config_writer import NotWritten, RealConfigurationDisk, perform, write
from momentum_node.spool.disk import RealFile
from tests.support.disk import PowerCut, SimulatedDisk

OLD, NEW = b"Retry_Interval = 5\n" * 100, b"Retry_Interval = 6\n" * 120


class ForgetfulDisk(SimulatedDisk):
    """A disk that loses power, with files that belong to nobody in particular."""

    def target(self, path: str) -> str:
        return path

    def take_after(self, new: str, old: str) -> None:
        pass


def holding(**files: bytes) -> ForgetfulDisk:
    """A disk that has these files in `/etc`, safely."""
    disk = ForgetfulDisk()
    disk.make_directory("/etc")
    for name, data in files.items():
        file = disk.create(f"/etc/{name}")
        file.pwritev([data], 0)
        file.fdatasync()
    disk.sync_directory("/etc")
    disk.steps = 0
    return disk


def content(disk: SimulatedDisk, path: str) -> bytes:
    file = disk.open(path)
    return file.read(file.size(), 0)


TWO = (FileChange("/etc/a", OLD, NEW), FileChange("/etc/b", None, NEW))


def test_after_a_power_cut_at_any_step_each_file_is_the_old_or_the_new() -> None:
    whole = holding(a=OLD)
    write(TWO, whole)
    rng = random.Random(7)  # noqa: S311 - a seed, not a secret

    for cut_at in range(1, whole.steps + 1):
        for _ in range(10):
            disk = holding(a=OLD)
            disk.cut_at = cut_at
            with pytest.raises(PowerCut):
                write(TWO, disk)
            disk.cut_at = None  # the clean-up of a living process is not what is tried here
            left = ForgetfulDisk(disk.after_power_cut(rng)._folders)
            assert content(left, "/etc/a") in {OLD, NEW}
            if "b" in left.list("/etc"):
                assert content(left, "/etc/b") == NEW
            write(TWO, left)
            assert (content(left, "/etc/a"), content(left, "/etc/b")) == (NEW, NEW), "the next writeback finishes"


@pytest.mark.parametrize("forgotten", [("fdatasync", ".momentum-new"), ("sync_directory", "/etc")])
def test_what_is_said_to_be_written_survives_a_power_cut(forgotten: tuple[str, str]) -> None:
    def survives(disk: ForgetfulDisk) -> bool:
        write(TWO, disk)
        found = [ForgetfulDisk(disk.after_power_cut(random.Random(seed))._folders) for seed in range(40)]  # noqa: S311
        return all("b" in one.list("/etc") and content(one, "/etc/a") == NEW for one in found)

    assert survives(holding(a=OLD))
    broken = holding(a=OLD)
    broken.broken = forgotten
    assert not survives(broken), "the test would not see what it is for"


KILLED = """
import os, signal, sys
from pathlib import Path
from momentum_node.config.writeback import FileChange
from momentum_node.config_writer import RealConfigurationDisk, write

class Killed(RealConfigurationDisk):
    left = 0
    def __getattribute__(self, name):
        if name in {"create", "take_after", "rename", "sync_directory", "open", "unlink"}:
            if Killed.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            Killed.left -= 1
        return super().__getattribute__(name)

a, b, old, new = (Path(sys.argv[1], name) for name in ("a", "b", "old", "new"))
status = 1
while status != 0:
    a.write_bytes(old.read_bytes())
    b.write_bytes(old.read_bytes())
    child = os.fork()
    if child == 0:
        write([FileChange(str(path), old.read_bytes(), new.read_bytes()) for path in (a, b)], Killed())
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in {0, signal.SIGKILL}, status
    kinds = {old.read_bytes(): "old", new.read_bytes(): "new"}
    print(kinds.get(a.read_bytes(), "broken"), kinds.get(b.read_bytes(), "broken"), flush=True)
    Killed.left += 1
"""


def test_a_process_killed_at_any_step_leaves_whole_files(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "new").write_bytes(NEW)

    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    left = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.splitlines()

    assert len(left) > 8, "killed before every step"
    assert list(dict.fromkeys(left)) == ["old old", "new old", "new new"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "b", "new", "old"]


class FullFile(RealFile):
    def pwritev(self, parts: object, offset: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


class FullDisk(RealConfigurationDisk):
    """There is room for the first file only."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def create(self, path: str) -> RealFile:
        self.made += 1
        file = super().create(path)
        return file if self.made == 1 else FullFile(file.detach())


class ReadOnlyMount(RealConfigurationDisk):
    def create(self, path: str) -> RealFile:
        raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.parametrize(
    ("disk", "named", "why"),
    [(FullDisk, "b", "the disk is full"), (ReadOnlyMount, "a", "the file system is read-only (a ConfigMap")],
)
def test_a_disk_that_takes_nothing_leaves_everything(
    tmp_path: Path, disk: Callable[[], RealConfigurationDisk], named: str, why: str
) -> None:
    changes = []
    for name in "ab":
        (tmp_path / name).write_bytes(OLD)
        changes.append(FileChange(str(tmp_path / name), OLD, NEW))

    with pytest.raises(NotWritten) as fault:
        write(changes, disk())

    assert str(fault.value).startswith(f"'{tmp_path / named}' is not written: {why}")
    assert str(fault.value).endswith("; no file is changed")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": OLD, "b": OLD}


def test_what_somebody_else_changed_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"# by hand")
    (tmp_path / "b").write_bytes(b"# made meanwhile")

    with pytest.raises(NotWritten, match="it was changed since it was read; `config reload` reads it"):
        write([FileChange(str(tmp_path / "a"), OLD, NEW)])
    with pytest.raises(NotWritten, match="it was made by somebody else"):
        write([FileChange(str(tmp_path / "b"), None, NEW)])
    assert (tmp_path / "a").read_bytes() == b"# by hand"

    write([FileChange(str(tmp_path / "a"), None, NEW, whatever=True)])
    assert (tmp_path / "a").read_bytes() == NEW


def test_mode_owner_and_links_stay(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "main.conf"
    target.write_bytes(OLD)
    target.chmod(0o604)
    link = tmp_path / "main.conf"
    link.symlink_to(target)
    before = target.stat()

    write([FileChange(str(link), OLD, NEW)])

    after = target.stat()
    assert link.is_symlink()
    assert target.read_bytes() == NEW
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert sorted(os.listdir(target.parent)) == ["main.conf"]  # noqa: PTH208 - names, hidden ones too


def test_a_left_over_of_a_killed_writer_is_no_obstacle_and_is_never_included(tmp_path: Path) -> None:
    target = tmp_path / "a.conf"
    target.write_bytes(OLD)
    (tmp_path / ".a.conf.momentum-new").write_bytes(b"half")

    write([FileChange(str(target), OLD, NEW)])

    assert [entry.name for entry in tmp_path.iterdir()] == ["a.conf"]


def disk_with(text: str, folder: Path) -> tuple[Path, Generation]:
    main = folder / "main.conf"
    main.write_text(text)
    return main, first(str(main), Origin(DiskFiles()), 0.0)


def test_a_writeback_that_fails_is_no_answer_of_success(tmp_path: Path) -> None:
    main, generation = disk_with("Retry_Interval = 5\n", tmp_path)
    running = [generation]
    changed = run(["config", "set", "Retry_Interval", "6"], Session(), generation, 1.0)
    assert perform(changed, running.append).text == "Retry_Interval = 6"

    asked = run(["config", "writeback"], Session(), running[-1], 2.0)
    failed = perform(asked, running.append, ReadOnlyMount())

    assert failed.status == 1
    assert failed.text.startswith(f"error: '{main}' is not written: the file system is read-only")
    assert not running[-1].is_saved, "it can be tried again"

    again = run(["config", "writeback"], Session(), running[-1], 3.0)
    assert perform(again, running.append).text == f"{main} written"
    assert main.read_text() == "Retry_Interval = 6\n"
    assert running[-1].is_saved


def test_an_interrupted_writeback_is_finished_by_the_next(tmp_path: Path) -> None:
    sub = tmp_path / "sub.conf"
    sub.write_text("Hostname = a.test\n")
    main, generation = disk_with('include "sub.conf"\nRetry_Interval = 5\n', tmp_path)
    running = [generation]
    for words in (["Retry_Interval", "6"], ["Hostname", "b.test"]):
        perform(run(["config", "set", *words], Session(), running[-1], 1.0), running.append)
    main.write_text(running[-1].texts.text(str(main)))  # as a writeback that was killed after the first file

    done = perform(run(["config", "writeback"], Session(), running[-1], 2.0), running.append)

    assert done.status == 0
    assert sub.read_text() == 'Hostname = "b.test"\n'
