"""Repairs of a message on its way in, where the options ask for them: line ends, and lines that are too long. Pure.

    RFC2822_Lone_LF_in_Headers = fix    every lone CR or LF of the header section becomes CRLF
    RFC2822_Lone_LF_in_Body = fix       the same of the body, so the next server sees the lines that we see
    RFC2822_Max_Line_Length_Policy = fix    header fields are folded, lines of the body broken (RFC 5322 §2.1.1)

Bytes in, bytes out; what cannot be judged yet waits: a CR at the end of a packet, the header section, an open line.
"""

import re
from typing import Final

from momentum_node.config.model import InboundOptions
from momentum_node.smtp.lines import END, FIELD, begins_with_field

MOST_HEADER_BYTES: Final = 262_144  # more is refused anyway: it is passed on as it is
_EMPTY_LINE: Final = re.compile(rb"(?:\A|\r\n|\r(?!\n)|(?<!\r)\n)(\r\n|\r(?=[^\n])|\n)")


class Repair:
    """One message."""

    def __init__(self, options: InboundOptions) -> None:
        self._fixes_headers = options.lone_lf_in_headers == "fix"
        self._fixes_body = options.lone_lf_in_body == "fix"
        is_folded = options.max_line_length_policy == "fix" and options.max_line_length
        self._folder = Folder(options.max_line_length) if is_folded else None
        self._headers: bytes | None = b""  # None: the body has begun
        self._held = b""

    def feed(self, part: bytes) -> bytes:
        """The next bytes as they are to be kept."""
        if self._headers is None:
            return self._folded(self._body(part))
        self._headers += part
        found = _split(self._headers)
        if found is None:
            return b""
        (headers, body), self._headers = found, None
        return self._folded((self._ends(headers) if self._fixes_headers else headers) + self._body(body))

    def finish(self) -> bytes:
        """The message is complete: what was held back."""
        rest = self._headers or b""
        if self._fixes_headers:
            rest = self._ends(rest)
        rest += self._ends(self._held)
        self._headers, self._held = None, b""
        return self._folded(rest) + (b"" if self._folder is None else self._folder.finish())

    def _body(self, part: bytes) -> bytes:
        if not self._fixes_body:
            return part
        data = self._held + part
        self._held = b"\r" if data.endswith(b"\r") else b""  # an LF may follow
        return self._ends(data[: len(data) - len(self._held)])

    def _ends(self, data: bytes) -> bytes:
        return END.sub(b"\r\n", data)

    def _folded(self, data: bytes) -> bytes:
        return data if self._folder is None else self._folder.feed(data)


def repair_of(options: InboundOptions) -> Repair | None:
    """What these options ask for; None: every message is kept as it comes."""
    if options.lone_lf_in_headers == "fix" or options.lone_lf_in_body == "fix":
        return Repair(options)
    return Repair(options) if options.max_line_length_policy == "fix" and options.max_line_length else None


def _split(data: bytes) -> tuple[bytes, bytes] | None:
    """Header section with its empty line, and body; None: the end of the section has not come.

    A message whose first line is no field has no header section.
    """
    if (has_headers := begins_with_field(data)) is None:
        return None
    if not has_headers:
        return b"", data
    found = _EMPTY_LINE.search(data)
    if found is not None:
        return data[: found.end()], data[found.end() :]
    return (data, b"") if len(data) > MOST_HEADER_BYTES else None


class Folder:
    """Makes no line longer than `longest` bytes, CRLF not counted. What it adds in headers is only ever CRLF before a
    blank, or CRLF and a blank where there is none (a field without any blank cannot be folded otherwise).
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._open = b""
        self._in_headers: bool | None = None  # None: the first line has not come

    def feed(self, data: bytes) -> bytes:
        """Complete lines, folded, and pieces of an open one that is too long already."""
        *lines, self._open = (self._open + data).split(b"\r\n")
        out = [self._line(line) + b"\r\n" for line in lines]
        while len(self._open) > self._longest + 1:  # the last byte may be the CR of its end
            piece, self._open = self._cut(self._open)
            out.append(piece + b"\r\n")
        return b"".join(out)

    def finish(self) -> bytes:
        """The last line, when it has no end."""
        rest, self._open = self._open, b""
        return self._line(rest) if rest else b""

    def _line(self, line: bytes) -> bytes:
        if self._in_headers is None:
            self._in_headers = FIELD.match(line) is not None
        pieces = []
        while len(line) > self._longest:
            piece, line = self._cut(line)
            pieces.append(piece)
        if not line and not pieces:
            self._in_headers = False
        return b"\r\n".join((*pieces, line))

    def _cut(self, line: bytes) -> tuple[bytes, bytes]:
        """The first piece of a line that is too long, and the rest."""
        if self._in_headers is None:
            self._in_headers = FIELD.match(line) is not None
        at = max(
            line.rfind(b" ", self._longest // 2, self._longest), line.rfind(b"\t", self._longest // 2, self._longest)
        )
        if at > 0 and line[:at].strip():  # a line of blanks would end the headers for some readers
            return (line[:at], line[at:]) if self._in_headers else (line[: at + 1], line[at + 1 :])
        at = self._longest
        while at > self._longest - 4 and line[at] & 0xC0 == 0x80:  # within a character of UTF-8
            at -= 1
        return line[:at], (b" " if self._in_headers else b"") + line[at:]
