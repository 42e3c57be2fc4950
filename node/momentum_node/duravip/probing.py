"""When to ask the wire for an address, and what its silence means. Knows no packet and no socket.

Three probes 15 ms apart, silence 10 ms after the third is the verdict (failover §5.4): a kernel that has the address
answers in 0.3 ms. Times count from when a probe really went out, so a busy loop asks later, it does not judge earlier.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

PROBES: Final = 3
SPACING_S: Final = 0.015
SILENCE_S: Final = 0.010

Place: TypeAlias = tuple[str, bytes]
"""Interface, address."""


@dataclass(slots=True)
class Probe:
    """One question: `request` names who waits for the verdict, `due` when to ask again or to judge."""

    request: int
    place: Place
    due: float
    sent: int = 0
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`mac` is who answered, None = the wire is silent."""

    request: int
    mac: bytes | None


class Prober:
    """All questions that are being asked now. Thousands may be: nothing here looks at each of them."""

    def __init__(self) -> None:
        self._asked: dict[Place, list[Probe]] = {}
        # Each queue has one pause, so it is in the order of `due`: the first probe, the next ones, the verdict.
        self._first: deque[Probe] = deque()
        self._next: deque[Probe] = deque()
        self._judged: deque[Probe] = deque()

    def ask(self, request: int, interface: str, address: bytes, now: float) -> None:
        """Begin to ask for `address` on `interface`; the first probe is due at once."""
        probe = Probe(request, (interface, address), now)
        self._asked.setdefault(probe.place, []).append(probe)
        self._first.append(probe)

    def forget(self) -> None:
        """Nobody waits any more."""
        self._asked.clear()
        for queue in (self._first, self._next, self._judged):
            queue.clear()

    def due(self, now: float) -> list[Place]:
        """(interface, address) of each probe to send now."""
        sending = [*_due(self._first, now), *_due(self._next, now)]
        for probe in sending:
            probe.sent += 1
            is_last = probe.sent == PROBES
            probe.due = now + (SILENCE_S if is_last else SPACING_S)
            (self._judged if is_last else self._next).append(probe)
        return [probe.place for probe in sending]

    def answered(self, interface: str, address: bytes, mac: bytes) -> list[Verdict]:
        """Somebody on `interface` says that it has `address`."""
        asked = self._asked.get((interface, address), ())
        return [self._end(probe, mac) for probe in list(asked) if probe.sent]

    def failed(self, interface: str, address: bytes) -> list[int]:
        """The requests whose probe could not be sent: the wire was not asked, so it is not silent."""
        return [self._end(probe, None).request for probe in list(self._asked.get((interface, address), ()))]

    def silent(self, now: float) -> list[Verdict]:
        """The questions that nobody answered in time. To be called after everything that arrived was read."""
        return [self._end(probe, None) for probe in _due(self._judged, now)]

    def next_time(self) -> float | None:
        """When to call `due` and `silent`; None = nothing is asked."""
        heads = (_head(queue) for queue in (self._first, self._next, self._judged))
        return min((probe.due for probe in heads if probe is not None), default=None)

    def _end(self, probe: Probe, mac: bytes | None) -> Verdict:
        probe.is_over = True
        asked = self._asked[probe.place]
        asked.remove(probe)
        if not asked:
            del self._asked[probe.place]
        return Verdict(probe.request, mac)


def _head(queue: deque[Probe]) -> Probe | None:
    while queue and queue[0].is_over:
        queue.popleft()
    return queue[0] if queue else None


def _due(queue: deque[Probe], now: float) -> Iterator[Probe]:
    while (probe := _head(queue)) is not None and probe.due <= now:
        yield queue.popleft()
