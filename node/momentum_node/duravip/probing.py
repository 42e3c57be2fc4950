"""When to ask the wire for an address, and what its silence means. Knows no packet and no socket.

Three probes 15 ms apart, silence 10 ms after the third is the verdict (failover §5.4): a kernel that has the address
answers in 0.3 ms. Times count from when a probe really went out, so a busy loop asks later, it does not judge earlier.
"""

from dataclasses import dataclass
from typing import Final

PROBES: Final = 3
SPACING_S: Final = 0.015
SILENCE_S: Final = 0.010


@dataclass(slots=True)
class Probe:
    """One question: `request` names who waits for the verdict, `due` when to ask again or to judge."""

    request: int
    interface: str
    address: bytes
    due: float
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`mac` is who answered, None = the wire is silent."""

    request: int
    mac: bytes | None


class Prober:
    """All questions that are being asked now."""

    def __init__(self) -> None:
        self._probes: dict[int, Probe] = {}

    def ask(self, request: int, interface: str, address: bytes, now: float) -> None:
        """Begin to ask for `address` on `interface`; the first probe is due at once."""
        self._probes[request] = Probe(request, interface, address, now)

    def forget(self) -> None:
        """Nobody waits any more."""
        self._probes.clear()

    def due(self, now: float) -> list[tuple[str, bytes]]:
        """(interface, address) of each probe to send now."""
        sending = [probe for probe in self._probes.values() if probe.sent < PROBES and probe.due <= now]
        for probe in sending:
            probe.sent += 1
            probe.due = now + (SPACING_S if probe.sent < PROBES else SILENCE_S)
        return [(probe.interface, probe.address) for probe in sending]

    def answered(self, interface: str, address: bytes, mac: bytes) -> list[Verdict]:
        """Somebody on `interface` says that it has `address`."""
        hit = [probe.request for probe in self._of(interface, address) if probe.sent]
        return [Verdict(self._probes.pop(request).request, mac) for request in hit]

    def failed(self, interface: str, address: bytes) -> list[int]:
        """The requests whose probe could not be sent: the wire was not asked, so it is not silent."""
        return [self._probes.pop(probe.request).request for probe in self._of(interface, address)]

    def silent(self, now: float) -> list[Verdict]:
        """The questions that nobody answered in time. To be called after everything that arrived was read."""
        over = [probe.request for probe in self._probes.values() if probe.sent == PROBES and probe.due <= now]
        return [Verdict(self._probes.pop(request).request, None) for request in over]

    def next_time(self) -> float | None:
        """When to call `due` and `silent`; None = nothing is asked."""
        return min((probe.due for probe in self._probes.values()), default=None)

    def _of(self, interface: str, address: bytes) -> list[Probe]:
        return [p for p in self._probes.values() if p.address == address and p.interface == interface]
