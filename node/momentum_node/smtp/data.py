"""The body of a message as it comes in: where DATA ends, dots, line ends, headers. Pure; chunks in, chunks out.

Only CRLF "." CRLF ends DATA (RFC 5321 §4.1.1.4). Anything more generous lets a sender smuggle a second message past a
server that reads line ends differently. A lone CR or LF is refused in headers; in bodies it is passed on untouched
(`RFC2822_Lone_LF_in_Body = ignore`), except before a line of one dot: the next server might take that for the end.
What the options have repaired comes here repaired.
"""

import re
from typing import Final

from momentum_node.config.model import InboundOptions
from momentum_node.smtp import reply as say
from momentum_node.smtp.lines import LineEnds, LineLengths, begins_with_field
from momentum_node.smtp.reply import Reply

MAX_HEADER_BYTES: Final = 262_144
_LONE_BEFORE_DOT: Final = re.compile(rb"(?:(?<!\r)\n|\r)\.[\r\n]")
# An LF in front is found much faster than the beginning of a line.
_NOTED: Final = re.compile(rb"\n(received|date|message-id)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_LOOK_BACK: Final = 4  # bytes that may belong to a dot line of the next chunk


class DotDecoder:
    """Takes the dots out and finds the end. Fed with whatever the network brings, one byte or a megabyte."""

    def __init__(self) -> None:
        self._held = b"\r\n"  # the line end of the DATA command: a first line "." ends an empty body
        self._drop = 2  # of what is given out next, so much was never part of the body

    def feed(self, data: bytes) -> tuple[list[bytes], bytes | None]:
        """Body bytes, and what follows the end (None: it has not come yet)."""
        data = self._held + data
        parts: list[bytes] = []
        start, at = self._drop, data.find(b"\r\n.")
        while at >= 0:
            if len(data) < at + 5:
                return self._hold(data, parts, start, at)
            if data[at + 3 : at + 5] == b"\r\n":
                if at + 2 > start:
                    parts.append(data[start : at + 2])
                return parts, data[at + 5 :]
            if at + 2 > start:
                parts.append(data[start : at + 2])
            start = at + 3
            at = data.find(b"\r\n.", start)
        tail = 2 if data.endswith(b"\r\n") else 1 if data.endswith(b"\r") else 0
        return self._hold(data, parts, start, len(data) - tail)

    def _hold(self, data: bytes, parts: list[bytes], start: int, end: int) -> tuple[list[bytes], None]:
        """Give out up to `end`; keep the rest, which may be the beginning of the end."""
        if end > start:
            parts.append(data[start:end])
        self._held = data[end:]
        self._drop = max(start - end, 0)
        return parts, None


class ContentCheck:
    """Looks at every byte once: line ends, headers, hops, long lines. `problem` is the first thing found."""

    def __init__(self, options: InboundOptions) -> None:
        self.problem: Reply | None = None
        self.size = 0
        self.eight_bit_headers = False
        self.message_id = ""
        self.has_headers = False
        self.has_date = False
        self.has_message_id = False
        self.begins_with_empty_line = False
        self._most_hops = options.max_received_headers
        self._adds_date = options.date_header == "ifneeded"
        self._adds_message_id = options.message_id_header == "ifneeded"
        self._needs_headers = options.missing_headers == "reject"
        self._line_ends = LineEnds() if options.lone_lf_in_body == "pedantic" else None
        is_limited = options.max_line_length_policy == "reject" and options.max_line_length > 0
        self._lines = LineLengths(options.max_line_length) if is_limited else None
        self._headers: bytes | None = b""
        self._tail = b"\r\n"

    @property
    def wants_date(self) -> bool:
        """There is no Date header, and there shall be one."""
        return self._adds_date and not self.has_date

    @property
    def wants_message_id(self) -> bool:
        """There is no Message-ID header, and there shall be one."""
        return self._adds_message_id and not self.has_message_id

    def feed(self, part: bytes) -> None:
        """See the next bytes of the content."""
        self.size += len(part)
        if self.problem is not None:
            return
        if self._headers is not None:
            self._feed_headers(part)
        ends = part.count(b"\r\n")
        is_clean = ends == part.count(b"\n") == part.count(b"\r")
        # From the second byte on: what stands before a line end tells whether it is a lone one.
        if _LONE_BEFORE_DOT.search(self._tail + (part[:_LOOK_BACK] if is_clean else part), 1):
            self.problem = self.problem or say.BARE_BEFORE_DOT
        if self._line_ends is not None and not self._line_ends.are_whole(part) and self._headers is None:
            self.problem = self.problem or say.BARE_IN_BODY
        if self._lines is not None and self._lines.are_too_long(part):
            self.problem = self.problem or say.LINE_TOO_LONG
        self._tail = (self._tail + part)[-_LOOK_BACK:] if len(part) < _LOOK_BACK else part[-_LOOK_BACK:]

    def finish(self) -> Reply | None:
        """The content is complete; what is wrong with it, or None."""
        if self._headers is not None and self.problem is None:
            self._judge(self._headers, len(self._headers))
        if self._line_ends is not None and self._line_ends.is_cut:
            self.problem = self.problem or say.BARE_IN_BODY
        return self.problem

    def _feed_headers(self, part: bytes) -> None:
        headers = (self._headers or b"") + part
        end = headers.find(b"\r\n\r\n")
        if end < 0 and begins_with_field(headers) is not False:
            self._headers = headers
            if len(headers) > MAX_HEADER_BYTES:
                self.problem = say.HEADERS_TOO_LONG
            return
        self._headers = None
        self._judge(headers, end + 2)

    def _judge(self, content: bytes, end: int) -> None:
        """The header section is complete: `content` up to `end`, unless it does not begin with a field at all."""
        self.has_headers = bool(begins_with_field(content))
        self.begins_with_empty_line = content.startswith(b"\r\n")
        if self.has_headers:
            self._judge_headers(content[:end])
        elif self._needs_headers:
            self.problem = say.HEADERS_MISSING

    def _judge_headers(self, headers: bytes) -> None:
        ends = headers.count(b"\r\n")
        if ends != headers.count(b"\n") or ends != headers.count(b"\r"):
            self.problem = say.BARE_IN_HEADERS
            return
        self.eight_bit_headers = not headers.isascii()
        hops = 0
        for name, value in _NOTED.findall(b"\n" + headers):
            match name.lower():
                case b"received":
                    hops += 1
                case b"date":
                    self.has_date = True
                case _ if not self.has_message_id:
                    self.has_message_id = True
                    self.message_id = value.decode("utf-8", "replace").strip()
        if 0 < self._most_hops < hops:
            self.problem = say.MAIL_LOOP
