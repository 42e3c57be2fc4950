"""What a reload changes: the difference of two generations, as values that drivers act on (configuration §12.2).

Sockets of unchanged endpoints stay; what is closed is closed before anything is opened, so that a specific address can
take the place of a wildcard in one reload. Options that a running node cannot change keep their old value.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from momentum_node.config import schema
from momentum_node.config.loading import Loaded
from momentum_node.config.model import Address, Binding, Listener
from momentum_node.config.printer import assignment
from momentum_node.config.tree import Scope, Setting


@dataclass(frozen=True, slots=True)
class Change:
    """One option that differs. `path` is as `config eval` takes it, "" for the file itself; None = not set there."""

    path: str
    option: str
    before: str | None
    after: str | None
    dynamic: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that follows from a new generation, in the order in which it is done."""

    options: tuple[Change, ...]
    closed: tuple[Listener, ...]
    opened: tuple[Listener, ...]
    removed_bindings: tuple[Binding, ...]  # their queued mail goes to "default"
    added_bindings: tuple[Binding, ...]
    duravips_changed: bool  # the node announces its view

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each option whose old value stays until the node is started again."""
        return tuple(
            f"restart needed: '{change.option}' in {change.path or schema.GLOBAL} keeps its old value"
            for change in self.options
            if not change.dynamic
        )


def changes(before: Loaded, after: Loaded) -> Changes:
    """The difference between the generation that runs and the one that replaces it."""
    old, new = _sockets(before), _sockets(after)
    bindings = before.node.bindings, after.node.bindings
    return Changes(
        options=tuple(_options(before.tree, after.tree, "")),
        closed=tuple(listener for key, listener in old.items() if key not in new),
        opened=tuple(listener for key, listener in new.items() if key not in old),
        removed_bindings=tuple(bindings[0][name] for name in sorted(bindings[0].keys() - bindings[1].keys())),
        added_bindings=tuple(bindings[1][name] for name in sorted(bindings[1].keys() - bindings[0].keys())),
        duravips_changed=_duravips(before) != _duravips(after),
    )


def session_ends(before: Loaded, after: Loaded, listener: Listener, client: Address) -> bool:
    """Whether a session that began under `before` gets 421 at its next MAIL FROM or RSET: only when its listener is
    gone, or an option differs that counts for this client."""
    if (listener.address, listener.port) not in _sockets(after):
        return True
    return before.inbound(listener, client) != after.inbound(listener, client)


def _sockets(loaded: Loaded) -> dict[tuple[Address | None, int], Listener]:
    return {(one.address, one.port): one for one in loaded.node.listeners if one.enabled}


def _duravips(loaded: Loaded) -> list[tuple[object, ...]]:
    """The DuraVIPs without the places where they were written."""
    found: list[tuple[object, ...]] = []
    for vip in loaded.node.vips:
        topology = vip.topology and (vip.topology.network, vip.topology.interface, vip.topology.prefix_length)
        found.append((vip.address, vip.services, vip.bindings, vip.preference, topology))
    return found


def _options(before: Scope | None, after: Scope | None, path: str) -> Iterator[Change]:
    kind = (after or before or Scope()).name.lower()
    old, new = (_printed(before, kind), _printed(after, kind))
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            known = schema.option(kind, name)
            spelled = schema.spelling(kind, name)
            yield Change(path, spelled, old.get(name), new.get(name), known is None or known.dynamic)
    children = before.children if before else {}, after.children if after else {}
    for key in dict.fromkeys((*children[0], *children[1])):
        pair = children[0].get(key), children[1].get(key)
        yield from _options(*pair, f"{path} {_step(pair[1] or pair[0] or Scope())}".lstrip())


def _printed(scope: Scope | None, kind: str) -> dict[str, str]:
    """Name → setting as the console prints it; rule lists of 2.x count as one option."""
    settings = {name: _line(kind, setting) for name, setting in scope.settings.items()} if scope else {}
    if scope and scope.acl:
        settings["acl"] = repr([(rule.scope.plain(), rule.continues, rule.unites_relay_hosts) for rule in scope.acl])
    return settings


def _line(kind: str, setting: Setting) -> str:
    return assignment(schema.spelling(kind, setting.name), setting.value)


def _step(scope: Scope) -> str:
    name = schema.scope_name(scope.name.lower())
    return name if scope.instance is None else f"{name} {scope.instance}"
