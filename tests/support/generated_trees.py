"""Configurations for property tests: trees in which every scope and option of the schema may stand."""

from hypothesis import strategies as st

from momentum_node.config import schema
from momentum_node.config.tree import Scope
from momentum_node.config.values import Type

SAMPLES = {
    "int": ["0", "7", "-1"],
    "seconds": ["0", "300"],
    "float": ["1.5"],
    "rate": ["2"],
    "bool": ["true", "off", "1"],
    "perms": ["0644"],
    "throttle": ["600/60", "5"],
    "monitor": ["300,6", "1800,4"],
    "addr": ["192.0.2.1", "2001:db8::1"],
    "cidr": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"],
    "regex": [r"^a\d+\.test$", '"'],
    "retries": ["auto", "3"],
    "aggressiveness": ["high", "0.5"],
    "linelength": ["ignore", "998"],
    "endpoint": ["*:25"],
}
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,8}[a-z0-9]", fullmatch=True).filter(lambda name: name not in {"all", "group"})
INSTANCES = {
    "listen": st.integers(1, 65535).map(lambda port: f"10.0.0.1:{port}"),
    "peer": st.integers(0, 255).map(lambda block: f"10.{block}.0.0/16"),
    "topology": st.integers(0, 255).map(lambda block: f"10.{block}.0.0/16"),
    "domain": NAMES | NAMES.map(lambda name: f"/^{name}(a|b)\\.test$/"),
    "replicate": st.sampled_from(["inbound_cidr", "outbound_domains", "OBTM"]),
}
SKIPPED = {"enable_duravip", "duravip_follow", "acl", "dml", "local_changes_file", "local_changes_only", "pathway"}
SKIPPED |= {
    "cluster_max_outbound_connections",
    "nodeaddr",
    "partition_policy",
    "cidrmask",
    "type",
    "class",
    "binding_group",
    "max_duravips",
}


def values(kind: Type) -> st.SearchStrategy[object]:
    if kind.kind == "dict":
        return st.dictionaries(TEXT, TEXT, max_size=3)
    one = TEXT if kind.kind == "string" else st.sampled_from(list(kind.words) or SAMPLES[kind.kind])
    if kind.low is not None or kind.high is not None:
        one = st.just(str(kind.low if kind.low is not None else kind.high))
    return st.lists(one, max_size=3) if kind.many else one


@st.composite
def trees(draw: st.DrawFn) -> Scope:
    tree = Scope()
    taken: set[tuple[str, str]] = set()
    fill(draw, tree, 0, taken)
    return tree


def fill(draw: st.DrawFn, scope: Scope, depth: int, taken: set[tuple[str, str]]) -> None:
    inside = scope.name.lower()
    options = [known for name in sorted(schema.names_in(inside)) if (known := schema.option(inside, name.lower()))]
    usable = [option for option in options if option.name.lower() not in SKIPPED]
    for option in draw(st.lists(st.sampled_from(usable), max_size=3, unique=True)) if usable else ():
        scope.set(option.name, draw(values(option.type)))  # type: ignore[arg-type]
    if inside == "topology":
        scope.set("interface", "eth0")
    kinds = [kind for name, kind in sorted(schema.SCOPES.items()) if inside in kind.parents]
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=2)) if kinds and depth < 4 else ():
        instance = draw(INSTANCES.get(kind.name.lower(), NAMES)) if kind.named else None
        if kind.name in {"Binding", "Pathway"} and (kind.name, instance or "") in taken:
            continue
        taken.add((kind.name, instance or ""))
        fill(draw, scope.add(kind.name, instance), depth + 1, taken)
