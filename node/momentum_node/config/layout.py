"""Where things stand in one file besides its syntax tree: comments, empty lines, and where brackets close."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from momentum_node.config.lexer import Lexer, Token
from momentum_node.config.parser import parse
from momentum_node.config.source import Source
from momentum_node.config.syntax import Entry, Include, Loader, Scalar, Stanza, Statement

_COMMENT = re.compile(r"#[^\n]*|/\*.*?\*/", re.DOTALL)
_OPENING, _CLOSING = frozenset("{[(<"), frozenset("}])>")


class Comment(NamedTuple):
    """`trailing`: it stands behind something in the same line. `spaced`: an empty line stands before it."""

    at: int
    text: str
    trailing: bool
    spaced: bool


class _Recorder(Lexer):
    """Keeps every token, as the parser reads them."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.tokens_read: list[Token] = []

    def tokens(self, at: int) -> Iterator[Token]:
        for token in super().tokens(at):
            self.tokens_read.append(token)
            yield token

    def regex_name(self, token: Token) -> tuple[Scalar, Iterator[Token]]:
        found = super().regex_name(token)
        self.tokens_read[-1] = (found[0].text, token[1])
        return found

    def endpoint(self, token: Token) -> tuple[Scalar, Iterator[Token]] | None:
        found = super().endpoint(token)
        if found is not None:
            self.tokens_read[-1] = (found[0].text, token[1])
        return found


class Layout:
    """One parsed file; raises SyntaxFault as the parser does. Positions are those of the syntax tree."""

    def __init__(self, source: Source) -> None:
        recorder = _Recorder(source)
        self.statements = parse(source, recorder)
        self._text, self._base = source.text, source.base
        self._tokens = recorder.tokens_read
        self._starts = [start for _, start in self._tokens]
        self._closing = self._closings()
        self.comments = self._comments()
        self.end = source.base + len(source.text)

    def text(self, start: int, end: int) -> str:
        return self._text[start - self._base : end - self._base]

    def line_end(self, at: int) -> int:
        """Where the line of a position ends."""
        end = self._text.find("\n", at - self._base)
        return self.end if end < 0 else self._base + end

    def is_spaced(self, at: int) -> bool:
        """Whether an empty line stands directly before a position."""
        before = self._text[: at - self._base] if at - self._base < 400 else self._text[at - self._base - 400 : at]
        return before[len(before.rstrip()) :].count("\n") > 1

    def closing(self, opening: int) -> int | None:
        """The place of the bracket that closes the one at `opening`; None when there is none at that place."""
        token = self._closing.get(opening)
        return None if token is None else self._starts[token]

    def extent(self, at: int) -> int:
        """Where what is named at `at` ends: its closing bracket, attributes skipped, else the end of the name."""
        index = bisect_left(self._starts, at)
        if index >= len(self._starts) or self._starts[index] != at:
            return at
        follower = index + 1
        while self._tokens[follower][0] in {"=", "<"}:
            follower = self._closing.get(self._starts[follower], follower) + 1
        closing = self._closing.get(self._starts[follower])
        return self._end(index) if closing is None else self._starts[closing]

    def block(self, stanza: Stanza | Loader) -> tuple[int, int]:
        """Where the block of a stanza opens, and where it closes."""
        named = (stanza.modifier or stanza.symbol) if isinstance(stanza, Loader) else (stanza.instance or stanza.name)
        index = bisect_left(self._starts, named.at)
        while self._tokens[index][0] != "{":
            index += 1
        opening = self._starts[index]
        return opening, self._starts[self._closing[opening]]

    def span(self, statement: Statement) -> tuple[int, int]:
        """Start and end of a whole statement."""
        if isinstance(statement, Include):
            return statement.target.at, self.after(statement.target.at)
        if isinstance(statement, Stanza):
            return statement.name.at, self.block(statement)[1] + 1
        if isinstance(statement, Loader):
            return statement.kind.at, self.block(statement)[1] + 1
        return statement.key.at, self._value_end(statement)

    def _value_end(self, entry: Entry) -> int:
        if isinstance(entry.value, Scalar):
            return self.after(entry.value.at)
        return self._starts[self._closing[entry.value.at]] + 1

    def after(self, at: int) -> int:
        """Where the token that begins at a position ends."""
        return self._end(bisect_left(self._starts, at))

    def _end(self, index: int) -> int:
        text, start = self._tokens[index]
        return start + len(text)

    def _closings(self) -> dict[int, int]:
        """Place of each opening bracket → number of the token that closes it."""
        closings, open_at = {}, []
        for number, (text, start) in enumerate(self._tokens):
            if text in _OPENING:
                open_at.append(start)
            elif text in _CLOSING:
                closings[open_at.pop()] = number
        return closings

    def _comments(self) -> list[Comment]:
        found, end = [], 0
        for token, start in self._tokens:
            gap = self._text[end : start - self._base]
            for match in _COMMENT.finditer(gap) if gap.strip() else ():
                at = self._base + end + match.start()
                trailing = end > 0 and "\n" not in gap[: match.start()]
                found.append(Comment(at, match.group().rstrip(), trailing, self.is_spaced(at)))
            end = start + len(token) - self._base
        return found
