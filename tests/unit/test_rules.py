"""Each rule of the failover names the test that breaks when it is taken out, and the names are true."""

import re
from pathlib import Path

import pytest

from tests.support import removals
from tests.support.removals import REMOVALS, ROOT, Removal, copied, survives, table

RULES = [f"R{number}" for number in range(1, 26)] + [f"S{number}" for number in range(1, 9)] + ["F15"]
NODE = ROOT / "node" / "momentum_node"


def test_every_rule_is_there_once_and_in_order() -> None:
    assert [removal.rule for removal in REMOVALS] == RULES


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.rule)
def test_its_place_and_its_test_exist(removal: Removal) -> None:
    if removal.old:
        assert (ROOT / removal.file).read_text().count(removal.old) == 1, f"{removal.file} has changed: {removal.old}"
    file, _, name = removal.test.partition("::")
    function, _, case = name.rstrip("]").partition("[")
    assert re.search(rf"def {function}\(", (ROOT / file).read_text())
    assert file != "tests/scenarios/test_duravip_stories.py" or (ROOT / "tests/scenarios" / f"{case}.txt").exists()


def test_the_document_says_the_same() -> None:
    assert table() in (ROOT / "docs" / "rules.md").read_text(), "python -m tests.support.removals --table"


def sources() -> dict[Path, str]:
    return {path: path.read_text() for path in NODE.rglob("*.py")}


def test_the_node_knows_no_kubernetes() -> None:
    """R5. The import contracts say it too (make lint)."""
    found = [path for path, text in sources().items() if re.search(r"^\s*(import|from) (kubernetes|kopf)", text, re.M)]
    assert found == []


def test_no_link_is_ever_changed() -> None:
    """R23: neither by netlink nor by ioctl nor by a command."""
    changes = r"RTM_SETLINK|SIOCSIFFLAGS|\.link\(\s*[\"']set|[\"']link[\"'],\s*[\"']set|ip link set"
    assert [path for path, text in sources().items() if re.search(changes, text)] == []


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_without_its_rule_each_test_fails(tmp_path: Path) -> None:
    tree = copied(tmp_path)
    told = {removal.rule: why for removal in REMOVALS if (why := survives(removal, tree)) is not None}
    assert told == {}


def test_a_removal_that_changes_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge itself: a rule that is not needed by its test is found out."""
    (tmp_path / "rule.py").write_text("kept = True\n")

    class Passed:
        returncode, stdout = 0, "1 passed"

    monkeypatch.setattr(removals, "_run", lambda *_: Passed)
    idle = Removal("X1", "nothing", "tests/unit/test_rules.py", "rule.py", "kept = True", "kept = False")
    assert survives(idle, tmp_path) == "exit code 0\n1 passed"
    assert (tmp_path / "rule.py").read_text() == "kept = True\n"
