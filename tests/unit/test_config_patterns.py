"""Regular expressions: whatever they are, matching ends in time."""

import re
import time

import pytest

from momentum_node.config.automaton import Automaton
from momentum_node.config.patterns import compiled

HOSTILE = "a" * 254 + "!"


@pytest.mark.parametrize(
    "expression",
    [
        "^(a+)+$",
        "^(a|a)*$",
        "^(a|aa)+$",
        "^(a*)*$",
        "(a|b|ab)*c",
        r"^(\w|ab)*$",
        "(x+x+)+y",
        "a*a*a*a*a*a*a*b",
        ".*a.*a.*a.*a.*b",
        "a?" * 60 + "a" * 60 + "b",
        "((a?){9}){9}b",
        "(a|a)" * 40 + "b",
        r"^([a-z0-9]+[.-]?)+@",
        "^(a+)+(?=a*!)(?!a*!)$",
    ],
)
def test_an_expression_that_would_explode_runs_in_time(expression: str) -> None:
    pattern = compiled(expression)
    assert isinstance(pattern, Automaton)

    begin = time.process_time()
    assert not pattern.search(HOSTILE)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("expression", [r"(^|\.)slow\.test$", "^(alpha|beta)\\.test$", r"^b-\d+@", ".*mx.*", "a{3}b*"])
def test_ordinary_expressions_stay_with_re(expression: str) -> None:
    assert isinstance(compiled(expression), re.Pattern)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        (r"(a+)+\1", "it could take exponential time, like (a+)+, and it has a part that only backtracking can do"),
        ("((ab|b){1000}){9}", "it could take exponential time"),
        ("(a+)+(?=.*a.*b)", "it could take exponential time, like (a+)+, and it has a look-around"),
        ("(a", "missing ')'"),
        ("a" * 5000, "it is longer than 4096 characters"),
        ("(" * 2000 + ")" * 2000, "it is too deeply nested"),
        ("((?:){4000000000}){4000}(a|b)+c+", ""),
    ],
)
def test_what_cannot_be_bounded_is_refused(expression: str, why: str) -> None:
    if not why:
        assert not compiled(expression).search(HOSTILE)
        return
    with pytest.raises(ValueError, match="^" + re.escape(why)):
        compiled(expression)


def test_the_automaton_knows_flags_and_positions() -> None:
    pattern = compiled(r"(?i)^(MX|mx)*\.(a+)+\.test$")

    assert pattern.search("mxMXmx.AAA.TEST")
    assert not pattern.search("mx.b.test")
