"""The bindings of one generation, and what a message is assigned to one by."""

from collections.abc import Iterator, Mapping

from momentum_node.config.model import Binding


class Bindings(Mapping[str, Binding]):
    """By name; "default" is always there in the configuration of a node."""

    def __init__(
        self,
        found: Mapping[str, Binding],
        senders: Mapping[str, str] | None = None,
        movable: Mapping[str, str | None] | None = None,
    ) -> None:
        """The indexes are made from `found` when they are not given."""
        self._found = found
        self.senders = _senders(found) if senders is None else senders
        """Sender domain (lower case) → the first binding whose `Match_Domain` names it."""
        self.movable = _movable(found) if movable is None else movable
        """DuraVIP, as text → its binding; None where several have that address."""

    def __getitem__(self, name: str) -> Binding:
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _senders(bindings: Mapping[str, Binding]) -> dict[str, str]:
    found: dict[str, str] = {}
    for binding in bindings.values():
        for domain in binding.match_domains:
            found.setdefault(domain, binding.name)
    return found


def _movable(bindings: Mapping[str, Binding]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for binding in bindings.values():
        if binding.address is not None and binding.duravip:
            address = str(binding.address)
            found[address] = None if address in found else binding.name
    return found
