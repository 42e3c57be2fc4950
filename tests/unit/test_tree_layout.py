"""The tree keeps its own rules."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for folder in ("node", "operator", "tests", "demo", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)


@pytest.mark.parametrize("folder", ["operator", "node", "tests"])
def test_source_roots_are_no_packages(folder: str) -> None:
    # A package called `operator` would hide the standard library's; tests are collected with importmode=importlib.
    roots = [ROOT / folder / "__init__.py"]
    if folder == "tests":
        roots = list((ROOT / "tests").rglob("__init__.py"))
    assert [str(root) for root in roots if root.exists()] == []


def test_no_module_is_longer_than_one_reads_in_one_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


def test_test_files_have_unique_names() -> None:
    names = [path.name for path in SOURCES if path.name.startswith("test_")]
    assert sorted(set(names)) == sorted(names)


def test_the_lock_records_no_download_address() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in lock.read_text(), lock
