"""The Return-Path that a message brings is taken out where we add our own: there is one, and it is the envelope's
(RFC 5321 §4.4; Momentum 3, RFC2822_Trace_Headers). Pure; bytes in, bytes out, the header section waits for its end.
"""

import re
from typing import Final

from momentum_node.smtp.lines import MOST_UNDECIDED, begins_with_field

_NAME: Final = b"eturn-path"
_FIELD: Final = re.compile(rb"^return-path[ \t]*:(?:[^\r\n]|\r\n[ \t])*\r\n", re.IGNORECASE | re.MULTILINE)


class OldReturnPath:
    """Of one message. A header section of more than `MOST_UNDECIDED` bytes is left as it is."""

    def __init__(self) -> None:
        self._held: bytes | None = b""  # None: the header section is over

    def feed(self, part: bytes) -> bytes:
        """The next bytes as they are to be kept."""
        if self._held is None:
            return part
        data = self._held + part
        end = data.find(b"\r\n\r\n")
        if end < 0 and len(data) <= MOST_UNDECIDED and begins_with_field(data) is not False:
            self._held = data
            return b""
        self._held = None
        return data if end < 0 else _without(data, end + 2)

    def finish(self) -> bytes:
        """The message is complete: what was held back."""
        held, self._held = self._held, None
        return _without(held, len(held)) if held else b""


def _without(data: bytes, end: int) -> bytes:
    """`data`, whose header section is that long unless it has none, without the field."""
    headers = data[:end]
    if _NAME not in headers.lower() or not begins_with_field(data):
        return data
    return _FIELD.sub(b"", headers) + data[end:]
