"""Which binding a message gets, once, before it is queued. Pure.

1. a policy's or an operator's choice   (not here yet: nobody can make one)
2. `Match_Domain`, the sender's domain, exactly
3. the one binding whose address is the DuraVIP that the message came in on (ours): what is accepted on an address
   leaves from it, and follows it. Several bindings on one address say nothing about which one is meant.
4. `default`
"""

from collections.abc import Mapping

from momentum_node.config.model import Address, Binding

DEFAULT = "default"


class Assignment:
    """The rules of one generation, indexed."""

    def __init__(self, bindings: Mapping[str, Binding]) -> None:
        self._bindings = bindings
        self._by_sender: dict[str, str] = {}
        self._by_address: dict[Address, str | None] = {}
        for binding in bindings.values():
            for domain in binding.match_domains:
                self._by_sender.setdefault(domain, binding.name)
            if binding.address is not None and binding.duravip:
                is_first = binding.address not in self._by_address
                self._by_address[binding.address] = binding.name if is_first else None

    def choose(self, sender_domain: str, received_on: Address | None) -> str:
        """The binding of a new message; `sender_domain` lower case, `received_on` the local address of its session."""
        matched = self._by_sender.get(sender_domain)
        if matched is not None:
            return matched
        return (received_on and self._by_address.get(received_on)) or DEFAULT

    def existing(self, name: str) -> str:
        """The binding of a stored message: left-over mail of a binding that is no more goes to `default`."""
        return name if name in self._bindings else DEFAULT
