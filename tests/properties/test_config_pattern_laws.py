"""The automaton finds what `re` finds."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from momentum_node.config.automaton import Automaton

PARTS = ["a", "b", ".", "[ab]", "[^a]", r"\b", "^", "$", r"\d", "(?=a)", "(?!b)", "()", "\n", "(?i:A)", r"\Z"]
PARSER: Any = re._parser  # type: ignore[attr-defined]


def repeated(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    marks = st.sampled_from(["*", "+", "?", "{2}", "{0,3}", "{1,}", "*?", "+?"])
    return st.tuples(inner, marks).map(lambda both: f"(?:{both[0]}){both[1]}")


EXPRESSIONS = st.recursive(
    st.sampled_from(PARTS),
    lambda inner: (
        repeated(inner)
        | st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})")
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, st.text(alphabet="abA1 \n", max_size=8))
def test_both_engines_agree(expression: str, text: str) -> None:
    automaton = Automaton(PARSER.parse(expression))

    assert automaton.search(text) == (re.search(expression, text) is not None)
