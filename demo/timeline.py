"""What happened when, in plain words: lines with the time since a moment that matters."""

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(frozen=True, order=True)
class Event:
    """One line of a timeline; `at` is monotonic seconds."""

    at: float
    text: str


@dataclass
class Timeline:
    """Collects events from several watchers, prints them in order of time."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    events: list[Event] = field(default_factory=list)

    def note(self, text: str, at: float | None = None) -> None:
        """Remember that `text` happened (now, or at a time measured elsewhere on this machine)."""
        self.events.append(Event(time.monotonic() if at is None else at, text))

    def say(self, text: str) -> None:
        """Print a line at once."""
        print(text, file=self.out, flush=True)

    def heading(self, text: str) -> None:
        """Start a chapter."""
        self.say(f"\n{text}")

    def show(self, since: float, until: float, lead_s: float = 0.0) -> None:
        """Print what was noted from `lead_s` before `since` until `until`, in milliseconds after `since`."""
        for event in sorted(event for event in self.events if since - lead_s <= event.at <= until):
            self.say(f"  {1000 * (event.at - since):7.0f} ms  {event.text}")
