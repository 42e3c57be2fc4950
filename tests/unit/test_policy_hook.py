"""A user's policy file: what it may do to a message is choose its binding, and nothing else."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from momentum_node.errors import ConfigurationError
from momentum_node.policy import MOST_HANGING, Policy
from momentum_node.spool.choice import Arrival

ARRIVAL = Arrival("a@x.test", "x.test", "b@y.test", None, 25, None, b"Precedence: bulk\r\n\r\n")


def policy(folder: Path, text: str, timeout_s: float = 5.0) -> Policy:
    path = folder / "policy.py"
    path.write_text(text)
    return Policy(path, timeout_s)


async def test_it_chooses(tmp_path: Path) -> None:
    one = policy(tmp_path, "def assign(message, session):\n    return message.header('precedence')\n")
    assert await one.assign(ARRIVAL) == "bulk"
    assert one.failures == 0


async def test_it_sees_the_context_of_the_session(tmp_path: Path) -> None:
    one = policy(tmp_path, "def assign(message, session):\n    return session.context['customer']\n")
    assert await one.assign(replace(ARRIVAL, context=(("customer", "17"),))) == "17"


@pytest.mark.parametrize("body", ["1 / 0", "return 7", "raise SystemExit"])
async def test_what_fails_leaves_the_choice_to_the_rules(tmp_path: Path, body: str) -> None:
    one = policy(tmp_path, f"def assign(message, session):\n    {body}\n")
    assert await one.assign(ARRIVAL) is None
    assert one.failures == 1


async def test_what_hangs_is_left_behind_and_not_called_for_ever(tmp_path: Path) -> None:
    gate = threading.Event()
    one = policy(tmp_path, "def assign(message, session):\n    gate.wait(60)\n    return 'late'\n", 0.01)
    one._assign.__globals__["gate"] = gate
    for _ in range(MOST_HANGING + 3):
        assert await one.assign(ARRIVAL) is None
    assert one.failures == MOST_HANGING + 3
    gate.set()
    one.close()


@pytest.mark.parametrize(("text", "says"), [("x = 1", "no function assign"), ("import nothing_there", "nothing_there")])
def test_a_file_that_is_no_policy_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        policy(tmp_path, text)
