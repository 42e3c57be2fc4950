"""Cross checks after merging (configuration §11, cluster §2.2): what no single value can be blamed for."""

from momentum_node.config import schema
from momentum_node.config.addresses import Service, leaders_of, topology_of
from momentum_node.config.model import Address, TopologyEntry
from momentum_node.config.source import Report
from momentum_node.config.tree import Scope

NEEDED_CAPABILITIES = ("cap_net_admin", "cap_net_raw", "cap_net_bind_service")


def check_services(tree: Scope, services: list[Service], report: Report) -> None:
    """X001-X004, X009, X010, X014 on what is written; call before the upgrade."""
    leaders = leaders_of(services)
    movable = {service.address for service in services if service.duravip}
    nodeaddr = _nodeaddr(tree, report)
    for service in services:
        if service.follow is not None and service.duravip:
            at = max(_at(service, "duravip_follow"), _at(service, "enable_duravip"))
            report.error(at, "X002", "a listener is either a DuraVIP or follows one, not both")
        elif service.follow is not None:
            _check_follower(service, leaders, movable, report)
        elif service.duravip:
            _check_duravip(service, nodeaddr, report)


def _at(service: Service, option: str) -> int:
    setting = service.scope.settings.get(option)
    return setting.at if setting is not None else service.scope.instance_at


def _check_duravip(service: Service, nodeaddr: Address | None, report: Report) -> None:
    at = _at(service, "enable_duravip")
    if service.kind == "multivip" and service.name == "default":
        report.error(at, "X001", "the binding 'default' cannot be a DuraVIP: give the address to a binding of its own")
    elif service.address is None:
        report.error(at, "X001", _no_address(service))
    elif service.address == nodeaddr:
        report.error(at, "X010", f"{service.address} is the nodeaddr of this node: it cannot move")
    elif service.address.is_loopback or service.address.is_unspecified or service.address.is_multicast:
        report.error(at, "X001", f"a DuraVIP needs one specific address of a network, not {service.address}")


def _no_address(service: Service) -> str:
    if service.kind == "multivip":
        return f"a DuraVIP needs one specific address: binding '{service.name}' has no Bind_Address"
    if service.name.startswith("/"):
        return f"a DuraVIP needs one specific address, '{service.name}' is a unix socket"
    return f"a DuraVIP needs one specific address, '{service.scope.instance}' listens on all"


def _check_follower(
    service: Service, leaders: dict[str, Service], movable: set[Address | None], report: Report
) -> None:
    at = _at(service, "duravip_follow")
    if service.kind == "multivip":
        report.error(at, "X004", "a binding does not follow: listeners follow bindings")
        return
    if service.preference is not None:
        text = "a listener that follows has no preference of its own: ignored"
        report.warning(_at(service, "duravip_preference"), "X014", text)
    leader = leaders.get(service.follow or "")
    if leader is None or leader.name == "default":
        report.error(at, "X003", f"'{service.follow}' is not a binding that a listener can follow")
    elif leader.address is None or leader.address not in movable:
        report.error(at, "X003", f"binding '{leader.name}' is not a DuraVIP: set Enable_Duravip there")
    elif leader.address == service.address:
        report.error(at, "X009", f"listener and binding '{leader.name}' share {leader.address}: set Enable_Duravip")


def _nodeaddr(tree: Scope, report: Report) -> Address | None:
    cluster = tree.only("cluster")
    setting = cluster.settings.get("nodeaddr") if cluster else None
    if setting is None:
        return None
    if not isinstance(setting.decoded, Address):
        if setting.decoded is None and getattr(setting.value, "text", "") == "*":
            report.error(setting.value.at, "X010", "nodeaddr is one specific address, not '*'")
        return None
    if setting.decoded.is_loopback or setting.decoded.is_unspecified:
        report.error(setting.value.at, "X010", f"nodeaddr must be reachable by other nodes, {setting.decoded} is not")
    return setting.decoded


def check_vips(tree: Scope, services: list[Service], topologies: tuple[TopologyEntry, ...], report: Report) -> None:
    """X005, X008, X011 and the number of addresses; call after the upgrade."""
    users: dict[Address, list[Service]] = {}
    for service in services:
        if service.duravip and service.address is not None:
            users.setdefault(service.address, []).append(service)
    for address, sharing in users.items():
        _check_preferences(address, sharing, report)
        if topology_of(address, topologies) is None:
            hint = f'add `Topology "{address}" {{ interface = … }}` to the cluster scope'
            at = sharing[0].scope.instance_at
            report.warning(at, "X005", f"{address} is in no Topology: it cannot be used on this node", hint)
    _check_number(tree, len(users), report)
    if users:
        _check_capabilities(tree, report)


def _check_preferences(address: Address, sharing: list[Service], report: Report) -> None:
    named = sorted((service for service in sharing if service.preference), key=lambda one: one.scope.instance_at)
    for service in named[1:]:
        if service.preference and named[0].preference and service.preference.lower() != named[0].preference.lower():
            text = (
                f"{address} has two preferences: '{named[0].preference}' ({named[0].label}) and '{service.preference}'"
            )
            report.error(_at(service, "duravip_preference"), "X011", text)
            return


def _check_number(tree: Scope, number: int, report: Report) -> None:
    cluster = tree.only("cluster")
    limit = cluster.value("max_duravips") if cluster else None
    most = limit if isinstance(limit, int) else 10240
    if number > most and cluster is not None:
        report.error(cluster.at, "V002", f"there are {number} DuraVIPs, more than max_duravips = {most}")


def _check_capabilities(tree: Scope, report: Report) -> None:
    """X008 is a notice here: the supervisor plumbs, whatever the mail processes may do (mta §1)."""
    security = tree.only("security")
    written = security.value("capabilities") if security else None
    if written is None:
        return
    missing = [name for name in NEEDED_CAPABILITIES if name not in str(written).lower()]
    if missing:
        report.notice(f"Capabilities lacks {', '.join(missing)}: the supervisor does that work [X008]")


def check_cluster(tree: Scope, report: Report) -> None:
    """X007, X015 and options of the cluster scope that need each other."""
    if tree.value("local_changes_only") is True and "local_changes_file" not in tree.settings:
        at = tree.settings["local_changes_only"].at
        report.error(at, "X015", "Local_Changes_Only needs Local_Changes_File: where would changes be written?")
    cluster = tree.only("cluster")
    if cluster is None:
        return
    if cluster.value("partition_policy") == "quorum" and "cluster_size" not in cluster.settings:
        at = cluster.settings["partition_policy"].at
        report.error(at, "V002", "partition_policy = quorum needs cluster_size, the number of MTA nodes meant to exist")
    if cluster.value("duravip_addr_lifetime") == 1:
        text = "'duravip_addr_lifetime' below 2 s: any pause of half a second gives every address up"
        report.warning(cluster.settings["duravip_addr_lifetime"].value.at, "V002", text)
    for replicate in cluster.all("replicate"):
        _check_replicate(replicate, report)


def _check_replicate(replicate: Scope, report: Report) -> None:
    kinds = schema.option("replicate", "type")
    words = kinds.type.words if kinds else ()
    written = str(replicate.value("class") or replicate.value("type") or replicate.instance or "").lower()
    if written not in {word.lower() for word in words}:
        near = next((word for word in words if schema.distance(written[:64], word.lower()) <= 2), None)
        text = f"'{replicate.instance}' is no type of replication: name it in `type` (one of {', '.join(words)})"
        report.error(replicate.instance_at, "V005", text, f"did you mean `{near}`?" if near else None)
