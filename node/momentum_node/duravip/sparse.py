"""Which inputs of a machine a recording needs: all of them, but of the beacons of others about one a second. Pure.

A beacon of another member changes one thing in the machine: when that member was last heard. That is compared with a
silence of `LEAST_SILENCE_S` at the least, so a recording may be `SPARSE_S` behind, as long as nobody is silent for
longer: the last beacon before a silence is written as soon as it is so old, and whenever something could forget it or
set it back (a view, another message of the same member). So the machine that is fed from the recording decides each
step as the first one did. The beacons of the machine's own member are all kept: its next one waits for them.
"""

from typing import Any, Final

from momentum_node.bus.contract import Member
from momentum_node.duravip.catalogue import MessageError
from momentum_node.duravip.encoding import decode, encode
from momentum_node.duravip.flight import Input
from momentum_node.duravip.liveness import LEAST_SILENCE_S
from momentum_node.duravip.messages import Beacon, Envelope

SPARSE_S: Final = LEAST_SILENCE_S / 5
_HEAD: Final = encode(Beacon(), 0, 0)[:9]  # array of 6, version, "BEACON"


class Sparse:
    """Of one machine at a time: `local` is its member."""

    def __init__(self) -> None:
        self._local: Member | None = None
        self._written: dict[Member, float] = {}  # its newest beacon that the recording holds
        self._kept_back: dict[Member, Input] = {}  # its newest one, when the recording does not hold it

    def begin(self, local: Member) -> None:
        """A new machine; its snapshot is in the recording."""
        self._local = local
        self._written.clear()
        self._kept_back.clear()

    def saved(self) -> None:
        """A snapshot of the machine is in the recording: it knows of all that was kept back."""
        self._written |= {member: entry.at for member, entry in self._kept_back.items()}
        self._kept_back.clear()

    def inputs(self, name: str, arguments: tuple[Any, ...]) -> list[Input]:
        """What to record now that the machine takes this input: older ones that are due, then itself, or nothing."""
        now = arguments[-1]
        sender: Member | None = arguments[0] if name == "on_message" else None
        if sender is not None and sender != self._local and _is_beacon(arguments[1]):
            if now - self._written.get(sender, now - SPARSE_S) < SPARSE_S:
                self._kept_back[sender] = Input(now, name, arguments)
                return []
            self._written[sender] = now
            self._kept_back.pop(sender, None)
        return [*self._due(name, sender, now), Input(now, name, arguments)]

    def _due(self, name: str, sender: Member | None, now: float) -> list[Input]:
        if not self._kept_back:
            return []
        due = [
            member
            for member, entry in self._kept_back.items()
            if name == "on_view" or member == sender or now - entry.at >= SPARSE_S
        ]
        for member in due:
            self._written[member] = self._kept_back[member].at
        return [self._kept_back.pop(member) for member in due]


def _is_beacon(data: bytes) -> bool:
    """Only what is understood counts as heard."""
    if not data.startswith(_HEAD):
        return False
    try:
        found = decode(data)
    except MessageError:
        return False
    return isinstance(found, Envelope) and isinstance(found.message, Beacon)
