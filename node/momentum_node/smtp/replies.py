"""Reading the replies of a server (RFC 5321 §4.2.1): bytes in, `Reply` values out. Pure."""

import re
from functools import lru_cache
from typing import Final

from momentum_node.errors import ProtocolError
from momentum_node.smtp.reply import Reply

MAX_REPLY_BYTES: Final = 65_536
KEPT_BYTES: Final = 128
_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED: Final = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")


class ReplyReader:
    """Puts lines together to replies."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete now. Raises `ProtocolError` when the peer does not speak SMTP."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self._size += len(data)
        replies = [found for line in lines if (found := self._line(line.removesuffix(b"\r"))) is not None]
        if replies:
            self._size = len(self._buffer)
        if self._size > MAX_REPLY_BYTES:
            raise ProtocolError("the reply has no end")
        return replies

    def _line(self, line: bytes) -> Reply | None:
        if not self._lines and line[3:4] != b"-":
            return _kept(line) if len(line) <= KEPT_BYTES else _alone(line)
        code, text = _parted(line)
        self._lines.append(text)
        if line[3:4] == b"-":
            return None
        lines, self._lines = self._lines, []
        return _reply(code, lines)


def _parted(line: bytes) -> tuple[int, str]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ProtocolError("the reply is not one of SMTP")
    return int(found[1]), (found[3] or b"").decode("utf-8", "replace")


def _reply(code: int, lines: list[str]) -> Reply:
    status = _ENHANCED.match(lines[0])
    if status is None:
        return Reply(code, "", tuple(lines))
    prefix = status[1]
    return Reply(code, prefix, tuple(one.removeprefix(prefix).removeprefix(" ") for one in lines))


def _alone(line: bytes) -> Reply:
    code, text = _parted(line)
    return _reply(code, [text])


_kept: Final = lru_cache(1024)(_alone)
"""Servers say the same few lines to every message."""
