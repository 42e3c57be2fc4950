"""Which value counts for mail that leaves: the levels of fallback (configuration §9). One object for one generation."""

from collections.abc import Iterator

from momentum_node.config.lookup import OUTBOUND, Settings, answer, keep
from momentum_node.config.model import OutboundOptions
from momentum_node.config.stanzas import DEFAULT, Container, Containers
from momentum_node.config.tree import Scope


class OutboundLookup:
    """The levels of (binding, domain), and the options that mail of a queue is delivered with."""

    def __init__(self, tree: Scope) -> None:
        self._containers = Containers(tree)
        self._answers: dict[tuple[str, str], OutboundOptions] = {}
        self._equal: dict[OutboundOptions, OutboundOptions] = {}

    def options(self, binding: str, domain: str) -> OutboundOptions:
        """Asked before: one dictionary access."""
        key = (binding, domain)
        found = self._answers.get(key)
        if found is None:
            found = answer(OutboundOptions, OUTBOUND, self.levels(binding, domain))
            found = self._equal.get(found) or keep(self._equal, found, found)
            keep(self._answers, key, found)
        return found

    def levels(self, binding: str, domain: str) -> tuple[Settings, ...]:
        """Levels 1 to 7, most specific first; the built-in default is not among them."""
        return tuple(self._levels(binding, domain.lower().removesuffix(".")))

    def _levels(self, binding: str, domain: str) -> Iterator[Settings]:
        own = self._containers.binding(binding)
        group = self._containers.group(self._containers.group_of(binding))
        for container in (own, group):
            if container:
                yield from _settings(container.of("domain", domain))
        for container in (own, group):
            if container:
                yield container.settings
        yield from _settings(self._containers.everywhere.of("domain", domain))
        yield self._containers.everywhere.settings

    def path_levels(self, group: str | None, binding: str | None, domain: str | None) -> tuple[Settings, ...]:
        """The levels of a path in which any part may be missing; a part that no file names has no level of its own."""
        own = self._containers.binding(binding or "")
        mine = self._containers.group_of(binding or "") if own else DEFAULT
        if group not in {None, mine}:
            own = None
        name = group or (mine if binding else None)
        holder = self._containers.group(name) if name else None
        inner = [level for level in (own, holder) if level]
        return tuple(_path_levels(inner, self._containers.everywhere, domain))


def _settings(stanzas: Iterator[Scope]) -> Iterator[Settings]:
    return (stanza.settings for stanza in stanzas)


def _path_levels(inner: list[Container], everywhere: Container, domain: str | None) -> Iterator[Settings]:
    if domain is not None:
        for level in inner:
            yield from _settings(level.named("domain", domain))
    yield from (level.settings for level in inner)
    if domain is not None:
        yield from _settings(everywhere.named("domain", domain))
    yield everywhere.settings
