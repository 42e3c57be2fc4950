"""Who uses which address: the listeners and bindings of a tree, the DuraVIP upgrade, the DuraVIPs themselves
(cluster §2.2, §2.3). Knows addresses only; nothing here is plumbed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from momentum_node.config import endpoints
from momentum_node.config.model import Address, Network, TopologyEntry, Vip
from momentum_node.config.source import Report
from momentum_node.config.tree import Scope

SERVICES = {"esmtp_listener": "esmtp", "control_listener": "control", "ecstream_listener": "ecstream"}


@dataclass(slots=True)
class Service:
    """One listener or binding and the address it uses. `address` None: any, a unix socket, or the kernel's choice."""

    kind: str  # "esmtp", "control", "ecstream" or "multivip" (a binding)
    name: str  # binding name, or the endpoint
    scope: Scope
    address: Address | None
    duravip: bool
    preference: str | None
    follow: str | None
    candidates: str | None = None
    apart: str | None = None

    @property
    def label(self) -> str:
        return f"binding '{self.name}'" if self.kind == "multivip" else f"listener '{self.name}'"


def endpoint_of(listen: Scope, default_port: int) -> endpoints.Endpoint:
    """The endpoint of a Listen."""
    if isinstance(listen.matched, endpoints.Endpoint):
        return listen.matched
    return endpoints.endpoint(listen.instance or "", default_port)


def network_of(scope: Scope) -> Network:
    """The network of a Peer, a Topology or a 2.x rule."""
    if isinstance(scope.matched, Network):
        return scope.matched
    return endpoints.network(scope.instance or "")[0]


def services(tree: Scope) -> list[Service]:
    """All listeners and bindings, in order; `duravip` is what is written, before the upgrade."""
    return [*_listeners(tree), *_bindings(tree)]


def _listeners(tree: Scope) -> Iterator[Service]:
    for name, kind in SERVICES.items():
        listener = tree.only(name)
        for (inner, key), listen in listener.children.items() if listener else ():
            if inner == "listen":
                endpoint = endpoint_of(listen, endpoints.DEFAULT_PORTS[name])
                yield _service(kind, key, listen, None if endpoint.is_any else endpoint.address)


def binding_scopes(tree: Scope) -> Iterator[tuple[Scope | None, Scope]]:
    """Each declared binding with its group, None when it is outside any."""
    for binding in tree.all("binding"):
        yield None, binding
    for group in tree.all("binding_group"):
        for binding in group.all("binding"):
            yield group, binding


def _bindings(tree: Scope) -> Iterator[Service]:
    for group, binding in binding_scopes(tree):
        holder = next((scope for scope in (binding, group, tree) if scope and "bind_address" in scope.settings), None)
        address = holder.value("bind_address") if holder else None
        if group is None and binding.instance != "default" and holder is tree:
            address = tree.value("bind_address")
        yield _service("multivip", binding.instance or "", binding, address)


def _service(kind: str, name: str, scope: Scope, address: object) -> Service:
    preference, follow = scope.value("duravip_preference"), scope.value("duravip_follow")
    return Service(
        kind,
        name,
        scope,
        address if isinstance(address, Address) else None,
        scope.value("enable_duravip") is True,
        str(preference) if preference else None,
        str(follow) if follow else None,
        _words(scope, "duravip_candidates"),
        _words(scope, "duravip_apart"),
    )


def _words(scope: Scope, option: str) -> str | None:
    value = scope.value(option)
    return str(value) if value else None


def upgrade(found: Iterable[Service], report: Report) -> None:
    """A service on an address that another service marks DuraVIP is DuraVIP too, with one notice per service.

    One pass over the addresses is the fixed point: an upgrade never adds an address to the set.
    """
    everything = list(found)
    movable = {service.address for service in everything if service.duravip and service.address}
    for service in everything:
        if service.address in movable and not service.duravip and service.follow is None:
            service.duravip = True
            place = report.sources.place(service.scope.at)
            report.notice(f"{service.label} at {place} uses a DuraVIP address: it moves with it")


def vips(found: Iterable[Service], topologies: tuple[TopologyEntry, ...]) -> tuple[Vip, ...]:
    """The DuraVIPs and the addresses that follow one, sorted by address, IPv4 first."""
    everything = list(found)
    users: dict[Address, list[Service]] = {}
    for service in everything:
        if service.duravip and service.address is not None:
            users.setdefault(service.address, []).append(service)
    heads = _heads(everything, frozenset(users))
    for service in everything:
        if service.follow is not None and service.address in heads:
            users.setdefault(service.address, []).append(service)
    ordered = sorted(users, key=lambda address: (address.version, int(address)))
    return tuple(_vip(address, users[address], topologies, heads.get(address)) for address in ordered)


def _heads(found: Iterable[Service], movable: frozenset[Address]) -> dict[Address, Address]:
    """Which address each one follows that is no DuraVIP by itself."""
    leaders = leaders_of(found)
    heads: dict[Address, Address] = {}
    for service in found:
        head = leaders[service.follow].address if service.follow in leaders else None
        if head in movable and service.address is not None and service.address not in movable:
            heads.setdefault(service.address, head)
    return heads


def _vip(address: Address, users: list[Service], topologies: tuple[TopologyEntry, ...], head: Address | None) -> Vip:
    return Vip(
        address,
        frozenset(service.kind for service in users),
        tuple(sorted(service.name for service in users if service.kind == "multivip")),
        None if head else next((service.preference for service in users if service.preference), None),
        topology_of(address, topologies),
        follow=head,
        apart=next((service.apart for service in users if service.apart), None),
        candidates=next((service.candidates for service in users if service.candidates), None),
    )


def leaders_of(found: Iterable[Service]) -> dict[str, Service]:
    """Bindings by name, and by address where no name is the same: what a listener can follow."""
    bindings = [service for service in found if service.kind == "multivip"]
    by_address = {str(binding.address): binding for binding in reversed(bindings) if binding.address}
    return {**by_address, **{binding.name: binding for binding in bindings}}


def topology_of(address: Address, topologies: tuple[TopologyEntry, ...]) -> TopologyEntry | None:
    """The entry with the longest prefix that contains the address."""
    matching = [entry for entry in topologies if address in entry.network]
    return max(matching, key=lambda entry: entry.network.prefixlen, default=None)
