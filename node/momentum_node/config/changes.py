"""What a reload means: which sessions it ends, which options wait for the next start (configuration §12.2).

Drivers compare what they have open, plumbed and queued with the new generation and correct it; what they cannot see
by comparing is decided here.
"""

from collections.abc import Iterator, Mapping

from momentum_node.config import schema
from momentum_node.config.model import InboundOptions, Listener
from momentum_node.config.printer import assignment
from momentum_node.config.tree import Scope

_FIXED = {
    kind: frozenset(option.name.lower() for option in schema.options_in(kind) if not option.dynamic)
    for kind in ("", *schema.SCOPES)
}
_WITH_FIXED = frozenset(kind for kind, names in _FIXED.items() if names)


def session_ends(begun: InboundOptions, listener: Listener | None, now: InboundOptions | None) -> bool:
    """Whether a session that began with these options gets 421 at its next MAIL FROM or RSET.

    Only when its listener is gone or switched off (None), or an option that counts for this client differs from `now`.
    """
    return listener is None or not listener.enabled or now != begun


def fixed_options(tree: Scope) -> dict[tuple[str, str], str]:
    """(path, option) → setting, of every option that is set and that only a start of the node reads.

    `path` is as `config eval` takes it, "global" for the file itself. Looks into no binding and no domain.
    """
    return dict(_fixed(tree, ""))


def waiting_for_restart(started: Mapping[tuple[str, str], str], now: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """One line for each option whose value is not the one that the node was started with."""
    differing = (key for key in dict.fromkeys((*started, *now)) if started.get(key) != now.get(key))
    return tuple(
        f"restart needed: '{option}' in {path} keeps its old value until the node is started again"
        for path, option in differing
    )


def _fixed(scope: Scope, path: str) -> Iterator[tuple[tuple[str, str], str]]:
    kind = scope.name.lower()
    for name in (name for name in scope.settings if name in _FIXED[kind]):
        spelled = schema.spelling(kind, name)
        yield (path or schema.GLOBAL, spelled), assignment(spelled, scope.settings[name].value)
    for key in scope.children:
        if key[0] in _WITH_FIXED:
            child = scope.children[key]
            yield from _fixed(child, f"{path} {_step(child)}".lstrip())


def _step(scope: Scope) -> str:
    name = schema.scope_name(scope.name.lower())
    return name if scope.instance is None else f"{name} {scope.instance}"
