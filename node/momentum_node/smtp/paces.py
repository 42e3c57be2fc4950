"""How long next hops take: decayed averages for each address. Pure."""

from dataclasses import dataclass
from typing import Final

WEIGHT: Final = 1 / 8  # of the newest, as TCP weighs round trips (RFC 6298 §2)
MOST: Final = 10_000  # addresses that are remembered


@dataclass(slots=True)
class Pace:
    """Of one address, in seconds; None: not known yet."""

    connect_s: float | None = None
    delivery_s: float | None = None  # of one transaction

    def connected(self, took_s: float) -> None:
        """A connection was made."""
        self.connect_s = _mixed(self.connect_s, took_s)

    def delivered(self, took_s: float) -> None:
        """A transaction is over, and somebody gets the message."""
        self.delivery_s = _mixed(self.delivery_s, took_s)


def _mixed(before: float | None, newest: float) -> float:
    return newest if before is None else before + (newest - before) * WEIGHT


class Paces:
    """By address."""

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}

    def of(self, address: str) -> Pace:
        """The one of this address, made when there is none; who was first is forgotten when there are too many."""
        found = self._paces.get(address)
        if found is None:
            if len(self._paces) >= MOST:
                del self._paces[next(iter(self._paces))]
            found = self._paces[address] = Pace()
        return found
