"""Which value counts for mail that leaves: the levels of fallback (configuration §9). One object serves one generation.

Stanzas are asked for by their names, so a tree that is decoded on demand (compiled.py) is decoded where it is asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from momentum_node.config.indexing import groups_of, index_of
from momentum_node.config.lookup import OUTBOUND, Settings, answer, keep
from momentum_node.config.merge import is_regex
from momentum_node.config.model import OutboundOptions
from momentum_node.config.patterns import Pattern, compiled
from momentum_node.config.tree import Scope

LONGEST_NAME = 255  # RFC 1035 §2.3.4; bounds what an expression is matched with
MOST_CONTAINERS = 1024  # bindings and groups whose stanzas stay decoded
DEFAULT = "default"


class Matching:
    """The `Domain` (or `Host`) stanzas of one container: the exact name first, then regexes in declaration order."""

    def __init__(self, container: Scope, kind: str) -> None:
        self._children, self._kind = container.children, kind
        self._names = index_of(container).expressions.get(kind, ())
        self._regexes: list[tuple[Pattern, Settings]] | None = None

    def named(self, instance: str) -> Iterator[Settings]:
        """As `of`; an instance that is a regex stands for its own stanza."""
        if not is_regex(instance):
            yield from self.of(instance.lower().removesuffix("."))
        elif (self._kind, instance) in self._children:
            yield self._children[self._kind, instance].settings

    def of(self, name: str) -> Iterator[Settings]:
        """The stanzas that a name (lower case, no dot at its end) matches."""
        exact = self._children.get((self._kind, name))
        if exact is not None and not is_regex(name):
            yield exact.settings
        if self._names:
            for pattern, settings in self._compiled():
                if pattern.search(name[:LONGEST_NAME]):
                    yield settings

    def _compiled(self) -> list[tuple[Pattern, Settings]]:
        if self._regexes is None:
            stanzas = ((name, self._children[self._kind, name]) for name in self._names)
            self._regexes = [(compiled(name[1:-1]), scope.settings) for name, scope in stanzas]
        return self._regexes


@dataclass(frozen=True, slots=True)
class _Container:
    """A scope that holds Domain stanzas: a binding, a group, or the file itself."""

    settings: Settings
    domains: Matching


class OutboundLookup:
    """The levels of (binding, domain), and the options that mail of a queue is delivered with."""

    def __init__(self, tree: Scope) -> None:
        self._tree, self._groups = tree, groups_of(tree)
        self._everywhere = _Container(tree.settings, Matching(tree, "domain"))
        self._containers: dict[tuple[str, str], _Container | None] = {}
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
        own = self._container("binding", binding)
        group = self._container("binding_group", self._groups.get(binding) or DEFAULT)
        if own:
            yield from own.domains.of(domain)
        if group:
            yield from group.domains.of(domain)
        if own:
            yield own.settings
        if group:
            yield group.settings
        yield from self._everywhere.domains.of(domain)
        yield self._everywhere.settings

    def path_levels(self, group: str | None, binding: str | None, domain: str | None) -> tuple[Settings, ...]:
        """The levels of a path in which any part may be missing; a part that no file names has no level of its own."""
        own = self._container("binding", binding or "")
        mine = (self._groups.get(binding or "") or DEFAULT) if own else DEFAULT
        if group not in {None, mine}:
            own = None
        name = group or (mine if binding else None)
        holder = self._container("binding_group", name) if name else None
        return tuple(_path_levels([level for level in (own, holder) if level], self._everywhere, domain))

    def _container(self, kind: str, name: str) -> _Container | None:
        key = (kind, name)
        if key in self._containers:
            return self._containers[key]
        group = self._groups.get(name) if kind == "binding" else None
        holder = self._tree.children["binding_group", group] if group else self._tree
        scope = holder.children.get(key)
        found = None if scope is None else _Container(scope.settings, Matching(scope, "domain"))
        return keep(self._containers, key, found, MOST_CONTAINERS)


def _path_levels(inner: list[_Container], everywhere: _Container, domain: str | None) -> Iterator[Settings]:
    if domain is not None:
        for level in inner:
            yield from level.domains.named(domain)
    yield from (level.settings for level in inner)
    if domain is not None:
        yield from everywhere.domains.named(domain)
    yield everywhere.settings
