"""The bounded queue in front of an engine, and a window on what the engine holds of ours.

Engines deliver our own messages to us, in order. That counts what is under way: at most `window` messages are handed
over and not yet back, so a frozen daemon never has enough of ours for libqb to start spinning on its full socket.
"""

from collections import deque

from momentum_node.bus.contract import MAX_MESSAGE_BYTES, BusFull
from momentum_node.errors import BusError

MAX_MESSAGES = 1024
MAX_BYTES = 8 << 20
WINDOW = 64


class SendQueue:
    """Messages not yet delivered to ourselves: waiting ones and those under way."""

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES, window: int = WINDOW) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._window = window
        self._waiting: deque[bytes] = deque()
        self._under_way: deque[int] = deque()  # sizes
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    def put(self, data: bytes) -> None:
        """Take `data` in. Raises `BusFull` at the bound, `BusError` when it is larger than a message may be."""
        if len(data) > MAX_MESSAGE_BYTES:
            raise BusError(f"a message of {len(data)} bytes is above {MAX_MESSAGE_BYTES}: split it")
        if len(self) >= self._max_messages or self._bytes + len(data) > self._max_bytes:
            raise BusFull(f"{len(self)} messages ({self._bytes} bytes) wait for the bus: try again later")
        self._waiting.append(data)
        self._bytes += len(data)

    def head(self, *, leaving: bool = False) -> bytes | None:
        """What to hand to the engine next; None when nothing waits or the window is full (leaving: it never is)."""
        has_room = leaving or len(self._under_way) < self._window
        return self._waiting[0] if self._waiting and has_room else None

    def handed_over(self) -> None:
        """The engine took `head()`."""
        self._under_way.append(len(self._waiting.popleft()))

    def came_back(self) -> None:
        """One of our messages was delivered to us."""
        if self._under_way:
            self._bytes -= self._under_way.popleft()
