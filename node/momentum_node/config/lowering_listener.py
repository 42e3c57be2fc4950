"""2.x listener lists (configuration §8.1, §8.2, §8.5): endpoints, attributes, rule lists become `Listen` and `Peer`."""

from collections.abc import Iterator

from momentum_node.config import endpoints
from momentum_node.config.addresses import network_of
from momentum_node.config.lowering_rules import rule_list
from momentum_node.config.merge import Builder, elements
from momentum_node.config.model import Network
from momentum_node.config.source import Report
from momentum_node.config.syntax import Array, Attribute, Dict, Element, Entry, Scalar
from momentum_node.config.tree import AclRule, Scope
from momentum_node.config.values import COMMA_HINT

_NAMES = {
    "duravip": "Enable_Duravip",
    "duravip_preference": "Duravip_Preference",
    "duravip_follow": "Duravip_Follow",
    "status": "Enable",
    "file_mode": "File_Mode",
}
_ATTRIBUTES = {
    "listen": ("duravip", "duravip_preference", "duravip_follow", "status", "proto", "file_mode"),
    "binding": ("duravip", "duravip_preference", "duravip_follow"),
}
_SWITCHES = {"enabled": "true", "disabled": "false"}
_PROTOCOLS = {"ipv4": ("*",), "ipv6": ("[*]",), "both": ("*", "[*]")}


def listener_list(builder: Builder, entry: Entry) -> None:
    """`X_Listener = ( endpoint <attributes> [ rule lists ] … )`; assigned again, it replaces the earlier list."""
    listener = builder.open(builder.tree, entry.key, None)
    if listener is None:
        return
    earlier = [key for key, child in listener.children.items() if child.from_array]
    if earlier:
        place = builder.report.sources.place(listener.children[earlier[0]].at)
        builder.report.warning(entry.key.at, "W02", f"'{entry.key.text}' replaces the list that begins at {place}")
        for key in earlier:
            del listener.children[key]
    for element in elements(entry.value):
        _element(builder, listener, element)


def _element(builder: Builder, listener: Scope, element: Element) -> None:
    name = element.scalar
    default = endpoints.DEFAULT_PORTS[listener.name.lower()]
    try:
        endpoint = endpoints.endpoint(name.text, default)
    except ValueError as wrong:
        builder.report.error(name.at, "V003", str(wrong), COMMA_HINT if name.text.endswith(",") else None)
        return
    for host in _hosts(builder.report, endpoint, element.attributes) if element.attributes else ("",):
        given = endpoints.endpoint(f"{host}:{endpoint.port}", default) if host else endpoint
        listen = builder.open(listener, Scalar("Listen", name.at), Scalar(str(given), name.at, name.quote), given)
        if listen is not None:
            listen.from_array = True
            _numbers(builder, listen, name, endpoint)
            if element.attributes:
                attributes(builder, listen, element.attributes)
            if isinstance(element.body, Dict):
                rule_lists(builder, listen, element.body)
            elif element.body is not None:
                builder.report.error(element.body.at, "V001", f"the rules of '{name.text}' stand in `[ ]`")


def _hosts(report: Report, endpoint: endpoints.Endpoint, given: tuple[Attribute, ...]) -> tuple[str, ...]:
    """What to listen on for `proto=…`: the attribute only speaks about an endpoint with host `*`."""
    proto = next((attribute.value for attribute in given if attribute.name.text.lower() == "proto"), None)
    if proto is None:
        return ("",)
    hosts = _PROTOCOLS.get(proto.text.lower())
    if hosts is None:
        report.error(proto.at, "V005", f"'proto' must be one of ipv4, ipv6, both, not '{proto.text}'")
        return ("",)
    return hosts if endpoint.address is None and endpoint.path is None else ("",)


def _numbers(builder: Builder, listen: Scope, name: Scalar, endpoint: endpoints.Endpoint) -> None:
    if endpoint.backlog is not None:
        builder.option(listen, Scalar("Listen_Backlog", name.at), Scalar(str(endpoint.backlog), name.at))
    if endpoint.concurrency is not None:
        builder.option(listen, Scalar("Concurrency", name.at), Scalar(str(endpoint.concurrency), name.at))


def attributes(builder: Builder, scope: Scope, given: tuple[Attribute, ...]) -> None:
    """Attributes `<duravip="enabled" …>` of a listener element or of a stanza become options of its scope."""
    known = _ATTRIBUTES.get(scope.name.lower(), ())
    for attribute in given:
        word = attribute.name.text.lower()
        if word not in known:
            unknown_attribute(builder.report, attribute, known)
        elif word == "duravip_follow" and scope.name.lower() == "binding":
            builder.report.error(attribute.name.at, "X004", "a binding does not follow: listeners follow bindings")
        elif word in {"duravip", "status"}:
            _switch(builder, scope, attribute)
        elif word != "proto":
            builder.option(scope, attribute.name._replace(text=_NAMES[word]), attribute.value)


def _switch(builder: Builder, scope: Scope, attribute: Attribute) -> None:
    value = attribute.value
    name = attribute.name._replace(text=_NAMES[attribute.name.text.lower()])
    word = _SWITCHES.get(value.text.lower())
    if word is None:
        text = f"'{attribute.name.text}' must be one of enabled, disabled, not '{value.text}'"
        builder.report.error(value.at, "V005", text)
    else:
        builder.option(scope, name, value._replace(text=word, quote=""))


def unknown_attribute(report: Report, attribute: Attribute, known: tuple[str, ...]) -> None:
    names = ", ".join(known) or "none"
    report.error(attribute.name.at, "S002", f"'{attribute.name.text}' is not an attribute here (known: {names})")


def rule_lists(builder: Builder, listen: Scope, written: Dict) -> None:
    """`[ CIDR = ( rule … ) … ]`: Peers where they say the same, else the ordered list `acl` of the Listen."""
    rules = [rule for entry in written.entries if (rule := _rule_list(builder, entry)) is not None]
    if not listen.acl and _peers_say_the_same(rules):
        for found in rules:
            _as_peer(listen, found)
    else:
        listen.acl.extend(rules)


def _rule_list(builder: Builder, entry: Entry) -> AclRule | None:
    key = entry.key
    try:
        network, cleared = endpoints.network(key.text)
    except ValueError as wrong:
        builder.report.error(key.at, "V003", str(wrong))
        return None
    if cleared:
        builder.report.warning(key.at, "W05", f"'{key.text}' has host bits set")
    if not isinstance(entry.value, Array):
        builder.report.error(entry.value.at, "V001", f"the rules for '{key.text}' stand in a list `( … )`")
        return None
    found = AclRule(Scope("Peer", key.text, key.at, key.at, matched=network))
    rule_list(builder, found, entry.value.elements)
    return found


def _peers_say_the_same(rules: list[AclRule]) -> bool:
    """Peers apply the most specific value of each option; an ACL applies rules in order until one does not continue."""
    seen: dict[tuple[int, int, int], AclRule] = {}  # (version, prefix length, address) → rule
    lengths = sorted({network_of(found.scope).prefixlen for found in rules}, reverse=True)
    inside: set[tuple[int, int, int]] = set()  # every block that contains a network that was seen
    for found in rules:
        if found.unites_relay_hosts:
            return False
        network = network_of(found.scope)
        blocks = list(_containing(network, lengths))
        if blocks[0] in inside or any(
            not seen[block].continues or _accumulating(seen[block]) & _accumulating(found)
            for block in blocks
            if block in seen
        ):
            return False
        inside.update(blocks)
        seen[blocks[0]] = found
    return True


def _containing(network: Network, lengths: list[int]) -> Iterator[tuple[int, int, int]]:
    """The network itself and the wider ones around it of the given prefix lengths, narrowest first."""
    number, bits = int(network.network_address), network.max_prefixlen
    for length in (length for length in lengths if length <= network.prefixlen):
        yield network.version, length, number >> (bits - length) << (bits - length)


def _accumulating(found: AclRule) -> set[str]:
    return {"context", "smtp_extensions"} & found.scope.settings.keys()


def _as_peer(listen: Scope, found: AclRule) -> None:
    network = network_of(found.scope)
    fresh = Scope("Peer", found.scope.instance, found.scope.at, found.scope.at, matched=network)
    peer = listen.children.setdefault(("peer", str(network)), fresh)
    peer.settings.update(found.scope.settings)
