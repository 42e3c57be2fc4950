"""The conditions of `regex_binding2` (Momentum 2.x): `field op 'text'` joined by AND, OR and parentheses. Pure.

    mailfrom =~ '@news\\.test$' AND (rcptto == 'a@b.test' OR NOT …)      AND binds closer than OR

Fields: mailfrom rcptto header:NAME body recv_ip recv_port sender_ip. `=~` finds an expression anywhere, with upper and
lower case apart; `==` compares the whole. A header matches when one of that name does; the body is looked at line by
line, its first 128 KiB.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from momentum_node.config.patterns import Pattern, compiled
from momentum_node.errors import ConfigurationError

FIELDS: Final = ("mailfrom", "rcptto", "body", "recv_ip", "recv_port", "sender_ip")
LONGEST_LINE: Final = 998  # RFC 5322 §2.1.1: what an expression is matched with at most
LONGEST_BODY: Final = 131_072
MOST_NESTED: Final = 50
_TOKEN: Final = re.compile(r"\s*(?:(\()|(\))|(AND|OR)\b|(=~|==)|'((?:[^'\\]|\\.)*)'|([A-Za-z_][\w:.-]*))")


class Arrived(Protocol):
    """What conditions are asked about."""

    def values(self, field: str) -> Iterator[str]:
        """All values of one field, `header:name` in lower case."""
        ...


Test: TypeAlias = Callable[[Arrived], bool]


class BadCondition(ConfigurationError):
    """A condition that cannot be read; the text says where."""


@dataclass(slots=True)
class _Reader:
    """Recursive descent over one condition."""

    text: str
    position: int = 0
    depth: int = 0

    def token(self) -> tuple[int, str] | None:
        """(kind, text) of the next token: 1 ( 2 ) 3 AND/OR 4 operator 5 text 6 field; None at the end."""
        found = _TOKEN.match(self.text, self.position)
        if found is None or found.lastindex is None:
            if self.text[self.position :].strip():
                raise self.wrong("something that belongs to no condition")
            return None
        return found.lastindex, found[found.lastindex]

    def advance(self) -> None:
        found = _TOKEN.match(self.text, self.position)
        if found is not None:
            self.position = found.end()

    def take(self, kind: int, what: str) -> str:
        token = self.token()
        if token is None or token[0] != kind:
            raise self.wrong(f"{what} is missing")
        self.advance()
        return token[1]

    def wrong(self, what: str) -> BadCondition:
        return BadCondition(f"{what} at character {self.position + 1} of: {self.text}")

    def any_of(self) -> Test:
        tests = [self.all_of()]
        while self.token() == (3, "OR"):
            self.advance()
            tests.append(self.all_of())
        return tests[0] if len(tests) == 1 else lambda arrived: any(test(arrived) for test in tests)

    def all_of(self) -> Test:
        tests = [self.one()]
        while self.token() == (3, "AND"):
            self.advance()
            tests.append(self.one())
        return tests[0] if len(tests) == 1 else lambda arrived: all(test(arrived) for test in tests)

    def one(self) -> Test:
        token = self.token()
        if token is None or token[0] != 1:
            return self.comparison()
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise self.wrong("too many parentheses")
        self.advance()
        test = self.any_of()
        self.take(2, "a closing parenthesis")
        self.depth -= 1
        return test

    def comparison(self) -> Test:
        field = self.take(6, f"a field ({', '.join(FIELDS)} or header:NAME)").lower()
        if field not in FIELDS and not (field.startswith("header:") and len(field) > 7):
            raise self.wrong(f"'{field}' is no field ({', '.join(FIELDS)} or header:NAME) before the text")
        operator = self.take(4, "=~ or ==")
        text = self.take(5, "a text in single quotes")
        if operator == "==":
            wanted = re.sub(r"\\(['\\])", r"\1", text)
            return lambda arrived: any(value == wanted for value in arrived.values(field))
        try:
            pattern: Pattern = compiled(text.replace("\\'", "'"))
        except ValueError as error:
            raise self.wrong(f"the expression does not compile ({error})") from None
        return lambda arrived: any(pattern.search(value[:LONGEST_LINE]) for value in arrived.values(field))


def parse(text: str) -> Test:
    """The condition as a function. Raises `BadCondition`."""
    reader = _Reader(text)
    test = reader.any_of()
    if reader.token() is not None:
        raise reader.wrong("AND or OR is missing")
    return test
