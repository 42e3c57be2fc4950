"""What this process sends: numbers, bytes, and how much of it has come back.

Only what was delivered to ourselves is known to be delivered to the others of the view, and in which place (S3).
"""

from momentum_node.duravip.encoding import encode
from momentum_node.duravip.fragments import split
from momentum_node.duravip.messages import Beacon, Heartbeat, Message
from momentum_node.duravip.vip import Multicast


class Outbox:
    """Messages of one run of the process, numbered from 1."""

    def __init__(self, incarnation: int) -> None:
        self._incarnation = incarnation
        self._queued: list[Multicast] = []
        self.sent = 0
        self.delivered = 0
        self._last_word = 0

    def send(self, message: Message) -> int:
        """Queue it. Returns its number."""
        self.sent += 1
        if not isinstance(message, Beacon | Heartbeat):
            self._last_word = self.sent
        data = encode(message, self._incarnation, self.sent)
        self._queued += [Multicast(piece) for piece in split(data, self._incarnation, self.sent)]
        return self.sent

    def came_back(self, sequence: int) -> None:
        """Our message of that number was delivered; older ones were, or never will be (an incomplete one)."""
        self.delivered = max(self.delivered, sequence)

    @property
    def under_way(self) -> int:
        """How many messages have not come back."""
        return self.sent - self.delivered

    @property
    def is_quiet(self) -> bool:
        """Everything sent has come back, but for signs of life."""
        return self.delivered >= self._last_word

    def take(self) -> list[Multicast]:
        """What to hand to the bus, once."""
        queued, self._queued = self._queued, []
        return queued
