"""The scopes that hold stanzas for domains and hosts (a binding, a group, the file itself), and which stanzas a name
belongs to. One object serves one generation; delivery options and limits look through the same levels.

Stanzas are asked for by their names, so a tree that is decoded on demand (compiled.py) is decoded where it is asked.
"""

from collections.abc import Iterator
from typing import Final

from momentum_node.config.indexing import groups_of, index_of
from momentum_node.config.lookup import Settings, keep
from momentum_node.config.merge import is_regex
from momentum_node.config.patterns import Pattern, compiled
from momentum_node.config.tree import Scope

LONGEST_NAME: Final = 255  # RFC 1035 §2.3.4; bounds what an expression is matched with
MOST_CONTAINERS: Final = 1024  # bindings and groups whose stanzas stay decoded
DEFAULT: Final = "default"


class Container:
    """One such scope: the exact name comes first, then expressions in declaration order."""

    def __init__(self, scope: Scope) -> None:
        self.settings: Settings = scope.settings
        self._children, self._names = scope.children, index_of(scope).expressions
        self._compiled: dict[str, list[tuple[Pattern, Scope]]] = {}

    def of(self, kind: str, name: str) -> Iterator[Scope]:
        """The stanzas of a kind that a name (lower case, no dot at its end) belongs to."""
        exact = self._children.get((kind, name))
        if exact is not None and not is_regex(name):
            yield exact
        for pattern, stanza in self._expressions(kind):
            if pattern.search(name[:LONGEST_NAME]):
                yield stanza

    def named(self, kind: str, instance: str) -> Iterator[Scope]:
        """As `of`; an instance that is an expression stands for its own stanza."""
        if not is_regex(instance):
            yield from self.of(kind, instance.lower().removesuffix("."))
        elif (kind, instance) in self._children:
            yield self._children[kind, instance]

    def _expressions(self, kind: str) -> list[tuple[Pattern, Scope]]:
        found = self._compiled.get(kind)
        if found is None:
            stanzas = ((name, self._children[kind, name]) for name in self._names.get(kind, ()))
            found = self._compiled[kind] = [(compiled(name[1:-1]), scope) for name, scope in stanzas]
        return found


class Containers:
    """All of one generation."""

    def __init__(self, tree: Scope) -> None:
        self.everywhere = Container(tree)
        self._tree, self._groups = tree, groups_of(tree)
        self._kept: dict[tuple[str, str], Container | None] = {}

    def group_of(self, binding: str) -> str:
        """The group of a binding; every binding without one is in `default`."""
        return self._groups.get(binding) or DEFAULT

    def is_in_group(self, binding: str) -> bool:
        """It is declared inside a group."""
        return bool(self._groups.get(binding))

    def binding(self, name: str) -> Container | None:
        """The scope of a binding, None when no file has one."""
        return self._container("binding", name)

    def group(self, name: str) -> Container | None:
        """The scope of a group, None when no file has one."""
        return self._container("binding_group", name)

    def _container(self, kind: str, name: str) -> Container | None:
        key = (kind, name)
        if key in self._kept:
            return self._kept[key]
        group = self._groups.get(name) if kind == "binding" else None
        holder = self._tree.children["binding_group", group] if group else self._tree
        scope = holder.children.get(key)
        return keep(self._kept, key, None if scope is None else Container(scope), MOST_CONTAINERS)
