"""The canonical tree as the typed configuration of model.py: what the other rooms run on."""

from collections.abc import Iterator
from typing import Any

from momentum_node.config import addresses, checks, checks_cluster, endpoints, lookup, monitors, nexthops, schema
from momentum_node.config.addresses import Service
from momentum_node.config.bindings import Bindings
from momentum_node.config.model import Address, Binding, Cluster, Listener, NodeConfiguration, Security, TopologyEntry
from momentum_node.config.source import Report
from momentum_node.config.tree import Scope

# option (lower case) → field of model.Cluster
CLUSTER = {
    "nodename": "nodename",
    "nodeaddr": "nodeaddr",
    "cluster_group": "cluster_group",
    "control_group": "control_group",
    "partition_policy": "partition_policy",
    "cluster_size": "cluster_size",
    "view_mature_time": "view_mature_time_s",
    "duravip_failback_delay": "duravip_failback_delay_s",
    "duravip_probe": "duravip_probe",
    "arp_all_hosts": "arp_all_hosts",
    "duravip_addr_lifetime": "duravip_addr_lifetime_s",
    "duravip_release_grace": "duravip_release_grace_s",
    "duravip_balance_set_size": "duravip_balance_set_size",
    "duravip_self_drop": "duravip_self_drop_s",
    "view_balance_interval": "view_balance_interval_s",
    "if_check_interval": "if_check_interval_s",
    "if_down_limit": "if_down_limit",
    "heartbeat_start_delay": "heartbeat_start_delay_s",
    "heartbeats_per_sec": "heartbeats_per_sec",
    "max_duravips": "max_duravips",
}
_GLOBAL = {
    "hostname": "hostname",
    "spoolbase": "spool_base",
    "force_fsync": "force_fsync",
    "mail_workers": "mail_workers",
    "delayed_queue_scan_interval": "delayed_queue_scan_interval_s",
    "default_binding": "default_binding",
    "prohibited_hosts": "prohibited_hosts",
    "use_ipv6": "use_ipv6",
}
_THROTTLES = {
    "outbound_throttle_messages",
    "outbound_throttle_connections",
    "cluster_outbound_throttle_messages",
    "cluster_outbound_throttle_connections",
}
_MAXIMA = {
    "scope_max_outbound_connections",
    "cluster_max_outbound_connections",
    "cluster_scope_max_outbound_connections",
}
_SERVER = {"server_max_outbound_connections", "cluster_server_max_outbound_connections"}
_LIMITS = {*_THROTTLES, *_MAXIMA, *_SERVER, "connection_allocation_aggressiveness"}
_NODE = {
    "server_reserve_outbound_connections",
    "server_max_file_descriptors",
    "reserve_maintenance_interval",
    "default_binding",
    "drain_queue_timeout",
    "migrate_connections_between_sibling_domains",
    "min_dns_ttl",
    "max_dns_ttl",
    "policy_file",
    "policy_timeout",
    "dkim_keys",
    "dkim_headers",
    "bounce_classifications",
}
_MOVES = {"mmove_max_connections", "mmove_throttle_messages", "unconditional_rebind"}
_DURAVIP = {"enable_duravip", "duravip_preference", "duravip_candidates", "duravip_apart"}
_BUILT = {
    "": {*_GLOBAL, *lookup.INBOUND, *lookup.OUTBOUND, lookup.MAX_RETRIES, *_LIMITS, *_NODE, "bind_address"},
    "security": {"user", "group", "capabilities", "privileges"},  # mail processes hold none, whatever is allowed
    "esmtp_listener": {*lookup.INBOUND, "pathway", "listen_backlog", "enable", "reconfig_message"},
    "listen": {*lookup.INBOUND, *_DURAVIP, "duravip_follow", "pathway", "listen_backlog", "enable"},
    "peer": {*lookup.INBOUND, "pathway"},
    "pathway": set(lookup.INBOUND),
    "pathway_group": set(lookup.INBOUND),
    "binding": {*lookup.OUTBOUND, *_DURAVIP, *_LIMITS, lookup.MAX_RETRIES, "bind_address", "match_domain"},
    "binding_group": {*lookup.OUTBOUND, *_LIMITS, lookup.MAX_RETRIES, "bind_address"},
    "domain": {*lookup.OUTBOUND, *_LIMITS, lookup.MAX_RETRIES},
    "host": {"max_outbound_connections", *_MAXIMA},
    "cluster": {*CLUSTER, *_MOVES, "duravip_weights"},
    "topology": {"interface", "cidrmask", "probe_gateway"},
    "inbound_audit": {"enabled", "monitors", "maintenance_interval"},
}


def read(tree: Scope, digest: str, report: Report) -> NodeConfiguration | None:
    """Check across the tree and read it; None, or nothing to be used, when the report holds errors afterwards."""
    services = addresses.services(tree)
    checks.check_services(tree, services, report)
    checks.check_cluster(tree, report)
    checks_cluster.check_streams(tree, report)
    checks_cluster.check_weights(tree, report)
    checks_cluster.check_limits(tree, report)
    nexthops.check(tree, report)
    audit = monitors.read(tree, report)
    if report.error_count:
        return None
    topologies = tuple(_topologies(tree, report))
    if tree.only("cluster") is not None:
        addresses.upgrade(services, report)
        checks.check_vips(tree, services, topologies, report)
    else:
        _without_cluster(services, report)
    if pending := list(_not_built(tree)):
        report.notice(f"accepted, but not built yet: {', '.join(dict.fromkeys(pending))}")
    common = tree.only("esmtp_listener")
    return NodeConfiguration(
        digest=digest,
        security=_fields(tree.only("security"), Security, {"user": "user", "group": "group"}),
        listeners=tuple(_listener(common, one, report) for one in services if one.kind == "esmtp"),
        bindings=Bindings(_bindings(tree, services, report)),
        vips=addresses.vips(services, topologies),
        cluster=_cluster(tree, topologies),
        notices=tuple(report.notices),
        inbound_audit=audit,
        **{"hostname": None, **_given(tree, _GLOBAL), **_given(common, {"reconfig_message": "reconfig_message"})},
    )


def _without_cluster(services: list[Service], report: Report) -> None:
    for service in services:
        if service.duravip:
            text = f"{service.label} is marked DuraVIP, but there is no cluster scope: it is opened like any other"
            report.warning(service.scope.settings["enable_duravip"].at, "X005", text)
            service.duravip = False


def _given(scope: Scope | None, fields: dict[str, str]) -> dict[str, Any]:
    settings = scope.settings if scope else {}
    return {field: settings[name].decoded for name, field in fields.items() if name in settings}


def _fields(scope: Scope | None, kind: Any, fields: dict[str, str]) -> Any:
    return kind(**_given(scope, fields))


def _listener(common: Scope | None, service: Service, report: Report) -> Listener:
    scope = service.scope
    endpoint = addresses.endpoint_of(scope, 25)
    above = common.settings if common else {}
    backlog = scope.settings.get("listen_backlog") or above.get("listen_backlog")
    enable = scope.settings.get("enable") or above.get("enable")
    return Listener(
        address=endpoint.address,
        port=endpoint.port,
        backlog=backlog.decoded if backlog and isinstance(backlog.decoded, int) else endpoints.DEFAULT_BACKLOG,
        enabled=enable is None or enable.decoded is True,
        duravip=service.duravip,
        preference=service.preference,
        place=report.sources.place(scope.instance_at),
        follow=service.follow,
    )


def _bindings(tree: Scope, services: list[Service], report: Report) -> dict[str, Binding]:
    everywhere = tree.value("bind_address")
    address = everywhere if isinstance(everywhere, Address) else None
    found = {"default": Binding("default", address, False, None, report.sources.place(-1))}
    for service in services:
        if service.kind == "multivip":
            place = report.sources.place(service.scope.instance_at)
            given = service.scope.value("match_domain")
            domains = tuple(str(domain).lower() for domain in given) if isinstance(given, tuple) else ()
            found[service.name] = Binding(
                service.name, service.address, service.duravip, service.preference, place, domains
            )
    return found


def _cluster(tree: Scope, topologies: tuple[TopologyEntry, ...]) -> Cluster | None:
    scope = tree.only("cluster")
    if scope is None:
        return None
    given = _given(scope, CLUSTER)
    for field in given:
        if field.endswith("_s") and given[field] is not None:
            given[field] = float(given[field])
    return Cluster(topologies=topologies, weights=checks_cluster.weights(scope), **given)


def _topologies(tree: Scope, report: Report) -> Iterator[TopologyEntry]:
    cluster = tree.only("cluster")
    for scope in cluster.all("topology") if cluster else ():
        network = addresses.network_of(scope)
        interface, mask = scope.value("interface"), scope.settings.get("cidrmask")
        length = mask.decoded if mask and isinstance(mask.decoded, int) else network.max_prefixlen
        if not interface:
            report.error(scope.instance_at, "V001", "a Topology needs its `interface`: where would addresses be added?")
            continue
        if mask and length > network.max_prefixlen:
            report.error(mask.value.at, "V002", f"'{mask.name}' must be 0-{network.max_prefixlen}, not {length}")
            continue
        if mask and length < network.max_prefixlen:
            text = f"'{mask.name}' below {network.max_prefixlen} makes a route to {network} follow the address"
            report.warning(mask.value.at, "X005", text)
        given = scope.settings.get("probe_gateway")
        gateway = given.decoded if given and isinstance(given.decoded, Address) else None
        if given and gateway and gateway.version != network.version:
            text = f"'{given.name}' must be of the family of {network}, not {gateway}"
            report.error(given.value.at, "V002", text)
            continue
        yield TopologyEntry(network, str(interface), length, report.sources.place(scope.instance_at), gateway)


def _not_built(tree: Scope) -> Iterator[str]:
    """What is accepted and acted on by nothing yet, by name."""
    for scope in _scopes(tree):
        kind = scope.name.lower()
        built = _BUILT.get(kind)
        if kind == "regex_binding2":  # its keys are names of bindings
            continue
        if built is None:
            yield f"{schema.scope_name(kind)} {scope.instance}" if kind == "replicate" else schema.scope_name(kind)
            continue
        if not built.issuperset(scope.settings):
            yield from (schema.spelling(kind, name) for name in scope.settings if name not in built)


def _scopes(scope: Scope) -> Iterator[Scope]:
    yield scope
    if scope.name.lower() in _BUILT or not scope.name:
        for rule in scope.acl:
            yield rule.scope
        for child in scope.children.values():
            if child.children or child.acl:
                yield from _scopes(child)
            else:
                yield child
