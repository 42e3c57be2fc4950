"""What connections are counted under. Pure.

A connection of (binding, domain) to a host counts under several counters at once: the node, the binding, the domain,
and every scope of the configuration that it belongs to. A limit names one of them.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Counter(NamedTuple):
    """Connections that agree with every part that is set; all None: every connection.

    `domain` and `host` may be an expression `/…/`: the stanza of that name, all that match it together.
    """

    group: str | None = None
    binding: str | None = None
    domain: str | None = None
    host: str | None = None

    def __str__(self) -> str:
        return "::".join(self._parts()) or "Global"

    def _parts(self) -> Iterator[str]:
        for kind, name in (("Binding_Group", self.group), ("Binding", self.binding)):
            if name is not None:
                yield f"{kind}:{name}"
        for kind, name in (("Domain", self.domain), ("Host", self.host)):
            if name is not None:
                yield f"{kind}:{name}"


class Counts(Protocol):
    """How the counts of the other nodes arrive: the replicator is one; `Alone` stands in for it."""

    def elsewhere(self, counter: Counter) -> int:
        """Open connections of the other members of the view, as last replicated; 0 where nothing is replicated."""
        ...

    def used_elsewhere(self, option: str, counter: Counter) -> int | None:
        """Events of a cluster throttle in the current window on the other nodes; None: not replicated."""
        ...


class Alone:
    """A node without replication: nobody else has any connection."""

    def elsewhere(self, _counter: Counter) -> int:
        """See `Counts`."""
        return 0

    def used_elsewhere(self, _option: str, _counter: Counter) -> int | None:
        """See `Counts`."""
        return None
