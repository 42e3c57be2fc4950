"""Changes of one text that leave every other character as it is: comments, order, blanks, line ends."""

import re
from typing import NamedTuple

from momentum_node.config.spans import Span

_BLANKS = " \t"
_CLOSING = ">)]}"
_INDENT = re.compile(r"[ \t]*")
_STEP = "  "


class Edit(NamedTuple):
    """`text` stands where `span` was."""

    span: Span
    text: str


def applied(text: str, edits: list[Edit]) -> str:
    """The text after edits that do not overlap."""
    for edit in sorted(edits, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def newline(text: str) -> str:
    """How lines end in this file."""
    return "\r\n" if "\r\n" in text else "\n"


def indent_at(text: str, offset: int) -> str:
    """The blanks at the beginning of the line around an offset."""
    begin = text.rfind("\n", 0, offset) + 1
    found = _INDENT.match(text, begin)
    return found.group() if found else ""


def removal(text: str, span: Span) -> Edit:
    """Take a statement out: with its line when nothing else is on it, else with the blanks that part it from others."""
    begin, end = span
    while begin > 0 and text[begin - 1] in _BLANKS:
        begin -= 1
    while end < len(text) and text[end] in _BLANKS:
        end += 1
    at_start, at_end = begin == 0 or text[begin - 1] == "\n", end == len(text) or text[end] in "\r\n"
    if at_start and at_end:
        return Edit(Span(begin, end + _line_end(text, end)), "")
    if at_start:
        return Edit(Span(span.start, end), "")  # what follows in the line keeps its indent
    if at_end:
        return Edit(Span(begin, span.end), "")
    glued = end == span.end and text[end] in _CLOSING  # no blank stood before the bracket, so none remains
    return Edit(Span(begin, end), " " if begin < span.start and not glued else "")


def _line_end(text: str, offset: int) -> int:
    if text.startswith("\r\n", offset):
        return 2
    return 1 if text.startswith("\n", offset) else 0


def at_end(text: str, lines: list[str]) -> Edit:
    """Add lines behind everything else."""
    end = newline(text)
    missing = "" if not text or text.endswith("\n") else end
    return Edit(Span(len(text), len(text)), missing + "".join(line + end for line in lines))


def in_block(text: str, block: Span, lines: list[str]) -> Edit:
    """Add lines behind everything else between two braces, in the form of the block: in its line, or in lines."""
    begin = text.rfind("\n", 0, block.end) + 1
    end = newline(text)
    if begin > block.start and not text[begin : block.end].strip():
        indent = _inner_indent(text, block, begin)
        return Edit(Span(begin, begin), "".join(f"{indent}{line}{end}" for line in lines))
    behind = len(text[: block.end].rstrip(_BLANKS))
    if len(lines) == 1 and begin <= block.start:
        gap = " " if behind == block.start + 1 else "  "
        return Edit(Span(behind, block.end), f"{gap}{lines[0].strip()} ")
    outer = indent_at(text, block.start)
    added = "".join(f"{end}{outer}{_STEP}{line}" for line in lines)
    return Edit(Span(behind, block.end), f"{added}{end}{outer}")


def _inner_indent(text: str, block: Span, closing_line: int) -> str:
    """The smallest indent inside a block that is deeper than the block's own."""
    outer = indent_at(text, block.end)
    indents = [
        line[: len(line) - len(line.lstrip(_BLANKS))]
        for line in text[block.start : closing_line].split("\n")[1:]
        if line.strip()
    ]
    return min((indent for indent in indents if len(indent) > len(outer)), key=len, default=outer + _STEP)
