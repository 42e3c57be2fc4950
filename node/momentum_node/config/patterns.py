"""Regular expressions of the configuration: compiled at load, and bounded when they run.

Python's `re` serves as the Perl-compatible engine. What it cannot do is give up in time: `^(a+)+$` or `(a|a)*b` takes
exponential time on a text that nearly matches. An expression that `re` might have to try in too many ways runs on
an automaton instead (automaton.py); one that needs backtracking all the same, `(a+)+\\1` for instance, is refused.
"""

import math
import re
import warnings
from functools import lru_cache
from typing import Any, Protocol

from momentum_node.config.automaton import MAX_STATES, Automaton, NotRegular

MAX_LENGTH = 4096
MAX_NUMBER = 5000  # expressions of one configuration, and
MAX_TOTAL = 1 << 17  # their characters and states together: each takes about 10 µs
_parser: Any = re._parser  # type: ignore[attr-defined]  # noqa: SLF001 - the only way to see how an expression is built
_REPEATS = (_parser.MAX_REPEAT, _parser.MIN_REPEAT, _parser.POSSESSIVE_REPEAT)
_LONG = 255  # characters of a text that is matched
_MOST_WAYS = 1 << 24  # tries that `re` may need; some tenths of a second
_MOST_WAYS_OF_A_LOOK = 1 << 9
_POSITION = re.compile(r" at position \d+.*", re.DOTALL)
_TEXTS = (
    ("missing ), unterminated subpattern", "missing ')'"),
    ("unterminated character set", "missing ']'"),
    ("unbalanced parenthesis", "unmatched ')'"),
)


class Pattern(Protocol):
    """A compiled expression: true where it is found anywhere in a text."""

    def search(self, text: str, /) -> object: ...


@lru_cache(maxsize=256)
def compiled(text: str) -> Pattern:
    """The expression; raises ValueError whose text completes "regular expression does not compile: "."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hints about future syntax are for programmers
            found = re.compile(text)
            tree = _parser.parse(text)
            if _starts(tree) * _ways(tree) <= _MOST_WAYS:
                return found
            _check_looks(tree)
            return Automaton(tree)
    except re.error as wrong:
        raise ValueError(_reason(wrong.msg)) from None
    except NotRegular as wrong:
        raise ValueError(f"it could take exponential time, like (a+)+, and {wrong}") from None
    except (RecursionError, OverflowError, MemoryError):
        raise ValueError("it is too deeply nested or its repeat counts are too large") from None


def _starts(tree: Any) -> int:
    """At how many places of a text a match can begin."""
    anchored = len(tree) > 0 and tree[0] == (_parser.AT, _parser.AT_BEGINNING)
    return 1 if anchored and not tree.state.flags & re.MULTILINE else _LONG


def _ways(items: Any) -> float:
    """In how many ways `re` may have to try a sequence on one text, at most; infinite when exponential."""
    ways = 1.0
    for operator, argument in items:
        if operator in _REPEATS:
            ways *= _repeat_ways(argument, _ways(argument[2]))
        elif operator is _parser.BRANCH:
            ways *= sum(_ways(body) for body in argument[1])
        else:
            for body in _bodies(operator, argument):
                ways *= _ways(body)
    return ways


def _repeat_ways(argument: Any, inner: float) -> float:
    low, high, body = argument
    if high > 1 and (inner > 1 or body.getwidth()[0] == 0):  # `re` may also repeat what is empty, as often as is asked
        return math.inf
    return float(min(high, _LONG) - min(low, _LONG) + 1) * inner


def _check_looks(items: Any) -> None:
    """The automaton leaves look-arounds to `re`, at every position: raises NotRegular when one takes too long."""
    for operator, argument in items:
        if operator in {_parser.ASSERT, _parser.ASSERT_NOT} and _ways(argument[1]) > _MOST_WAYS_OF_A_LOOK:
            raise NotRegular("it has a look-around that only backtracking can do")
        if operator in _REPEATS:
            _check_looks(argument[2])
        for body in argument[1] if operator is _parser.BRANCH else _bodies(operator, argument):
            _check_looks(body)


def _bodies(operator: Any, argument: Any) -> list[Any]:
    """The sequences inside one item that is neither a repeat nor a choice."""
    if operator is _parser.SUBPATTERN:
        return [argument[3]]
    if operator in {_parser.ASSERT, _parser.ASSERT_NOT}:
        return [argument[1]]
    if operator is _parser.ATOMIC_GROUP:
        return [argument]
    if operator is _parser.GROUPREF_EXISTS:
        return [body for body in argument[1:] if body is not None]
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
            try:
                found = compiled(text)
            except ValueError:
                self._characters += MAX_STATES  # what was in vain took time too
                raise
            if isinstance(found, Automaton):
                self._characters += found.size


def _reason(text: str) -> str:
    text = _POSITION.sub("", text)
    return next((ours for theirs, ours in _TEXTS if theirs in text), text)
