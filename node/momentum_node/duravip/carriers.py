"""Which interfaces can carry addresses now, and which must prove first that they stay up (cluster §2.12). Pure.

A link that goes takes its addresses away at once: others serve them long before it is back. One that comes back counts
after `if_down_limit` seconds without another loss, so that a contact that wobbles does not draw addresses to it each
time. A link that was never seen to go counts at once: a node that starts has nothing to prove.
"""

from collections.abc import Mapping


class Carriers:
    """The interfaces of one node. `steady_s` may be changed at any time; it counts for what comes up from then on."""

    def __init__(self, steady_s: float) -> None:
        self.steady_s = steady_s
        self._down: set[str] = set()
        self._proves_until: dict[str, float] = {}

    def lost(self, interface: str) -> None:
        """It has no link, or is gone."""
        self._down.add(interface)
        self._proves_until.pop(interface, None)

    def came(self, interface: str, now: float) -> None:
        """It has one."""
        if interface in self._down:
            self._down.discard(interface)
            self._proves_until[interface] = now + self.steady_s

    def useless(self, now: float) -> Mapping[str, str]:
        """Interfaces that carry nothing now, and why."""
        self._proves_until = {name: until for name, until in self._proves_until.items() if now < until}
        down = dict.fromkeys(self._down, "link down")
        return dict(
            sorted({**down, **dict.fromkeys(self._proves_until, "link up, for how long is to be seen")}.items())
        )
