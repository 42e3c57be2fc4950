"""Which binding a message gets, once, before it is queued. Pure.

What a policy, an operator or a rule chooses comes before it (choice.py); then:

1. `Match_Domain`, the sender's domain, exactly
2. the one binding whose address is the DuraVIP that the message came in on (ours): what is accepted on an address
   leaves from it, and follows it. Several bindings on one address say nothing about which one is meant.
3. `default`
"""

from collections.abc import Mapping

from momentum_node.config.bindings import Bindings
from momentum_node.config.model import Address, Binding

DEFAULT = "default"


class Assignment:
    """The rules of one generation."""

    def __init__(self, bindings: Mapping[str, Binding]) -> None:
        self._bindings = bindings if isinstance(bindings, Bindings) else Bindings(bindings)
        self._has_senders, self._has_movable = len(self._bindings.senders) > 0, len(self._bindings.movable) > 0

    def choose(self, sender_domain: str, received_on: Address | None) -> str:
        """The binding of a new message; `sender_domain` lower case, `received_on` the local address of its session."""
        if self._has_senders and (matched := self._bindings.senders.get(sender_domain)) is not None:
            return matched
        if self._has_movable and received_on is not None:
            return self._bindings.movable.get(str(received_on)) or DEFAULT
        return DEFAULT

    def existing(self, name: str) -> str:
        """The binding of a stored message: left-over mail of a binding that is no more goes to `default`."""
        return name if name in self._bindings else DEFAULT
