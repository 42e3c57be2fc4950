"""What a client sent and nobody has worked on: command lines and raw bytes, taken one after the other. Pure."""

from typing import Final

from momentum_node.smtp.reply import BARE_LINE_END, COMMAND_TOO_LONG, Reply

MAX_COMMAND_BYTES: Final = 4096


class CommandLines:
    """A buffer of input. Never longer than one read of the network plus one line."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0  # so much of it is taken
        self._too_long = False

    def __len__(self) -> int:
        return len(self._data) - self._at

    def add(self, data: bytes) -> None:
        """More came."""
        rest = self._data[self._at :]
        self._data, self._at = rest + data if rest else data, 0

    @property
    def is_open(self) -> bool:
        """A line has begun and its end has not come."""
        return self._too_long or len(self._data) > self._at

    def clear(self) -> None:
        """Forget everything."""
        self._data, self._at = b"", 0

    def take(self, most: int | None = None) -> bytes:
        """The next bytes, at most so many."""
        end = len(self._data) if most is None else self._at + most
        data = self._data[self._at : end]
        self._move_to(self._at + len(data))
        return data

    def _move_to(self, at: int) -> None:
        """What is before it is taken, and of no use any more when nothing follows: a quiet client costs nothing."""
        if at == len(self._data):
            self._data, self._at = b"", 0
        else:
            self._at = at

    def next_line(self, limit: int = MAX_COMMAND_BYTES) -> bytes | Reply | None:
        """A line without its CRLF; what to say about one that is none; None: its end has not come."""
        data, begin = self._data, self._at
        end = data.find(b"\n", begin)
        if end < 0:
            if len(data) - begin >= limit:
                self._too_long = True  # its end is still to come: forget it piece by piece
                self.clear()
            return None
        self._move_to(end + 1)
        if self._too_long or end + 1 - begin > limit:
            self._too_long = False
            return COMMAND_TOO_LONG
        line = data[begin:end]
        if not line.endswith(b"\r") or line.count(b"\r") > 1 or b"\0" in line:
            return BARE_LINE_END
        return line[:-1]
