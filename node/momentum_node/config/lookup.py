"""Which value counts: the levels of fallback (configuration §9, §10), precomputed so that the hot path only
looks into dictionaries. One object serves one generation."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from momentum_node.config import endpoints
from momentum_node.config.addresses import binding_scopes, network_of
from momentum_node.config.merge import elements, is_regex
from momentum_node.config.model import Address, InboundOptions, Listener, Network, OutboundOptions
from momentum_node.config.patterns import compiled
from momentum_node.config.syntax import Array, Dict
from momentum_node.config.tree import AclRule, Scope, Setting

LONGEST_NAME = 255  # RFC 1035 §2.3.4; bounds what an expression is matched with
MOST_CACHED = 65536  # answers kept per kind; when it is full the cache starts again
Settings: TypeAlias = Mapping[str, Setting]
Answer = TypeVar("Answer")


def first_set(levels: Iterable[Settings], name: str) -> Setting | None:
    """The setting of the first level that sets the option (lower-cased name)."""
    return next((level[name] for level in levels if name in level), None)


# --- outbound, §9 ---


class Matching:
    """The `Domain` (or `Host`) stanzas of one container: the exact name first, then regexes in declaration order."""

    def __init__(self, container: Scope, kind: str) -> None:
        self._exact: dict[str, Settings] = {}
        self._regexes = []
        for (name, key), scope in container.children.items():
            if name != kind:
                continue
            if is_regex(key):
                self._regexes.append((compiled(key[1:-1]), scope.settings))
            else:
                self._exact[key] = scope.settings

        self._stanzas = {key: scope.settings for (name, key), scope in container.children.items() if name == kind}

    def named(self, instance: str) -> Iterator[Settings]:
        """As `of`; an instance that is a regex stands for its own stanza."""
        if not is_regex(instance):
            yield from self.of(instance.lower().removesuffix("."))
        elif instance in self._stanzas:
            yield self._stanzas[instance]

    def of(self, name: str) -> Iterator[Settings]:
        if name in self._exact:
            yield self._exact[name]
        for pattern, settings in self._regexes:
            if pattern.search(name[:LONGEST_NAME]):
                yield settings


class OutboundLookup:
    """The levels of (binding, domain), and the options that mail of a queue is delivered with."""

    def __init__(self, tree: Scope) -> None:
        self._tree = tree
        self._global = Matching(tree, "domain")
        self._groups = {group.instance or "": (Matching(group, "domain"), group) for group in tree.all("binding_group")}
        self._bindings: dict[str, tuple[Matching, Scope, str]] = {}
        for group, binding in binding_scopes(tree):
            name = group.instance if group else None
            self._bindings[binding.instance or ""] = (Matching(binding, "domain"), binding, name or "default")
        self._answers: dict[tuple[str, str], OutboundOptions] = {}

    def levels(self, binding: str, domain: str) -> tuple[Settings, ...]:
        """Levels 1 to 7, most specific first; the built-in default is not among them."""
        return tuple(self._levels(binding, domain.lower().removesuffix(".")))

    def _levels(self, binding: str, domain: str) -> Iterator[Settings]:
        own = self._bindings.get(binding)
        group = self._groups.get(own[2] if own else "default")
        if own:
            yield from own[0].of(domain)
        if group:
            yield from group[0].of(domain)
        if own:
            yield own[1].settings
        if group:
            yield group[1].settings
        yield from self._global.of(domain)
        yield self._tree.settings

    def path_levels(self, group: str | None, binding: str | None, domain: str | None) -> tuple[Settings, ...]:
        """The levels of a path in which any part may be missing; a part that no file names has no level of its own."""
        own = self._bindings.get(binding or "")
        if own and group not in {None, own[2]}:
            own = None
        name = group or ((own[2] if own else "default") if binding else None)
        container = self._groups.get(name) if name else None
        return tuple(_path_levels(own, container, (self._global, self._tree), domain))

    def options(self, binding: str, domain: str) -> OutboundOptions:
        """Asked before: one dictionary access."""
        key = (binding, domain)
        found = self._answers.get(key)
        if found is None:
            found = _answer(OutboundOptions, OUTBOUND, self.levels(binding, domain))
            _keep(self._answers, key, found)
        return found


def _path_levels(
    own: tuple[Matching, Scope, str] | None,
    group: tuple[Matching, Scope] | None,
    everywhere: tuple[Matching, Scope],
    domain: str | None,
) -> Iterator[Settings]:
    inner = [level for level in (own, group) if level is not None]
    if domain is not None:
        for level in inner:
            yield from level[0].named(domain)
    yield from (level[1].settings for level in inner)
    if domain is not None:
        yield from everywhere[0].named(domain)
    yield everywhere[1].settings


# --- inbound, §10 ---


class _Networks:
    """Scopes matched by network. `of` gives the matching ones, longest prefix first."""

    def __init__(self, scopes: Iterator[Scope]) -> None:
        self._found: dict[tuple[int, int], dict[int, Scope]] = {}
        for scope in scopes:
            network = network_of(scope)
            size = (network.version, network.prefixlen)
            self._found.setdefault(size, {})[int(network.network_address)] = scope
        self._sizes = sorted(self._found, reverse=True)

    def of(self, client: Address, longest: int = 128) -> Iterator[Scope]:
        """The scopes that contain the client; with `longest`, the block of that prefix length around it."""
        number, bits = int(client), client.max_prefixlen
        for version, length in self._sizes:
            if version == client.version and length <= longest:
                scope = self._found[version, length].get(number >> (bits - length) << (bits - length))
                if scope is not None:
                    yield scope


class _Rules:
    """A 2.x access list: rules in file order, until one that matches does not continue; later values win."""

    def __init__(self, rules: list[AclRule]) -> None:
        self._rules = rules
        self._positions: dict[tuple[int, int], dict[int, list[int]]] = {}
        for position, rule in enumerate(rules):
            network = network_of(rule.scope)
            blocks = self._positions.setdefault((network.version, network.prefixlen), {})
            blocks.setdefault(int(network.network_address), []).append(position)

    def of(self, client: Address, everywhere: Settings, longest: int = 128) -> Settings:
        merged: dict[str, Setting] = {}
        for rule in self._matching(client, longest):
            for name, setting in rule.scope.settings.items():
                merged[name] = _accumulated(name, merged.get(name), setting)
            if rule.unites_relay_hosts and "relay_hosts" in everywhere:
                merged["relay_hosts"] = _united(everywhere["relay_hosts"], merged["relay_hosts"])
            if not rule.continues:
                break
        return merged

    def _matching(self, client: Address, longest: int) -> Iterator[AclRule]:
        number, bits = int(client), client.max_prefixlen
        found: list[int] = []
        for (version, length), blocks in self._positions.items():
            if version == client.version and length <= longest:
                found += blocks.get(number >> (bits - length) << (bits - length), ())
        return (self._rules[position] for position in sorted(found))


def _accumulated(name: str, before: Setting | None, after: Setting) -> Setting:
    """`Context` and `SMTP_Extensions` of several rules add up, by key."""
    if before is None or name not in {"context", "smtp_extensions"}:
        return after
    if isinstance(before.value, Dict) and isinstance(after.value, Dict):
        later = {entry.key.text for entry in after.value.entries}
        kept = tuple(entry for entry in before.value.entries if entry.key.text not in later)
        both = {**_mapping(before.decoded), **_mapping(after.decoded)}
        return Setting(after.name, Dict((*kept, *after.value.entries), after.value.at), after.at, both)
    return _united(before, after)


def _mapping(decoded: object) -> dict[str, object]:
    return decoded if isinstance(decoded, dict) else {}


def _united(before: Setting, after: Setting) -> Setting:
    items = {element.scalar.text: element for element in (*elements(before.value), *elements(after.value))}
    decoded = dict.fromkeys((*_items(before.decoded), *_items(after.decoded)))
    return Setting(after.name, Array(tuple(items.values()), after.value.at), after.at, tuple(decoded))


def _items(decoded: object) -> tuple[object, ...]:
    return decoded if isinstance(decoded, tuple) else ()


class _Listen:
    """The levels of one socket."""

    def __init__(self, listener: Scope, peers: _Networks, listen: Scope) -> None:
        self.listener, self.listen = listener, listen
        self.listener_peers = peers
        self.peers = _Networks(listen.all("peer"))
        self.rules = _Rules(listen.acl) if listen.acl else None

    def scopes(self, client: Address | None, everywhere: Settings, longest: int = 128) -> Iterator[Settings]:
        if client is not None:
            if self.rules is not None:
                yield self.rules.of(client, everywhere, longest)
            else:
                yield from (peer.settings for peer in self.peers.of(client, longest))
            yield from (peer.settings for peer in self.listener_peers.of(client, longest))
        yield self.listen.settings
        yield self.listener.settings


class InboundLookup:
    """The levels of (listener, client), and the options that a session runs with."""

    def __init__(self, tree: Scope, kind: str = "esmtp_listener") -> None:
        self._tree = tree
        self._pathways: dict[str, tuple[Settings, ...]] = {
            scope.instance or "": (scope.settings,) for scope in tree.all("pathway")
        }
        for group in tree.all("pathway_group"):
            for scope in group.all("pathway"):
                self._pathways[scope.instance or ""] = (scope.settings, group.settings)
        listener = tree.only(kind) or Scope(kind)
        self._listener = listener
        self._peers = _Networks(listener.all("peer"))
        self._listens = {
            key: _Listen(listener, self._peers, scope)
            for (name, key), scope in listener.children.items()
            if name == "listen"
        }
        self._sessions: dict[tuple[Address | None, int, Address], InboundOptions] = {}

    def levels(self, listen: str, client: Address) -> tuple[Settings, ...]:
        """All levels above the built-in default, most specific first; `listen` is a normalised endpoint."""
        return tuple(self._with_pathways(listen, _plain_address(client)))

    def path_levels(self, listen: str | None, peer: Network | None) -> tuple[Settings, ...]:
        """The levels of a path: without `peer` those of the socket, without `listen` those of the listener."""
        client = None if peer is None else peer.network_address
        return tuple(self._with_pathways(listen or "", client, 128 if peer is None else peer.prefixlen))

    def _with_pathways(self, listen: str, client: Address | None, longest: int = 128) -> Iterator[Settings]:
        """A pathway's options stand directly after the level that names it."""
        found = self._listens.get(listen) or _Listen(self._listener, self._peers, Scope("Listen"))
        named = False
        for settings in found.scopes(client, self._tree.settings, longest):
            yield settings
            setting = settings.get("pathway")
            if setting is not None and not named:
                named = True
                yield from self._pathways.get(str(setting.decoded), ())
        yield self._tree.settings
        if not named:
            yield from self._pathways.get("default", ())

    def options(self, listener: Listener, client: Address) -> InboundOptions:
        """Asked before: one dictionary access."""
        key = (listener.address, listener.port, client)
        found = self._sessions.get(key)
        if found is None:
            levels = self.levels(str(endpoints.Endpoint(listener.address, listener.port)), client)
            found = _answer(InboundOptions, INBOUND, levels)
            _keep(self._sessions, key, found)
        return found


def _plain_address(client: Address) -> Address:
    """An IPv4 client of an IPv6 socket counts as IPv4."""
    return (client.ipv4_mapped or client) if client.version == 6 else client


# --- answers ---


def _same(value: Any) -> Any:
    return value


def _globs(value: Any) -> tuple[str, ...]:
    return tuple(str(item).lower() for item in value)


# option (lower case) → field of the model, and how the decoded value becomes it
INBOUND: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "idle_time": ("idle_time_s", float),
    "banner_hostname": ("banner_hostname", _same),
    "received_hostname": ("received_hostname", _same),
    "max_message_size": ("max_message_size", _same),
    "max_recipients_per_message": ("max_recipients_per_message", _same),
    "require_ehlo": ("require_ehlo", _same),
    "allow_null_envelope_sender": ("allow_null_envelope_sender", _same),
    "relay_hosts": ("relay_hosts", _same),
    "relay_domains": ("relay_domains", _globs),
    "relay_for_sending_domains": ("relay_for_sending_domains", _globs),
    "open_relay": ("open_relay", _same),
    "listener_sessions": ("listener_sessions", _same),
}
OUTBOUND: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "ehlo_hostname": ("ehlo_hostname", _same),
    "gateway": ("gateway", lambda value: value or None),
    "remote_smtp_port": ("remote_smtp_port", _same),
    "retry_interval": ("retry_interval_s", float),
    "max_retry_interval": ("max_retry_interval_s", float),
    "message_expiration": ("message_expiration_s", float),
    "never_retry": ("never_retry", _same),
    "max_outbound_connections": ("max_outbound_connections", _same),
    "max_deliveries_per_connection": ("max_deliveries_per_connection", _same),
    "connect_timeout": ("connect_timeout_s", float),
    "ehlo_timeout": ("ehlo_timeout_s", float),
    "mailfrom_timeout": ("mailfrom_timeout_s", float),
    "rcptto_timeout": ("rcptto_timeout_s", float),
    "body_timeout": ("body_timeout_s", float),
    "idle_timeout": ("idle_timeout_s", float),
    "suspend_delivery": ("suspend_delivery", _same),
    "generate_bounces": ("generate_bounces", _same),
    "host_failure_retry": ("host_failure_retry_s", float),
}
MAX_RETRIES = "max_retries"


def _answer(
    kind: Callable[..., Answer], fields: Mapping[str, tuple[str, Callable[[Any], Any]]], levels: tuple[Settings, ...]
) -> Answer:
    values: dict[str, Any] = {}
    for name, (field, convert) in fields.items():
        setting = first_set(levels, name)
        if setting is not None:
            values[field] = convert(setting.decoded)
    if fields is OUTBOUND:
        values.update(_retries(first_set(levels, MAX_RETRIES)))
    return kind(**values)


def _retries(setting: Setting | None) -> dict[str, object]:
    if setting is None or setting.decoded == "auto":
        return {}
    number = setting.decoded if isinstance(setting.decoded, int) else None
    return {"max_retries": number, "retries_are_automatic": False}


Key = TypeVar("Key")


def _keep(answers: dict[Key, Answer], key: Key, answer: Answer) -> None:
    if len(answers) >= MOST_CACHED:
        answers.clear()
    answers[key] = answer
