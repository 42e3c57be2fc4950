"""What the cluster scope must hold so that options elsewhere do what they say: log streams (X012) and the replication
that cluster-wide limits count with (X013). Both are warnings: the node runs, and does less. And weights of nodes."""

import re
from collections.abc import Iterator

from momentum_node.config import schema
from momentum_node.config.source import Report
from momentum_node.config.syntax import Dict, Scalar
from momentum_node.config.tree import Scope, Setting
from momentum_node.config.values import Throttle

_LOGGERS = frozenset({"ec_logger", "bounce_logger", "custom_bounce_logger", "custom_logger"})
_WEIGHT = re.compile(r"(?:[1-9][0-9]?|100)\Z")
_NONE = "a node that is to have none is not named in Duravip_Candidates, or it is cordoned"
_DESTINATION = re.compile(r"cluster://(?P<path>[^=?]*)", re.IGNORECASE)
_BY_BINDING = ("outbound_binding_domains",)
# option → scope it stands in ("" global, "binding" also for what is inside one) → types of which one is needed
_NEEDED: dict[str, dict[str, tuple[str, ...]]] = {
    "cluster_server_max_outbound_connections": {
        "": ("outbound_cidr",),
        "binding": _BY_BINDING,
        "binding_group": _BY_BINDING,
    },
    "cluster_max_outbound_connections": {
        "": ("outbound_domains",),
        "domain": ("outbound_domains",),
        "binding": ("outbound_binding_domains", "outbound_domains"),
        "host": ("outbound_cidr",),
    },
    "cluster_scope_max_outbound_connections": {"*": _BY_BINDING},
    "cluster_outbound_throttle_messages": {"*": ("OBTM",)},
    "cluster_outbound_throttle_connections": {"*": ("OBTC",)},
    "cluster_max_inbound_connections": {"*": ("inbound_cidr",)},
}
_NO_LIMIT = {"cluster_max_inbound_connections": 0}  # of the others: -1


def check_streams(tree: Scope, report: Report) -> None:
    """X012: every `cluster://` path is offered in `logs`, and every path there is written by a logger."""
    cluster = tree.only("cluster")
    logs = cluster.settings.get("logs") if cluster else None
    offered = dict(_offered(logs))
    written = dict(_written(tree))
    for path, at in written.items():
        if path not in offered:
            hint = f'add `name = "{path}"` to `logs` of the cluster scope'
            report.warning(at, "X012", f"'{path}' is in no `logs`: nobody collects this log", hint)
    for path, at in offered.items():
        if path not in written:
            hint = f"a logger writes there with `cluster://{path}=>subscriber`"
            report.warning(at, "X012", f"no logger writes '{path}': this log stays empty", hint)


def _offered(logs: Setting | None) -> Iterator[tuple[str, int]]:
    if logs is not None and isinstance(logs.value, Dict):
        for entry in logs.value.entries:
            if isinstance(entry.value, Scalar):
                yield _directory(entry.value.text), entry.value.at


def _written(tree: Scope) -> Iterator[tuple[str, int]]:
    for scope in tree.children.values():
        if scope.name.lower() not in _LOGGERS or scope.value("enabled") is False:
            continue
        for setting in scope.settings.values():
            if isinstance(setting.value, Scalar) and (found := _DESTINATION.match(setting.value.text)):
                yield _directory(found["path"]), setting.value.at


def _directory(path: str) -> str:
    return path.rstrip("/") or "/"


def check_weights(tree: Scope, report: Report) -> None:
    """V001, V002: `duravip_weights` has a whole number for each node, and each node once."""
    cluster = tree.only("cluster")
    setting = cluster.settings.get("duravip_weights") if cluster else None
    seen: set[str] = set()
    for entry in setting.value.entries if setting and isinstance(setting.value, Dict) else ():
        node = entry.key.text.lower()
        given = entry.value.text if isinstance(entry.value, Scalar) else "a list"
        if not _WEIGHT.match(given):
            report.error(entry.value.at, "V002", f"the weight of '{entry.key.text}' must be 1-100, not {given}", _NONE)
        elif node in seen:
            report.error(entry.key.at, "V001", f"'{entry.key.text}' has a weight already")
        seen.add(node)


def weights(cluster: Scope) -> tuple[tuple[str, int], ...]:
    """Node and weight, as `check_weights` found right."""
    found = cluster.value("duravip_weights")
    return tuple((node, int(weight)) for node, weight in found.items()) if isinstance(found, dict) else ()


def check_limits(tree: Scope, report: Report) -> None:
    """X013: a limit over all nodes counts only this one when its numbers are not replicated. And one of them has no
    level in a binding of a group (configuration §9)."""
    cluster = tree.only("cluster")
    replicated = {_type(scope) for scope in cluster.all("replicate")} if cluster else set()
    for setting, kinds in _limits(tree, ()):
        if setting.name.lower() == "cluster_max_outbound_connections" and kinds[:2] == ("binding_group", "binding"):
            text = f"'{setting.name}' is not valid in a binding of a group (valid in: global, Domain, Binding, Host)"
            report.error(setting.at, "S002", text, "use Cluster_Scope_Max_Outbound_Connections")
            continue
        needed = _needed(setting.name.lower(), kinds)
        if needed and replicated.isdisjoint(kind.lower() for kind in needed):
            name = schema.spelling(kinds[-1] if kinds else "", setting.name)
            text = f"'{name}' counts this node only: {' or '.join(needed)} is not replicated"
            hint = f'add `Replicate "{needed[0]}" {{}}` to the cluster scope'
            report.warning(setting.at, "X013", text, hint)


def _type(replicate: Scope) -> str:
    return str(replicate.value("class") or replicate.value("type") or replicate.instance or "").lower()


def _limits(scope: Scope, kinds: tuple[str, ...]) -> Iterator[tuple[Setting, tuple[str, ...]]]:
    """Cluster-wide limits that are set, with the kinds of the scopes around them, outermost first."""
    if not scope.settings.keys().isdisjoint(_NEEDED):
        for name in _NEEDED:
            setting = scope.settings.get(name)
            if setting is not None and not _is_unlimited(name, setting.decoded):
                yield setting, kinds
    for rule in scope.acl:
        yield from _limits(rule.scope, (*kinds, "peer"))
    for child in scope.children.values():
        if child.settings or child.children or child.acl:  # most of a large file are empty
            yield from _limits(child, (*kinds, child.name.lower()))


def _is_unlimited(name: str, decoded: object) -> bool:
    if isinstance(decoded, Throttle):
        return decoded.number == 0
    return decoded is None or decoded == _NO_LIMIT.get(name, -1)


def _needed(name: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
    by_scope = _NEEDED[name]
    own = kinds[-1] if kinds else ""
    place = "binding" if "binding" in kinds and own != "host" else own
    return by_scope.get("*") or by_scope.get(place, ())
