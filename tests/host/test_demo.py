"""`make demo` as its user sees it: it ends well, tells what it measured, and leaves nothing behind."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lab import ip, why_no_lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("bus", ["auto", "embedded"])
def test_the_demo_tells_its_story_and_cleans_up(bus: str) -> None:
    if (why := why_no_lab()) is not None:
        pytest.skip(why)
    before = set(ip("netns", "list").split("\n"))
    argv = [sys.executable, "-m", "demo", "--messages", "60", "--bus", bus]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[:6000] + "\n…\n" + done.stdout[-3000:] + done.stderr[-3000:]
    assert "60 delivered, from 198.18.0.41" in done.stdout
    assert re.search(r"The client was without an answer for \d+ ms", done.stdout)
    assert "120 acknowledged, 120 of them delivered" in done.stdout
    assert "0 lost" in done.stdout
    assert "addresses left on NICs: none" in done.stdout
    assert set(ip("netns", "list").split("\n")) <= before
