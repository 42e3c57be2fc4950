"""Text to tokens (configuration §2). One regular expression cuts the text; every alternative is possessive, so the time
is linear in the text.

A token is its raw text and its position: `("{", 14)`. The first character tells what it is: a sign, a quote (a string),
or anything else (a bareword); the end of the text is the empty token. So nothing is made for the many brackets.

Two tokens depend on where they stand, so the parser asks for them: the regex name of a `Domain` or `Host`
(`/…/`) and the bracketed endpoint of a listener list (`[::1]:25`).
"""

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain
from typing import TypeAlias

from momentum_node.config.source import Source
from momentum_node.config.syntax import Scalar, made

Token: TypeAlias = tuple[str, int]

SIGNS = frozenset("{}[]()=<>")
END = ""
# No group is repeated possessively: Python before 3.11.5 loses its place in one that has to step back (gh-106052).
_BLANK = r"[ \t\r\n\f]*+(?:(?:\#[^\n]*+|/\*(?:[^*]++|\*(?!/))*\*/)[ \t\r\n\f]*+)*"
_TOKEN = re.compile(
    rf"""({_BLANK})"""
    r"""(?:([{}\[\]()=<>]"""
    r"""|(?!/\*)[^ "'\#={}\[\]()<>\x00-\x1f\x7f-\x9f]++"""
    r"""|"[^"\\]*+(?:\\.[^"\\]*+)*\""""
    r"""|'[^']*+')"""
    r"""|.*+)""",  # the end, or no token can start here
    re.DOTALL,
)
_REGEX_NAME = re.compile(r"/(?:\\[^\s\x00-\x1f\x7f-\x9f]|[^\\\s\x00-\x1f\x7f-\x9f]){0,4096}?/(?=[\s{<]|\Z)")
_ENDPOINT = re.compile(r"\[(?:\*|[0-9A-Fa-f:.%]++)\]:[0-9]++(?:,[0-9]++)?(?:~[0-9]++)?")
_ESCAPE = re.compile(r'\\(\r?\n|["\\nrt])')
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_FIRST_PIECE, _LARGEST_PIECE = 32, 1 << 16  # characters


class SyntaxFault(Exception):
    """The first thing that is wrong with the syntax of one file; nothing after it is read."""

    def __init__(self, at: int, code: str, text: str, hint: str | None = None) -> None:
        self.at, self.code, self.text, self.hint = at, code, text, hint
        super().__init__(text)


class Lexer:
    """The tokens of one source, from any position on."""

    def __init__(self, source: Source) -> None:
        self._text, self._base = source.text, source.base

    def tokens(self, at: int) -> Iterator[Token]:
        """The tokens from position `at` on, the empty one last; raises SyntaxFault (L001-L003) where none can start."""
        return chain.from_iterable(self._pieces(at - self._base))

    def _pieces(self, position: int) -> Iterator[Iterable[Token]]:
        """Small pieces first: after a regex name or an endpoint only a few tokens may be asked for. The last token of
        a piece may go on behind it, so the next piece begins there."""
        length, size = len(self._text), _FIRST_PIECE
        while position + size < length:
            texts, starts = self._cut(position, position + size)
            if len(texts) > 1:
                yield zip(texts[:-1], starts, strict=False)
                position = starts[len(texts) - 1] - self._base
                size = min(size, _LARGEST_PIECE // 2)
            size *= 2
        texts, starts = self._cut(position, length)
        yield zip(texts, starts, strict=False)
        end = starts[len(texts)]
        if end < self._base + length:
            raise _fault(self._text[end - self._base], end)
        yield ((END, end),)

    def _cut(self, start: int, end: int) -> tuple[list[str], list[int]]:
        """The tokens of a piece as far as there are some, and the position of each and of what follows the last."""
        found = _TOKEN.findall(self._text, start, end)
        texts = [text for _, text in found]
        ends = list(accumulate(map(len, chain.from_iterable(found)), initial=self._base + start))
        del texts[texts.index(END) :]
        return texts, ends[1::2]

    def regex_name(self, token: Token) -> tuple[Scalar, Iterator[Token]]:
        """Read again from `token`, the look-ahead, as a regex name, and what follows it; raises SyntaxFault L004."""
        match = _REGEX_NAME.match(self._text, token[1] - self._base)
        if match is None:
            raise SyntaxFault(token[1], "L004", "regular expression opened here is never closed", REGEX_HINT)
        return Scalar(match.group(), token[1], "/"), self.tokens(self._base + match.end())

    def endpoint(self, token: Token) -> tuple[Scalar, Iterator[Token]] | None:
        """Read again from `token`, a `[`, as a bracketed endpoint; None when it does not look like one."""
        match = _ENDPOINT.match(self._text, token[1] - self._base)
        return match and (Scalar(match.group(), token[1]), self.tokens(self._base + match.end()))


def string(token: Token) -> Scalar:
    """The value of a quoted token; raises SyntaxFault L003."""
    raw, at = token
    if "\0" in raw:
        raise SyntaxFault(at + raw.index("\0"), "L003", "a NUL is not allowed in a string")
    inner, quote = raw[1:-1], raw[0]
    if "\\" in inner and quote == '"':
        inner = _ESCAPE.sub(_unescaped, inner)
    return made(Scalar, (inner, at, quote))


def _unescaped(match: re.Match[str]) -> str:
    character = match.group(1)
    return "" if character.endswith("\n") else _ESCAPED.get(character, character)


REGEX_HINT = 'it ends with a `/` before a blank or `{`; quote a name that has blanks: "/…/"'


def _fault(character: str, at: int) -> SyntaxFault:
    if character in "\"'":
        return SyntaxFault(at, "L001", "string opened here is never closed")
    if character == "/":
        return SyntaxFault(at, "L002", "comment opened here is never closed")
    return SyntaxFault(at, "L003", f"control character U+{ord(character):04X} is not allowed here")
