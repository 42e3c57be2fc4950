"""What look-ups have to know of a scope's children besides their names: which ones are expressions, how wide the
networks are, which group a binding is in. A tree in memory is walked for it; a compiled one says it."""

from collections.abc import Mapping
from typing import NamedTuple

from momentum_node.config.addresses import binding_scopes, network_of
from momentum_node.config.merge import is_regex
from momentum_node.config.tree import Scope


class Index(NamedTuple):
    """Of one scope. Kinds are lower case."""

    expressions: Mapping[str, tuple[str, ...]]  # kind → keys that are regular expressions, in declaration order
    peers: tuple[tuple[int, int], ...]  # (version, prefix length) of the networks of its Peers, longest first


NOTHING = Index({}, ())


def index_of(scope: Scope) -> Index:
    """The index of one scope."""
    if isinstance(scope.index, Index):
        return scope.index
    expressions: dict[str, list[str]] = {}
    peers: set[tuple[int, int]] = set()
    for (kind, key), child in scope.children.items():
        if kind == "peer":
            network = network_of(child)
            peers.add((network.version, network.prefixlen))
        elif is_regex(key):
            expressions.setdefault(kind, []).append(key)
    if not expressions and not peers:
        return NOTHING
    return Index({kind: tuple(keys) for kind, keys in expressions.items()}, tuple(sorted(peers, reverse=True)))


def groups_of(tree: Scope) -> Mapping[str, str]:
    """The group of each declared binding of a whole tree, "" when it is outside any."""
    if tree.groups is not None:
        return tree.groups
    return {scope.instance or "": (group.instance or "") if group else "" for group, scope in binding_scopes(tree)}
