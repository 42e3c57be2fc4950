"""How many connections are open to each remote address: of all mail workers of a node together, and by binding. Pure.

A connection counts from the attempt to open it to its close: under one address at a time, the one it is on its way to.
"""

from dataclasses import dataclass

from momentum_node.config.model import Address
from momentum_node.limits.sessions import Id
from momentum_node.replication.cidrtree import CidrTree


@dataclass(frozen=True, slots=True)
class Heads:
    """worker → core: the connection of that grant goes to this address from now on, and to no other any more."""

    number: int
    binding: str
    address: str


class Remotes:
    """All outbound connections of one node by the address at their other end."""

    def __init__(self) -> None:
        self.everywhere = CidrTree()
        self._of_binding: dict[str, CidrTree] = {}
        self._open: dict[Id, tuple[str, Address]] = {}

    def bindings(self) -> list[str]:
        """Those that have any connection, sorted."""
        return sorted(self._of_binding)

    def of(self, binding: str) -> CidrTree:
        """Those of one binding."""
        return self._of_binding.get(binding, CidrTree())

    def heads(self, id_: Id, binding: str, address: Address) -> None:
        """The connection goes there."""
        self.left(id_)
        self._open[id_] = binding, address
        self._count(binding, address, 1)

    def left(self, id_: Id) -> None:
        """It is closed; one that never went anywhere did not count."""
        known = self._open.pop(id_, None)
        if known is not None:
            self._count(*known, -1)

    def gone(self, worker: int) -> None:
        """The worker ended, and its connections with it."""
        for id_ in [id_ for id_ in self._open if id_.worker == worker]:
            self.left(id_)

    def _count(self, binding: str, address: Address, change: int) -> None:
        self.everywhere.add(address, change)
        tree = self._of_binding.setdefault(binding, CidrTree())
        tree.add(address, change)
        if not tree:
            del self._of_binding[binding]
