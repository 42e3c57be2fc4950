"""Who owns which address, as mail workers and administrators are told it: the table of the group, without history."""

from collections.abc import Callable, Mapping
from typing import Protocol

from momentum_node.config.model import Address, Binding
from momentum_node.duravip.vip import Placement
from momentum_node.mmove.owners import told
from momentum_node.worker_link import Members, Owned


class Table(Protocol):
    """What is asked of a DuraVIP machine."""

    @property
    def owners_mark(self) -> object:
        """Another one when `placements` could name another owner, or `members` another member."""
        ...

    @property
    def state(self) -> str:
        """JOINING, GATHER, RUN, DRAINING or ISOLATED."""
        ...

    def placements(self) -> tuple[Placement, ...]:
        """Every address with its owner."""
        ...

    def members(self) -> tuple[tuple[str, int, bool, bool], ...]:
        """The members of the view, the name first."""
        ...


class Ownership:
    """One per core. `tell` is told each view that differs from the one before."""

    def __init__(self, here: str, tell: Callable[[tuple[Owned | Members, ...]], None]) -> None:
        self._here = here
        self._tell = tell
        self._seen: object = None
        self._owner: dict[Address, str] = {}
        self._members: frozenset[str] = frozenset()

    def look(self, table: Table | None) -> None:
        """See what it says now; while states are exchanged the last view counts. None: this node is no member."""
        if table is None:
            self._put({}, frozenset({self._here}), None)
            return
        seen = table, table.owners_mark
        if seen == self._seen or table.state not in {"RUN", "DRAINING"}:
            return
        owner = {one.address: one.owner for one in table.placements() if one.owner is not None}
        self._put(owner, frozenset(name for name, *_ in table.members() if name), seen)

    def _put(self, owner: dict[Address, str], members: frozenset[str], seen: object) -> None:
        self._seen = seen
        self._owner, self._members = owner, members
        owned: dict[str, list[Address]] = {}
        for address, node in owner.items():
            owned.setdefault(node, []).append(address)
        self._tell(told(owned, members))

    def whereabouts(self, binding: str, bindings: Mapping[str, Binding]) -> str | None:
        """Where the mail of a binding goes, if it is not delivered from here; None: it is."""
        known = bindings.get(binding)
        if known is None or not known.duravip or known.address is None:
            return None
        owner = self._owner.get(known.address)
        if owner is None:
            return f"nobody owns {known.address}: its mail waits here"
        if owner == self._here:
            return None
        return f"{owner} owns {known.address}: its mail is moved there" + (
            "" if owner in self._members else " when it is back"
        )
