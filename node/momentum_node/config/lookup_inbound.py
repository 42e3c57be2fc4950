"""Which value counts for a session: the levels of fallback (configuration §10). One object serves one generation.

Networks are asked for by their names, one for each prefix length that occurs, so a tree that is decoded on demand
(compiled.py) is decoded where it is asked.
"""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from momentum_node.config import endpoints
from momentum_node.config.addresses import network_of
from momentum_node.config.indexing import index_of
from momentum_node.config.lookup import INBOUND, Settings, answer, first_set, keep
from momentum_node.config.merge import elements
from momentum_node.config.model import Address, InboundOptions, Listener, Network
from momentum_node.config.syntax import Array, Dict
from momentum_node.config.tree import AclRule, Scope, Setting

MOST_LISTENS = 1024  # sockets whose stanzas stay decoded


class _Peers:
    """The `Peer` stanzas of one scope. `of` gives the matching ones, longest prefix first."""

    def __init__(self, container: Scope) -> None:
        self._children = container.children
        self._sizes = index_of(container).peers

    def of(self, client: Address, longest: int = 128) -> Iterator[Scope]:
        """The scopes that contain the client; with `longest`, the block of that prefix length around it."""
        for version, length in self._sizes:
            if version == client.version and length <= longest:
                scope = self._children.get(("peer", _block(client, length)))
                if scope is not None:
                    yield scope


def _block(client: Address, length: int) -> str:
    """The network of that prefix length around an address, as it is spelled in the tree."""
    rest = client.max_prefixlen - length
    kind = IPv4Address if client.version == 4 else IPv6Address
    return f"{kind(int(client) >> rest << rest)}/{length}"


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

    def __init__(self, listener: Scope, peers: _Peers, listen: Scope) -> None:
        self.listener, self.listen = listener, listen
        self.listener_peers = peers
        self.peers = _Peers(listen)
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
        self._pathway_groups: dict[str, str] = {}
        for group in tree.all("pathway_group"):
            for scope in group.all("pathway"):
                self._pathways[scope.instance or ""] = (scope.settings, group.settings)
                self._pathway_groups[scope.instance or ""] = group.instance or ""
        listener = tree.only(kind) or Scope(kind)
        self._listener = listener
        self._peers = _Peers(listener)
        self._listens: dict[str, _Listen] = {}
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
        found = self._listens.get(listen) or keep(self._listens, listen, self._listen(listen), MOST_LISTENS)
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

    def _listen(self, key: str) -> _Listen:
        scope = self._listener.children.get(("listen", key)) or Scope("Listen")
        return _Listen(self._listener, self._peers, scope)

    def options(self, listener: Listener, client: Address) -> InboundOptions:
        """Asked before: one dictionary access."""
        key = (listener.address, listener.port, client)
        found = self._sessions.get(key)
        if found is None:
            levels = self.levels(str(endpoints.Endpoint(listener.address, listener.port)), client)
            found = answer(InboundOptions, INBOUND, levels)
            if found.pathway in self._pathway_groups:
                found = replace(found, pathway_group=self._pathway_groups[found.pathway])
            if found.throttle_messages is not None:
                counter = self._place_of("inbound_throttle_messages", levels, found.pathway)
                found = replace(found, throttle_messages=replace(found.throttle_messages, counter=counter))
            keep(self._sessions, key, found)
        return found

    def _place_of(self, name: str, levels: tuple[Settings, ...], pathway: str) -> str:
        """The scope that sets an option which only the file itself, a pathway or its group can set."""
        setting = first_set(levels, name)
        own, *group = self._pathways.get(pathway, ({},))
        if setting == own.get(name):
            return f"Pathway:{pathway}"
        return f"Pathway_Group:{self._pathway_groups[pathway]}" if group and setting == group[0].get(name) else "Global"


def _plain_address(client: Address) -> Address:
    """An IPv4 client of an IPv6 socket counts as IPv4."""
    return (client.ipv4_mapped or client) if client.version == 6 else client
