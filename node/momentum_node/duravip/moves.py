"""Manual moves: what may be asked for, and asking again when a gather swallowed it (cluster §2.5, §4.2).

MOVE works on delivery in RUN, on every member alike. One that is delivered during a gather has no effect; its sender
sees that and says it again afterwards, three times at most.
"""

from dataclasses import dataclass

from momentum_node.duravip.addresses import Bits
from momentum_node.duravip.messages import Move
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import short_name
from momentum_node.errors import MomentumError

MOST_TRIES = 4


class MoveRefused(MomentumError):
    """An administrator's move that cannot be, with the reason."""


@dataclass(slots=True)
class _Order:
    move: Move
    sequence: int = 0  # 0: not on its way
    tries: int = 0


class Moves:
    """The moves that this node was asked for and that have not worked yet."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []

    def ask(self, move: Move) -> None:
        """A new one; it replaces an older one of the same address."""
        self._orders = [order for order in self._orders if order.move.address != move.address]
        self._orders.append(_Order(move))

    def unsent(self) -> list[Move]:
        """What to say now."""
        return [order.move for order in self._orders if not order.sequence]

    def sent(self, move: Move, sequence: int) -> None:
        """It is on its way."""
        for order in self._orders:
            if order.move is move:
                order.sequence, order.tries = sequence, order.tries + 1

    def came_back(self, sequence: int, *, worked: bool) -> None:
        """Our message of that number was delivered to us, in RUN or during a gather."""
        for order in self._orders:
            if order.sequence == sequence and not worked:
                order.sequence = 0
        self._orders = [order for order in self._orders if order.sequence != sequence and order.tries < MOST_TRIES]


def refusal(table: Table, move: Move) -> str | None:
    """Why the table does not let this be; None when it does."""
    address, bit = move.address, table.index.bit(move.address)
    if not bit & table.known():
        return f"{address} is no DuraVIP of this cluster"
    if bit & table.broken:
        return f"{address} is BROKEN: its binding names differ between nodes"
    head = table.agreed().head(bit.bit_length() - 1)
    if head is not None:
        return f"{address} follows {table.index.addresses[head]}: move that one"
    return _no_target(table, move, bit) if move.node else None


def _no_target(table: Table, move: Move, bit: Bits) -> str | None:
    target = next((standing for standing in table.standings.values() if standing.name == move.node), None)
    if target is None:
        members = ", ".join(standing.facts.name for standing in table.by_name())
        return f"no member is called {move.node} (members: {members})"
    if not target.candidate_for & bit:
        why = "cannot serve it" if target.listed & bit else "does not declare it"
        return f"{target.facts.name} is no candidate for {move.address}: it {why}"
    return None


def outlook(table: Table | None, move: Move) -> str:
    """What a move will do, in the console's words. Raises `MoveRefused`."""
    if table is None:
        raise MoveRefused("the members are exchanging their states: ask again in a moment")
    why = refusal(table, move)
    if why is not None:
        raise MoveRefused(why)
    bit = table.index.bit(move.address)
    owner = next((standing for standing in table.by_name() if standing.owns & bit), None)
    if not move.node:
        return f"{move.address} is placed automatically"
    if owner is not None and owner.name == short_name(move.node):
        return f"{move.address} stays on {owner.facts.name}"
    return f"{move.address} moves from {owner.facts.name if owner else 'nobody'} to {move.node}"
