"""From where mail is handled to whoever writes it down. Nothing is made of an event that nobody listens to. Pure.

if hub.wants(Delivered):                 costs one look into a set
    hub.emit(Delivered(…))
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from momentum_node.logs.events import KINDS, MailEvent

MOST_WAITING: Final = 100_000


class Hub:
    """All events of one process. Listeners are called at once, in the order in which they came; they must not block."""

    def __init__(self) -> None:
        self._listeners: dict[type[MailEvent], tuple[Callable[[MailEvent], None], ...]] = {}

    def wants(self, kind: type[MailEvent]) -> bool:
        """Whether somebody listens to that kind."""
        return kind in self._listeners

    def emit(self, event: MailEvent) -> None:
        """Tell it to whoever listens."""
        for listener in self._listeners.get(type(event), ()):
            listener(event)

    def listen(self, listener: Callable[[MailEvent], None], kinds: Iterable[type[MailEvent]] = KINDS) -> None:
        """Call `listener` with every event of these kinds from now on."""
        for kind in kinds:
            self._listeners[kind] = (*self._listeners.get(kind, ()), listener)

    def unlisten(self, listener: Callable[[MailEvent], None]) -> None:
        """Call it no more."""
        for kind, listeners in list(self._listeners.items()):
            left = tuple(one for one in listeners if one != listener)
            if left:
                self._listeners[kind] = left
            else:
                del self._listeners[kind]


class Sink:
    """A bounded store between a hub and a writer that takes many events at once. `put` is a listener."""

    def __init__(self, most: int = MOST_WAITING, on_first: Callable[[], None] = lambda: None) -> None:
        """`on_first` is called when an event comes into an empty sink: time to arrange a `take`."""
        self._most = most
        self._on_first = on_first
        self._events: deque[MailEvent] = deque()
        self.lost = 0
        """Events for which there was no room, because nobody took those before them."""

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: MailEvent) -> None:
        """Keep it until it is taken; a full sink counts it as lost: mail goes on, whatever becomes of its log."""
        if len(self._events) >= self._most:
            self.lost += 1
            return
        self._events.append(event)
        if len(self._events) == 1:
            self._on_first()

    def take(self, most: int | None = None) -> list[MailEvent]:
        """The oldest events, in order; they are the caller's now."""
        count = len(self._events) if most is None else min(most, len(self._events))
        return [self._events.popleft() for _ in range(count)]
