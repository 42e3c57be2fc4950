"""Where text comes from: each file gets a range of one number line, so a position is a single integer (`at`)
and only what is shown to a person is turned into file, line and column."""

from bisect import bisect_right
from itertools import accumulate

from momentum_node.config.messages import Message
from momentum_node.config.model import Place
from momentum_node.config.patterns import Budget

NOWHERE = -1  # the position of what no file says: built-in scopes, trees made by a program
MOST_KEPT = 1000  # messages kept in full; the rest is only counted
MOST_COUNTED = 10_000  # errors after which reading stops
_TEXT_KEPT = 400  # characters of one message; a value can be as long as the file
_HINTED = 25  # messages that get a costly hint
LINE_SHOWN = 100  # code points of a source line that are shown


class Source:
    """One file's text and its first position."""

    def __init__(self, file: str, text: str, base: int) -> None:
        self.file, self.text, self.base = file, text, base
        self._starts: list[int] | None = None

    @property
    def starts(self) -> list[int]:
        """Offsets of the first character of each line."""
        if self._starts is None:
            lengths = map((1).__add__, map(len, self.text.split("\n")))
            self._starts = list(accumulate(lengths, initial=0))[:-1]
        return self._starts

    def place(self, offset: int) -> Place:
        line = bisect_right(self.starts, offset)
        return Place(self.file, line, offset - self.starts[line - 1] + 1)

    def line(self, offset: int) -> tuple[str, int]:
        """The line around an offset, cut to a width that can be shown, and the offset's column in it, from 0."""
        begin = self.starts[bisect_right(self.starts, offset) - 1]
        end = self.text.find("\n", begin, begin + LINE_SHOWN)
        whole = end >= 0 or begin + LINE_SHOWN >= len(self.text)
        start = begin if whole else max(begin, offset - LINE_SHOWN // 2)
        end = self.text.find("\n", start, start + LINE_SHOWN)
        return self.text[start : start + LINE_SHOWN if end < 0 else end].rstrip("\r"), offset - start


class Sources:
    """All files of one load, in reading order."""

    def __init__(self) -> None:
        self.files: list[Source] = []
        self._bases: list[int] = []

    def add(self, file: str, text: str) -> Source:
        last = self.files[-1] if self.files else None
        base = last.base + len(last.text) + 1 if last else 0
        source = Source(file, text, base)
        self.files.append(source)
        self._bases.append(base)
        return source

    def of(self, at: int) -> Source:
        return self.files[bisect_right(self._bases, at) - 1]

    def place(self, at: int) -> Place:
        if at < 0 or not self.files:
            return Place("built-in", 1, 1)
        source = self.of(at)
        return source.place(at - source.base)

    def line(self, at: int) -> tuple[str, int]:
        if at < 0 or not self.files:
            return "", 0
        source = self.of(at)
        return source.line(at - source.base)


class TooManyErrors(Exception):
    """The text has so many errors that reading on helps nobody."""


class Report:
    """Collects the messages of one load. Every error is counted; the first thousand are kept."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.patterns = Budget()
        self.errors: list[Message] = []
        self.warnings: list[Message] = []
        self.notices: list[str] = []
        self.error_count = 0
        self.warning_count = 0

    def error(self, at: int, code: str, text: str, hint: str | None = None) -> None:
        self.error_count += 1
        if self.error_count >= MOST_COUNTED:
            raise TooManyErrors
        if len(self.errors) < MOST_KEPT:
            self.errors.append(self._message(at, "error", code, text, hint))

    def warning(self, at: int, code: str, text: str, hint: str | None = None) -> None:
        self.warning_count += 1
        if len(self.warnings) < MOST_KEPT:
            self.warnings.append(self._message(at, "warning", code, text, hint))

    def notice(self, text: str) -> None:
        if text not in self.notices:
            self.notices.append(text)

    @property
    def keeps_warnings(self) -> bool:
        """Whether one more warning would be kept, not only counted."""
        return len(self.warnings) < MOST_KEPT

    @property
    def may_search(self) -> bool:
        """Whether a costly hint (did you mean …) is still worth its time."""
        return self.error_count < _HINTED

    def _message(self, at: int, severity: str, code: str, text: str, hint: str | None) -> Message:
        line, column = self.sources.line(at)
        if len(text) > _TEXT_KEPT:
            text = f"{text[: _TEXT_KEPT // 2]} … {text[-_TEXT_KEPT // 4 :]}"
        return Message(self.sources.place(at), severity, code, text, hint, line, column)
