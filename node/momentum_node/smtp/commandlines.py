"""What a client sent and nobody has worked on: command lines and raw bytes, taken one after the other. Pure."""

from typing import Final

from momentum_node.smtp.reply import BARE_LINE_END, COMMAND_TOO_LONG, Reply

MAX_COMMAND_BYTES: Final = 4096


class CommandLines:
    """A buffer of input. Never longer than one read of the network plus one line."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._too_long = False

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: bytes) -> None:
        """More came."""
        self._data += data

    @property
    def is_open(self) -> bool:
        """A line has begun and its end has not come."""
        return self._too_long or bool(self._data)

    def clear(self) -> None:
        """Forget everything."""
        self._data.clear()

    def take(self, most: int | None = None) -> bytes:
        """The next bytes, at most so many."""
        data = bytes(self._data if most is None else self._data[:most])
        del self._data[: len(data)]
        return data

    def next_line(self, limit: int = MAX_COMMAND_BYTES) -> bytes | Reply | None:
        """A line without its CRLF; what to say about one that is none; None: its end has not come."""
        end = self._data.find(b"\n")
        if end < 0:
            if len(self._data) >= limit:
                self._too_long = True  # its end is still to come: forget it piece by piece
                self._data.clear()
            return None
        line = self.take(end + 1)
        if self._too_long or len(line) > limit:
            self._too_long = False
            return COMMAND_TOO_LONG
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            return BARE_LINE_END
        return line[:-2]
