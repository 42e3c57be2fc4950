"""The body of the 2.x cluster loader (configuration §8.4): `replicate [ … ]`, `<cidr> [ … ]`, `cluster_listener`."""

from momentum_node.config import endpoints
from momentum_node.config.merge import Builder
from momentum_node.config.syntax import Dict, Entry, Scalar, Value
from momentum_node.config.tree import Scope


def entry(builder: Builder, cluster: Scope, written: Entry) -> bool:
    """Lower one entry of the cluster scope; False when it is an ordinary option."""
    name, value = written.key.text.lower(), written.value
    if name == "replicate" and isinstance(value, Dict):
        _replicate(builder, cluster, written.key, value)
    elif name == "dml":
        builder.report.warning(written.key.at, "W03", f"'{written.key.text}' is obsolete and ignored")
    elif name == "cluster_listener" and isinstance(value, Scalar):
        _listener(builder, written.key, value)
    elif isinstance(value, Dict) and _looks_like_network(written.key.text):
        _fill(builder, builder.open(cluster, Scalar("Topology", written.key.at), written.key), value)
    else:
        return False
    return True


def _looks_like_network(text: str) -> bool:
    try:
        endpoints.network(text)
    except ValueError:
        return text[:1].isdigit() or "/" in text
    return True


def _fill(builder: Builder, scope: Scope | None, value: Dict, *, without: str = "") -> None:
    for item in value.entries:
        if scope is not None and item.key.text.lower() != without:
            builder.option(scope, item.key, item.value)


def _replicate(builder: Builder, cluster: Scope, key: Scalar, value: Dict) -> None:
    kind = _given(value, "type")
    name = _given(value, "replication_name")
    if kind is None:
        builder.report.error(key.at, "S003", 'replicate needs a type: `replicate [ type = "inbound_cidr" ]`')
    elif kind.text.lower() != "cache":
        _fill(builder, builder.open(cluster, Scalar("Replicate", key.at), kind), value, without="type")
    elif name is None:
        builder.report.error(kind.at, "X007", 'replication of a cache needs its name: replication_name = "…"')
    else:
        _fill(builder, builder.open(cluster, Scalar("Replicate", key.at), name), value, without="replication_name")


def _given(value: Dict, name: str) -> Scalar | None:
    found: Value | None = None
    for item in value.entries:
        if item.key.text.lower() == name:
            found = item.value
    return found if isinstance(found, Scalar) else None


def _listener(builder: Builder, key: Scalar, value: Scalar) -> None:
    listener = builder.open(builder.tree, key._replace(text="ECCluster_Listener"), None)
    if listener is not None:
        builder.open(listener, Scalar("Listen", key.at), value)
