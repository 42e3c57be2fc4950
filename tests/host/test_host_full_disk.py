"""A supervisor that cannot write down what it is about to do leaves it undone, says so, and keeps what it has."""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.host.supervised import Refused, Supervised
from tests.support.lab import Lab

pytestmark = pytest.mark.netns

HELD, WANTED = "192.0.2.41", "192.0.2.42"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "small", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def test_on_a_full_disk_an_address_is_not_added_and_those_that_are_held_stay(lab: Lab, small_disk: Path) -> None:
    with Supervised(lab.hosts["n1"], small_disk) as node:
        node.plumb(HELD)
        fill(small_disk / "filling")
        entry = (small_disk / "plumbed").stat().st_size
        for _ in range(4096 // 24):  # what is left of the journal's last page
            with suppress(Refused):
                node.plumb(WANTED)
                node.do("unplumb", address=WANTED)
        assert (small_disk / "plumbed").stat().st_size > entry
        with pytest.raises(Refused) as refused:
            node.plumb(WANTED)
        assert refused.value.number == errno.ENOSPC
        assert (node.has(HELD), node.has(WANTED)) == (True, False)
        node.do("unplumb", address=HELD)
        assert not node.has(HELD)

        (small_disk / "filling").unlink()
        node.plumb(WANTED)
        assert node.has(WANTED)
