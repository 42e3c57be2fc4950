"""`config eval`: the value of an option after fallback, for a path (configuration §9, §10, §13).

A path is `scope [instance] scope [instance] …`. It need not exist in the file: what nobody wrote has no level of its
own and falls back like everything else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from momentum_node.config import endpoints, schema
from momentum_node.config.lookup import Settings, first_set
from momentum_node.config.lookup_inbound import InboundLookup
from momentum_node.config.lookup_outbound import OutboundLookup
from momentum_node.config.paths import Path, PathFault, Step, before_option, no_option, path_text
from momentum_node.config.printer import assignment
from momentum_node.config.source import NOWHERE
from momentum_node.config.stanzas import Container
from momentum_node.config.syntax import Scalar, Value
from momentum_node.config.tree import Scope

__all__ = ["Effective", "PathFault", "evaluate"]

_HOST_LIMIT_WITH_FALLBACK = "cluster_max_outbound_connections"
_UNLIMITED = "-1"


@dataclass(frozen=True, slots=True)
class Effective:
    """An option and the value that counts. `value` None: nobody sets it and it has no default.
    `at` is where it was written (see source.py), NOWHERE for a built-in default."""

    option: str
    value: Value | None
    at: int
    path: Path

    def __str__(self) -> str:
        """As the console prints it."""
        if self.value is not None:
            return assignment(self.option, self.value)
        return f"Option '{self.option}' is not set in scope '{path_text(self.path)}'."


def evaluate(tree: Scope, words: Sequence[str]) -> Effective:
    """The value for `[scope [instance] …] option`, case of the names ignored; raises PathFault."""
    path, name = before_option(words)
    kinds, levels = _levels(tree, path, name)
    known = next((option for kind in kinds if (option := schema.option(kind, name)) is not None), None)
    if known is None:
        raise no_option(kinds[0], words[-1])
    setting = first_set(levels, name)
    if setting is not None:
        return Effective(known.name, setting.value, setting.at, path)
    default = _default(path, known)
    return Effective(known.name, None if default is None else Scalar(default), NOWHERE, path)


# --- the levels ---


def _levels(tree: Scope, path: Path, name: str) -> tuple[tuple[str, ...], Sequence[Settings]]:
    """The scope kinds in one of which the option must be valid, the path's own first, and the settings that count."""
    given = {step.kind: step.instance for step in path}
    own = path[-1].kind if path else ""
    if not path:
        return ("",), (tree.settings,)
    if own == "host":
        return _host(tree, given, name)
    if path[0].kind in {"binding_group", "binding", "domain"}:
        found = OutboundLookup(tree).path_levels(given.get("binding_group"), given.get("binding"), given.get("domain"))
        return (own, *given), found
    if path[0].kind in endpoints.DEFAULT_PORTS:
        peer = given.get("peer")
        network = None if peer is None else endpoints.network(peer)[0]
        inbound = InboundLookup(tree, path[0].kind)
        return (own, "listen", path[0].kind, "pathway"), inbound.path_levels(given.get("listen"), network)
    if path[0].kind in {"pathway", "pathway_group"}:
        return (own,), tuple(_pathway(tree, given))
    return tuple(step.kind for step in reversed(path)), tuple(_nested(tree, path))


def _host(tree: Scope, given: Mapping[str, str | None], name: str) -> tuple[tuple[str, ...], Sequence[Settings]]:
    """Limits of a Host do not fall back to what encloses it; the cluster-wide one has an order of its own."""
    host = given["host"] or ""
    container = _container(tree, given)
    containers = [] if container is None else [container]
    if name != _HOST_LIMIT_WITH_FALLBACK:
        return ("host",), [one.settings for scope in containers for one in Container(scope).named("host", host)]
    if container is not tree:
        containers.append(tree)
    found = [one.settings for scope in containers for one in Container(scope).named("host", host)]
    return ("host",), [*found, *(scope.settings for scope in containers)]


def _container(tree: Scope, given: Mapping[str, str | None]) -> Scope | None:
    scope: Scope | None = tree
    for kind in ("binding_group", "binding"):
        if kind in given and scope is not None:
            scope = scope.children.get((kind, given[kind] or ""))
    return scope


def _pathway(tree: Scope, given: Mapping[str, str | None]) -> Iterator[Settings]:
    name, group = given.get("pathway"), given.get("pathway_group")
    for (kind, key), holder in tree.children.items():
        if kind == "pathway" and key == name and group is None:
            yield holder.settings
        elif kind == "pathway_group" and group in {None, key}:
            inner = holder.children.get(("pathway", name or ""))
            if inner is not None:
                yield inner.settings
            if inner is not None or name is None:
                yield holder.settings
    yield tree.settings


def _nested(tree: Scope, path: Path) -> Iterator[Settings]:
    """The scopes along the path, innermost first; the file itself is none of their levels."""
    found: list[Settings] = []
    scope: Scope | None = tree
    for step in path:
        scope = scope.children.get((step.kind, step.instance or "")) if scope is not None else None
        if scope is not None:
            found.append(scope.settings)
    yield from reversed(found)


def _default(path: Path, known: schema.Option) -> str | None:
    """The built-in default; some depend on the instance."""
    own = path[-1] if path else Step("")
    if own.kind == "host":
        return _UNLIMITED
    if own.kind == "topology" and known.name.lower() == "cidrmask":
        return str(endpoints.network(own.instance or "")[0].max_prefixlen)
    if own.kind == "replicate" and known.name.lower() == "type":
        return own.instance
    return known.default
