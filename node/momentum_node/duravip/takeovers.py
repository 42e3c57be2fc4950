"""How each takeover went, phase by phase, as the node saw it that took the addresses (failover §4.6). Pure.

    last word of a lost node ──silent──▶ its loss is told ──agreed──▶ granted ──served──▶ plumbed, announced, accepting
                               its RELEASED came back ──────────────▶ granted ──served──▶   (an orderly move)

A tap of the machine (`recorded.py`): it changes nothing, and needs nothing that the machine is not told anyway. What a
client saw besides (its own connection, the switch) only a client can tell: `momentum-node drill`.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.config.model import Address
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.vip import Effect, Plumb

Cause: TypeAlias = Literal["loss", "handover", "other"]
Phase: TypeAlias = Literal["silent", "agreed", "served", "total"]

BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECENT: Final = 20
TOGETHER_S: Final = 1.0
"""Addresses handed over less than this apart are one takeover."""
REMEMBERED_S: Final = 60.0
"""What is granted later than this after a view did not follow from it."""


@dataclass(slots=True)
class Takeover:
    """Addresses that came here for one cause. Moments are monotonic; durations count from `at`."""

    what: str
    cause: Cause
    at: float  # its loss was told, or the first was granted
    silent_s: float = 0.0  # before `at`, since the last word of whoever is lost
    agreed_s: float = 0.0  # until the first was granted: states exchanged, table made
    granted: int = 0
    served: int = 0
    first_s: float = 0.0  # until the first was served
    last_s: float = 0.0  # until the last of those that are
    last_grant: float = field(default=0.0, repr=False)


@dataclass(slots=True)
class Histogram:
    """Seconds, one count for each bound and one for what is above all of them."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


class Takeovers:
    """Of one core, over all its machines."""

    def __init__(self) -> None:
        self.recent: deque[Takeover] = deque(maxlen=RECENT)
        self.histograms: dict[tuple[Cause, Phase], Histogram] = {}
        self._now = 0.0
        self._heard: dict[Member, float] = {}
        self._view: Takeover | None = None  # what the last view brings about
        self._handover: Takeover | None = None
        self._granted: dict[Address, tuple[Takeover, float]] = {}
        self._serving: set[Address] = set()

    # -- the tap ---------------------------------------------------------------------------------

    def started(self, machine: DuraVip) -> None:
        """Everything was given up before a machine is made."""
        del machine
        self._heard.clear()
        self._granted.clear()
        self._serving.clear()
        self._view = self._handover = None

    def took(self, machine: DuraVip, name: str, arguments: tuple[Any, ...]) -> None:
        """An input comes."""
        self._now = arguments[-1]
        match name:
            case "on_message":
                self._heard[arguments[0]] = self._now
            case "on_view":
                self._view_changed(machine, arguments[0])
            case "on_plumbed":
                self._served(arguments[0])
            case "on_unplumbed":
                self._gone(arguments[0])
            case "on_plumb_failed":
                self._gone((arguments[0],))

    def did(self, effects: list[Effect]) -> None:
        """Effects were handed out: a `Plumb` follows each grant."""
        for effect in effects:
            if isinstance(effect, Plumb) and effect.vip not in self._granted and effect.vip not in self._serving:
                self._grant(effect.vip, planned=effect.planned)

    # -- what follows ----------------------------------------------------------------------------

    def _view_changed(self, machine: DuraVip, event: ViewChanged) -> None:
        names = {node_id: name for name, node_id, _, _ in machine.members()}
        left = sorted(names.get(member.node_id) or str(member.node_id) for member in event.left)
        if left:
            silent_s = max(self._now - self._heard.pop(member, self._now) for member in event.left)
            self._view = Takeover(f"{' and '.join(left)} left", "loss", self._now, silent_s)
        elif event.joined:
            self._view = Takeover("a node joined", "other", self._now)
        else:
            self._view = Takeover("the ring changed", "other", self._now)

    def _grant(self, vip: Address, *, planned: bool) -> None:
        takeover = self._handed_over() if planned else self._taken()
        takeover.granted += 1
        takeover.last_grant = self._now
        self._granted[vip] = takeover, self._now

    def _handed_over(self) -> Takeover:
        if self._handover is None or self._now - self._handover.last_grant > TOGETHER_S:
            self._handover = self._new(Takeover("handed over", "handover", self._now))
        return self._handover

    def _taken(self) -> Takeover:
        view = self._view
        if view is None or self._now - view.at > REMEMBERED_S:
            view = self._view = Takeover("nobody had it", "other", self._now)
        if not view.granted:
            view.agreed_s = self._now - view.at
            self._new(view)
        return view

    def _new(self, takeover: Takeover) -> Takeover:
        self.recent.append(takeover)
        return takeover

    def _served(self, vips: Iterable[Address]) -> None:
        for vip in vips:
            self._serving.add(vip)
            if (granted := self._granted.pop(vip, None)) is None:
                continue
            takeover, at = granted
            takeover.last_s = self._now - takeover.at
            takeover.first_s = takeover.first_s if takeover.served else takeover.last_s
            takeover.served += 1
            self._measure(takeover, at)

    def _measure(self, takeover: Takeover, granted: float) -> None:
        """A handover counts from the grant of each address: until then its owner served it."""
        served_s = self._now - granted
        phases: dict[Phase, float] = {"served": served_s}
        if takeover.cause == "handover":
            phases["total"] = served_s
        else:
            phases["agreed"] = granted - takeover.at
            phases["total"] = takeover.silent_s + self._now - takeover.at
        if takeover.cause == "loss":
            phases["silent"] = takeover.silent_s
        for phase, seconds in phases.items():
            self.histograms.setdefault((takeover.cause, phase), Histogram()).add(seconds)

    def _gone(self, vips: Iterable[Address]) -> None:
        for vip in vips:
            self._granted.pop(vip, None)
            self._serving.discard(vip)
