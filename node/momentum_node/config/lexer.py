"""Text to tokens (configuration §2). One regular expression finds the next token, whatever stands before it;
every alternative is possessive, so the time is linear in the text.

Two tokens depend on where they stand, so the parser asks for them: the regex name of a `Domain` or `Host`
(`/…/`) and the bracketed endpoint of a listener list (`[::1]:25`).
"""

import re
from typing import NamedTuple

from momentum_node.config.source import Source

_TOKEN = re.compile(
    r"""(?:[ \t\r\n\f]++|\#[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+"""
    r"""(?:(?P<mark>[{}\[\]()=<>])"""
    r"""|(?P<comment>/\*)"""
    r"""|(?P<word>[^ "'\#={}\[\]()<>\x00-\x1f\x7f-\x9f]++)"""
    r"""|(?P<double>"[^"\\]*+(?:\\.[^"\\]*+)*+")"""
    r"""|(?P<single>'[^']*+')"""
    r"""|(?P<end>\Z))""",
    re.DOTALL,
)
_WORD = r"""[^ "'\#={}\[\]()<>\x00-\x1f\x7f-\x9f]++"""
# Words of a list that are elements by themselves: another word follows, with nothing but blanks between.
_RUN = re.compile(rf"(?:(?!/\*|,[ \t\r\n\f]){_WORD}[ \t\r\n\f]++(?=(?!/\*){_WORD}))*+")
_WORDS = re.compile(_WORD)
_SKIPPED = re.compile(r"(?:[ \t\r\n\f]++|#[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")
_REGEX_NAME = re.compile(r"/(?:\\[^\s\x00-\x1f\x7f-\x9f]|[^\\\s\x00-\x1f\x7f-\x9f]){0,4096}?/(?=[\s{<]|\Z)")
_ENDPOINT = re.compile(r"\[(?:\*|[0-9A-Fa-f:.%]++)\]:[0-9]++(?:,[0-9]++)?(?:~[0-9]++)?")
_ESCAPE = re.compile(r'\\(\r?\n|["\\nrt])')
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


class Token(NamedTuple):
    """`kind` is "word", "string", "end", or the bracket or sign itself; `quote` as in syntax.Scalar."""

    kind: str
    text: str
    at: int
    quote: str = ""


_token = tuple.__new__  # a third of the time of the constructor of a named tuple


class SyntaxFault(Exception):
    """The first thing that is wrong with the syntax of one file; nothing after it is read."""

    def __init__(self, at: int, code: str, text: str, hint: str | None = None) -> None:
        self.at, self.code, self.text, self.hint = at, code, text, hint
        super().__init__(text)


class Lexer:
    """Tokens of one source on demand. After a token with kind "end" it only gives "end"."""

    def __init__(self, source: Source) -> None:
        self._text, self._base = source.text, source.base
        self._position = 0

    def next(self) -> Token:
        """The next token; raises SyntaxFault (L001-L003) where none can start."""
        match = _TOKEN.match(self._text, self._position)
        if match is None:
            raise self._fault()
        kind = match.lastgroup
        if kind is None or kind == "comment":
            raise self._fault()
        text = match[kind]
        end = self._position = match.end()
        at = self._base + end - len(text)
        if kind == "mark":
            return _token(Token, (text, text, at, ""))
        if kind == "word":
            return _token(Token, (kind, text, at, ""))
        if kind in {"double", "single"}:
            return self._string(text, at)
        return Token(kind, text, at)

    def words(self, token: Token) -> list[tuple[str, int]]:
        """Read again from `token`, a word in a list: the words from there on that are whole elements, with positions.
        Large lists are read three times as fast as token by token."""
        run = _RUN.match(self._text, token.at - self._base)
        if run is None or run.end() == run.start():
            return []
        self._position = run.end()
        return [(word.group(), self._base + word.start()) for word in _WORDS.finditer(self._text, *run.span())]

    def regex_name(self, token: Token) -> Token:
        """Read again from `token`, the look-ahead, as a regex name; raises SyntaxFault L004."""
        start = token.at - self._base
        match = _REGEX_NAME.match(self._text, start)
        if match is None:
            raise SyntaxFault(token.at, "L004", "regular expression opened here is never closed", REGEX_HINT)
        self._position = match.end()
        return Token("word", match.group(), token.at, "/")

    def endpoint(self, token: Token) -> Token | None:
        """Read again from `token`, a `[`, as a bracketed endpoint; None when it does not look like one."""
        match = _ENDPOINT.match(self._text, token.at - self._base)
        if match is None:
            return None
        self._position = match.end()
        return Token("word", match.group(), token.at)

    def _string(self, raw: str, at: int) -> Token:
        nul = raw.find("\0")
        if nul >= 0:
            raise SyntaxFault(at + nul, "L003", "a NUL is not allowed in a string")
        inner = raw[1:-1]
        if raw[0] == '"' and "\\" in inner:
            inner = _ESCAPE.sub(_unescaped, inner)
        return Token("string", inner, at, raw[0])

    def _fault(self) -> SyntaxFault:
        skipped = _SKIPPED.match(self._text, self._position)
        start = skipped.end() if skipped else self._position
        character, at = self._text[start], self._base + start
        if character in "\"'":
            return SyntaxFault(at, "L001", "string opened here is never closed")
        if character == "/":
            return SyntaxFault(at, "L002", "comment opened here is never closed")
        return SyntaxFault(at, "L003", f"control character U+{ord(character):04X} is not allowed here")


REGEX_HINT = 'it ends with a `/` before a blank or `{`; quote a name that has blanks: "/…/"'


def _unescaped(match: re.Match[str]) -> str:
    character = match.group(1)
    return "" if character.endswith("\n") else _ESCAPED.get(character, character)
