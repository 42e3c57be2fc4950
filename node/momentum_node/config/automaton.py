"""A regular expression run without backtracking: time is the length of the text times the size of the expression.

Python's `re` tries one way after the other and can need exponential time, `^(a+)+$` or `(a|a)*b` for instance. Here all
ways are followed at once (Thompson 1968). It answers only whether the expression is found, which is all that the
configuration asks. Single characters and positions are still judged by `re`, so both engines agree on them.

Not everything can be run like this: references to groups, atomic groups and possessive repeats cannot.
"""

import re
from typing import Any

MAX_STATES = 2000  # a search of a name of 255 characters then takes well under a second
_MAX_CHARACTERS = 1024  # characters whose tests are remembered
# The only way to see how an expression is built, and to judge single parts of it as `re` does.
_parser: Any = re._parser  # type: ignore[attr-defined]  # noqa: SLF001
_compiler: Any = re._compiler  # type: ignore[attr-defined]  # noqa: SLF001
_REPEATS = (_parser.MAX_REPEAT, _parser.MIN_REPEAT)
_ONE_CHARACTER = (_parser.LITERAL, _parser.NOT_LITERAL, _parser.ANY, _parser.IN)
_ZERO_WIDTH = (_parser.AT, _parser.ASSERT, _parser.ASSERT_NOT)
_CHARACTER, _POSITION, _FORK, _FOUND = range(4)


class NotRegular(ValueError):
    """The expression has parts that only backtracking can do, or too many states."""


class Automaton:
    """One expression, from what `re` parsed; raises NotRegular."""

    def __init__(self, tree: Any) -> None:
        self._groups = tree.state.groupwidths
        self._tests: dict[tuple[str, int], int] = {}
        self._patterns: list[re.Pattern[str]] = []
        self._states: list[tuple[int, int, tuple[int, ...]]] = [(_FOUND, 0, ())]  # kind, test, followers
        self._start = self._sequence(tree, tree.state.flags, 0)
        self._answers: dict[str, tuple[bool, ...]] = {}

    @property
    def size(self) -> int:
        """The number of its states."""
        return len(self._states)

    def search(self, text: str, /) -> bool:
        """Whether the expression is found anywhere in the text."""
        waiting: set[int] = set()
        for position in range(len(text) + 1):
            reading = self._closure({*waiting, self._start}, text, position)
            if reading is None:
                return True
            if position < len(text):
                passed = self._passed(text[position])
                waiting = {after for test, after in reading if passed[test]}
        return False

    def _closure(self, states: set[int], text: str, position: int) -> list[tuple[int, int]] | None:
        """The (test, follower) pairs that wait for a character; None when the expression is found."""
        found, stack = [], list(states)
        while stack:
            kind, test, followers = self._states[stack.pop()]
            if kind == _FOUND:
                return None
            if kind == _CHARACTER:
                found.append((test, followers[0]))
            elif kind == _FORK or self._patterns[test].match(text, position):
                new = [follower for follower in followers if follower not in states]
                states.update(new)
                stack += new
        return found

    def _passed(self, character: str) -> tuple[bool, ...]:
        """The answer of every test to one character."""
        known = self._answers.get(character)
        if known is None:
            if len(self._answers) >= _MAX_CHARACTERS:
                self._answers.clear()
            known = tuple(pattern.match(character) is not None for pattern in self._patterns)
            self._answers[character] = known
        return known

    # --- building, from the end to the beginning ---

    def _state(self, kind: int, test: int, *followers: int) -> int:
        if len(self._states) >= MAX_STATES:
            raise NotRegular(f"it has more than {MAX_STATES} states")
        self._states.append((kind, test, followers))
        return len(self._states) - 1

    def _sequence(self, items: Any, flags: int, after: int) -> int:
        for operator, argument in reversed(list(items)):
            after = self._item(operator, argument, flags, after)
        return after

    def _item(self, operator: Any, argument: Any, flags: int, after: int) -> int:
        if operator in _ONE_CHARACTER:
            return self._state(_CHARACTER, self._test(operator, argument, flags), after)
        if operator in _ZERO_WIDTH:
            return self._state(_POSITION, self._test(operator, argument, flags), after)
        if operator is _parser.SUBPATTERN:
            _, added, removed, inner = argument
            return self._sequence(inner, (flags | added) & ~removed, after)
        if operator is _parser.BRANCH:
            return self._state(_FORK, 0, *(self._sequence(inner, flags, after) for inner in argument[1]))
        if operator in _REPEATS:
            return self._repeat(argument, flags, after)
        raise NotRegular(f"it has a part that only backtracking can do: {operator}")

    def _repeat(self, argument: Any, flags: int, after: int) -> int:
        low, high, inner = argument
        start = after
        if high == _parser.MAXREPEAT:
            start = self._state(_FORK, 0)
            self._states[start] = (_FORK, 0, (self._sequence(inner, flags, start), after))
        else:
            for _ in range(high - low):
                start = self._state(_FORK, 0, self._sequence(inner, flags, start), after)
        for _ in range(low):
            before, start = start, self._sequence(inner, flags, start)
            if start == before:  # it matches nothing at all; the number may be huge
                break
        return start

    def _test(self, operator: Any, argument: Any, flags: int) -> int:
        """The number of the pattern that judges one part."""
        key = (f"{operator} {argument}", flags)
        if key not in self._tests:
            state = _parser.State()
            state.flags, state.groupwidths = flags, self._groups
            part = _parser.SubPattern(state, [(operator, argument)])
            self._tests[key] = len(self._patterns)
            self._patterns.append(_compiler.compile(part, flags))
        return self._tests[key]
