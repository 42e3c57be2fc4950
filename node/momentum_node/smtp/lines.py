"""Lines of a message, looked at while they come in pieces: their ends, their lengths, what the first one is. Pure."""

import re
from typing import Final

FIELD: Final = re.compile(rb"[!-9;-~]+[ \t]*:")
"""How a header field begins (RFC 5322 §2.2, with the blank before the colon of §4.5)."""
END: Final = re.compile(rb"\r\n|\r|\n")
MOST_UNDECIDED: Final = 65_536  # of a first line without end


def begins_with_field(content: bytes) -> bool | None:
    """Whether the first line is a header field; None: that cannot be said yet."""
    if FIELD.match(content):
        return True
    is_open = len(content) <= MOST_UNDECIDED and not END.search(content)
    return None if is_open else False


class LineEnds:
    """Whether every CR stands before an LF and every LF behind a CR."""

    def __init__(self) -> None:
        self.is_cut = False
        """The last byte was a CR: an LF has to follow."""

    def are_whole(self, part: bytes) -> bool:
        """Of the next bytes, as far as they can be judged."""
        data = b"\r" + part if self.is_cut else part
        self.is_cut = data.endswith(b"\r")
        ends = data.count(b"\r\n")
        return ends == data.count(b"\n") == data.count(b"\r") - self.is_cut


class LineLengths:
    """Whether a line is longer than `longest` bytes, CRLF not counted."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._open = b""

    def are_too_long(self, part: bytes) -> bool:
        """Of the next bytes. An open line is only kept while it may still be short enough."""
        *lines, self._open = (self._open + part).split(b"\r\n")
        most = self._longest + self._open.endswith(b"\r")
        return len(self._open) > most or any(len(line) > self._longest for line in lines)
