"""The addresses that mail leaves from, as they come to this node and go: what may be used, and what has to end."""

from collections.abc import Callable, Mapping
from typing import Final

from momentum_node.config.model import Address
from momentum_node.smtp.outbound import Connection
from momentum_node.smtp.reply import reply
from momentum_node.spool.line import Hand, Line
from momentum_node.spool.schedule import Key

ADDRESS_LOST: Final = reply(451, "4.3.2", "[internal] the source address moved to another node")


class Sources:
    """`lines` and `hands` are the delivery's own; `hand_back`: what this hand has waits again, no try is counted."""

    def __init__(
        self, lines: Mapping[Key, Line], hands: Mapping[Connection, Hand], hand_back: Callable[[Hand], None]
    ) -> None:
        self._lines = lines
        self._hands = hands
        self._hand_back = hand_back
        self._held: set[Address] = set()  # DuraVIPs that are on this node

    def holds(self, address: Address | None) -> bool:
        """The DuraVIP is on this node."""
        return address in self._held

    def gain(self, address: Address) -> None:
        """It is, from now on."""
        self._held.add(address)

    def lose(self, address: Address) -> None:
        """It will be gone: nothing new from it; messages in hand may finish until `drop`."""
        self._held.discard(address)
        for connection, hand in list(self._hands.items()):
            if hand.way.source == address and not hand.messages:
                connection.quit()

    def forget(self) -> None:
        """The core is gone, and the DuraVIPs with it; it will say which of them are here when it is back."""
        self._held.clear()

    def drop(self, address: Address) -> None:
        """End what still uses it; messages in hand wait, without a try being counted."""
        if address in self._held:
            return
        for line in self._lines.values():
            for task in [task for task, source in line.opening.items() if source == address]:
                task.cancel()
        for connection, hand in list(self._hands.items()):
            if hand.way.source == address:
                self._hand_back(hand)
                connection.abort(ADDRESS_LOST)

    def uses(self, address: Address) -> bool:
        """Some connection has it as its source, or is being opened from it."""
        if any(address in line.opening.values() for line in self._lines.values()):
            return True
        return any(hand.way.source == address for hand in self._hands.values())
