"""Regular expressions of the configuration: compiled at load, within a bound.

Python's `re` serves as the Perl-compatible engine. What it cannot do is give up in time: `^(a+)+$` takes exponential
time on a text that nearly matches. So expressions in which a repeated group can match one text in two ways are refused.
"""

import re
import warnings
from typing import Any

MAX_LENGTH = 4096
MAX_NUMBER = 5000  # expressions of one configuration, and
MAX_TOTAL = 1 << 17  # their characters together: compiling takes about 10 µs a character
_parser: Any = re._parser  # type: ignore[attr-defined]  # noqa: SLF001 - the only way to see how an expression is built
_REPEATS = (_parser.MAX_REPEAT, _parser.MIN_REPEAT)
_GROUPS = (_parser.SUBPATTERN, _parser.BRANCH)
_MANY = 10  # a repeat of so many counts as endless
_POSITION = re.compile(r" at position \d+.*", re.DOTALL)
_TEXTS = (
    ("missing ), unterminated subpattern", "missing ')'"),
    ("unterminated character set", "missing ']'"),
    ("unbalanced parenthesis", "unmatched ')'"),
)


def compiled(text: str) -> re.Pattern[str]:
    """The expression; raises ValueError whose text completes "regular expression does not compile: "."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hints about future syntax are for programmers
            found = re.compile(text)
            explodes = _explodes(_parser.parse(text))
    except re.error as wrong:
        raise ValueError(_reason(wrong.msg)) from None
    except (RecursionError, OverflowError, MemoryError):
        raise ValueError("it is too deeply nested or its repeat counts are too large") from None
    if explodes:
        raise ValueError("a repeat inside a repeat, like (a+)+, would take exponential time")
    return found


def _explodes(sequence: Any) -> bool:
    """Whether a repeated group can match one text in many ways: it holds a repeat, and nothing else it must match."""
    for operator, argument in sequence:
        bodies = _bodies(operator, argument)
        if operator in _REPEATS and argument[1] >= _MANY and any(_is_repeat(body) for body in bodies):
            return True
        if any(_explodes(body) for body in bodies):
            return True
    return False


def _is_repeat(sequence: Any) -> bool:
    """Whether a sequence can be one repeat alone, everything beside it being optional."""
    items = list(sequence)
    for index, (operator, argument) in enumerate(items):
        if all(_is_optional(item) for place, item in enumerate(items) if place != index):
            if operator in _REPEATS and argument[1] >= _MANY:
                return True
            if operator in _GROUPS and any(_is_repeat(body) for body in _bodies(operator, argument)):
                return True
    return False


def _is_optional(item: Any) -> bool:
    operator, argument = item
    if operator in _REPEATS:
        return bool(argument[0] == 0)
    if operator in _GROUPS:
        return any(all(_is_optional(inner) for inner in body) for body in _bodies(operator, argument))
    return operator in {_parser.AT, _parser.ASSERT, _parser.ASSERT_NOT}


def _bodies(operator: Any, argument: Any) -> list[Any]:
    """The sequences inside one item."""
    if operator in _REPEATS:
        return [argument[2]]
    if operator is _parser.SUBPATTERN:
        return [argument[3]]
    if operator is _parser.BRANCH:
        return list(argument[1])
    if operator in {_parser.ASSERT, _parser.ASSERT_NOT}:
        return [argument[1]]
    return []


class Budget:
    """Checks the expressions of one configuration; all together they may not take more than a moment."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._characters = 0

    def check(self, text: str) -> None:
        """Raises ValueError as `compiled` does, or when there are too many."""
        if text not in self._seen:
            if len(self._seen) >= MAX_NUMBER or self._characters > MAX_TOTAL:
                raise ValueError(f"there are more than {MAX_NUMBER} expressions, or {MAX_TOTAL} characters of them")
            self._seen.add(text)
            self._characters += min(len(text), MAX_LENGTH)
            compiled(text)


def _reason(text: str) -> str:
    text = _POSITION.sub("", text)
    return next((ours for theirs, ours in _TEXTS if theirs in text), text)
