"""The import contracts bite: a clock planted in a core breaks them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def contracts_hold(tree: Path) -> tuple[bool, str]:
    path = f"{tree / 'node'}:{tree / 'operator'}"
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config", str(tree / "pyproject.toml")],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("core", "name"),
    [
        ("node/momentum_node/duravip/election.py", "Cores of the node do no I/O"),
        ("operator/momentum_operator/plan.py", "Cores of the operator do no I/O"),
    ],
)
def test_a_clock_in_a_core_is_found(tmp_path: Path, core: str, name: str) -> None:
    for folder in ("node", "operator"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    text = (tmp_path / core).read_text()
    (tmp_path / core).write_text(text.replace("\nfrom ", "\nimport time\nfrom ", 1))
    holds, said = contracts_hold(tmp_path)
    assert not holds
    assert f"{name} BROKEN" in said
