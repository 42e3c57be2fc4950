"""A DuraVIP machine that tells somebody of each input before it takes it, and of each list of effects.

What is recorded is exactly what decides: `replay.py` gives the same inputs to the same machine and must get the same
effects. A machine that took anything else into account (a clock, chance) would be found out by that.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.vip import Effect


class Tap(Protocol):
    """Who is told."""

    def started(self, machine: DuraVip) -> None:
        """A machine was made."""
        ...

    def took(self, machine: DuraVip, name: str, arguments: tuple[Any, ...]) -> None:
        """It is about to take an input: the method's name and its arguments, `now` last."""
        ...

    def did(self, effects: list[Effect]) -> None:
        """It handed these out; never empty."""
        ...


class Taps:
    """Several, told in this order."""

    def __init__(self, *taps: Tap) -> None:
        self._taps = taps

    def started(self, machine: DuraVip) -> None:
        """As `Tap.started`."""
        for tap in self._taps:
            tap.started(machine)

    def took(self, machine: DuraVip, name: str, arguments: tuple[Any, ...]) -> None:
        """As `Tap.took`."""
        for tap in self._taps:
            tap.took(machine, name, arguments)

    def did(self, effects: list[Effect]) -> None:
        """As `Tap.did`."""
        for tap in self._taps:
            tap.did(effects)


INPUTS: Final = tuple(sorted(name for name in dir(DuraVip) if name.startswith("on_")))


class RecordedDuraVip(DuraVip):
    """As `DuraVip`, with a tap. Attributes named `_recorded_…` are not part of a snapshot."""

    def __init__(self, tap: Tap, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._recorded_by = tap
        self._recorded_depth = 0
        tap.started(self)

    def effects(self) -> list[Effect]:
        """As `DuraVip.effects`."""
        found = super().effects()
        if found:
            self._recorded_by.did(found)
        return found


def _told(name: str) -> Callable[..., None]:
    def take(self: RecordedDuraVip, *arguments: Any) -> None:
        if not self._recorded_depth:  # an input that another one causes follows from it
            self._recorded_by.took(self, name, arguments)
        self._recorded_depth += 1
        try:
            getattr(super(RecordedDuraVip, self), name)(*arguments)
        finally:
            self._recorded_depth -= 1

    take.__name__ = name
    take.__doc__ = getattr(DuraVip, name).__doc__
    return take


for _name in INPUTS:
    setattr(RecordedDuraVip, _name, _told(_name))
