"""A line typed at the console as words, and words as a value (configuration §2, §4, §13)."""

import re
from collections.abc import Sequence

from momentum_node.config import schema
from momentum_node.config.lexer import SyntaxFault
from momentum_node.config.parser import parse
from momentum_node.config.paths import PathFault
from momentum_node.config.printer import quoted
from momentum_node.config.source import Report, Source, Sources
from momentum_node.config.syntax import Array, Element, Entry, Scalar, Value
from momentum_node.config.values import decode

_MARKS = frozenset("()[]=<>")
_STRUCTURED = frozenset({"dict", "any"})
_WORD = re.compile(r"""\s+|\#.*|"(?:[^"\\]|\\.)*"|'[^']*'|[()\[\]{}<>=]|[^\s"'\#()\[\]{}<>=]+""", re.DOTALL)
_REGEX_NAME = re.compile(r"/(?:\\\S|[^\\\s])*?/(?=\s|\Z)")
_AFTER = {"domain": _REGEX_NAME, "host": _REGEX_NAME, "listen": re.compile(r"\[[^\s\]]*\]:\S+")}


def check(words: Sequence[str]) -> None:
    """Raises PathFault for what no file of the language could say."""
    for word in words:
        if "\0" in word or any("\ud800" <= character <= "\udfff" for character in word):
            raise PathFault("a NUL or a byte that is not UTF-8 cannot stand in a configuration")


def split(line: str) -> list[str]:
    """The words of a line, quotes removed. The expression of `config locate SCOPE REGEX` stands as it is typed.
    Raises PathFault."""
    check([line])
    start = line.split(None, 3)
    if [word.lower() for word in start[:2]] == ["config", "locate"]:
        return [word.strip() for word in start]
    words: list[str] = []
    position = 0
    while position < len(line):
        pattern = _AFTER.get(words[-1].lower() if words else "", _WORD)
        found = pattern.match(line, position) or _WORD.match(line, position)
        if found is None:
            raise PathFault(f"a quote is opened at column {position + 1} and never closed")
        position = found.end()
        piece = found.group().strip()
        if piece and not piece.startswith("#"):
            words.append(_unquoted(piece) if piece[0] in "\"'" else piece)
    return words


def _unquoted(piece: str) -> str:
    statement = parse(Source("console", f"value = {piece}", 0))[0]
    assert isinstance(statement, Entry) and isinstance(statement.value, Scalar)  # noqa: S101, PT018 - just written so
    return statement.value.text


def value(known: schema.Option, words: Sequence[str]) -> Value:
    """The value of an option, checked against its type. Raises PathFault."""
    if not words:
        raise PathFault(f"the value of '{known.name}' is missing")
    found = _value(known, words)
    report = Report(Sources())
    decode(known.name, known.type, found, report)
    if report.errors:
        hint = report.errors[0].hint
        raise PathFault(report.errors[0].text + (f"; {hint}" if hint else ""))
    return found


def _value(known: schema.Option, words: Sequence[str]) -> Value:
    many = known.type.many
    structured = words[0][:1] in {"(", "["} and (many or known.type.kind in _STRUCTURED)
    if structured:
        return _parsed(known, words)
    if len(words) > 1:
        hint = "a list is written ( … )" if many else "a value that has blanks is quoted"
        raise PathFault(f"'{known.name}' takes one value here, not {len(words)} words; {hint}")
    scalar = Scalar(words[0])
    return Array((Element(scalar),)) if many else scalar


def _parsed(known: schema.Option, words: Sequence[str]) -> Value:
    """A list or dictionary, in the words of `split` or in one piece, as a shell gives it."""
    pieces = [word if word in _MARKS else quoted(word) for word in words] if words[0] in _MARKS else words
    try:
        statements = parse(Source("console", f"value = {' '.join(pieces)}", 0))
    except SyntaxFault as fault:
        raise PathFault(f"the value of '{known.name}' cannot be read: {fault.text}") from None
    if len(statements) != 1 or not isinstance(statements[0], Entry):
        raise PathFault(f"the value of '{known.name}' ends before the last word")
    return statements[0].value
