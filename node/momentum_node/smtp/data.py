"""The body of a message as it comes in: where DATA ends, dots, line ends, headers. Pure; chunks in, chunks out.

Only CRLF "." CRLF ends DATA (RFC 5321 §4.1.1.4). Anything more generous lets a sender smuggle a second message past a
server that reads line ends differently. A lone CR or LF is refused in headers; in bodies it is passed on untouched
(`RFC2822_Lone_LF_in_Body = ignore`), except before a line of one dot: the next server might take that for the end.
"""

import re
from typing import Final

from momentum_node.smtp.reply import BARE_BEFORE_DOT, BARE_IN_HEADERS, HEADERS_TOO_LONG, MAIL_LOOP, Reply

MAX_HEADER_BYTES: Final = 262_144
MAX_RECEIVED: Final = 100  # Max_Received_Headers
_LONE_BEFORE_DOT: Final = re.compile(rb"(?:(?<!\r)\n|\r)\.[\r\n]")
_RECEIVED: Final = re.compile(rb"^received:", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID: Final = re.compile(rb"^message-id:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
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
    """Looks at every byte once: line ends, length of headers, hops. `problem` is the first thing found."""

    def __init__(self) -> None:
        self.problem: Reply | None = None
        self.size = 0
        self.eight_bit_headers = False
        self.message_id = ""
        self._headers: bytes | None = b""
        self._tail = b"\r\n"

    def feed(self, part: bytes) -> None:
        """See the next bytes of the content."""
        self.size += len(part)
        if self.problem is not None:
            return
        if self._headers is not None:
            self._feed_headers(part)
        ends = part.count(b"\r\n")
        is_clean = ends == part.count(b"\n") == part.count(b"\r")
        if _LONE_BEFORE_DOT.search(self._tail + (part[:_LOOK_BACK] if is_clean else part)):
            self.problem = self.problem or BARE_BEFORE_DOT
        self._tail = (self._tail + part)[-_LOOK_BACK:] if len(part) < _LOOK_BACK else part[-_LOOK_BACK:]

    def finish(self) -> Reply | None:
        """The content is complete; what is wrong with it, or None."""
        if self._headers is not None and self.problem is None:
            self._judge_headers(self._headers)
        return self.problem

    def _feed_headers(self, part: bytes) -> None:
        headers = (self._headers or b"") + part
        end = 0 if headers.startswith(b"\r\n") else headers.find(b"\r\n\r\n")
        if end < 0:
            self._headers = headers
            if len(headers) > MAX_HEADER_BYTES:
                self.problem = HEADERS_TOO_LONG
            return
        self._headers = None
        self._judge_headers(headers[: end + 2])

    def _judge_headers(self, headers: bytes) -> None:
        ends = headers.count(b"\r\n")
        if ends != headers.count(b"\n") or ends != headers.count(b"\r"):
            self.problem = BARE_IN_HEADERS
            return
        if len(_RECEIVED.findall(headers)) > MAX_RECEIVED:
            self.problem = MAIL_LOOP
        self.eight_bit_headers = not headers.isascii()
        found = _MESSAGE_ID.search(headers)
        if found is not None:
            self.message_id = found[1].decode("utf-8", "replace").strip()
