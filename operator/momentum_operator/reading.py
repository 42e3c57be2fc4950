"""Reading the spec of a MomentumCluster: each field by itself, then what fields say together.

The schema refuses most of it before; this says the same for files that no API server has seen, and the rest for all.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Any

from momentum_operator.fields import Fields, Problem
from momentum_operator.names import CONFIGURATION_LIMIT_BYTES, MAIN_FILE, TEXT_FILE
from momentum_operator.spec import Binding, Bus, Client, ClusterSpec, Listener, Mail, Requirement, Topology, Vip

RESERVED_FILES = frozenset({MAIN_FILE, TEXT_FILE, "corosync.conf", "nodes.json", "revision"})
RESERVED_BINDINGS = frozenset({"default", "all", "group"})


def read(value: object) -> tuple[ClusterSpec | None, tuple[Problem, ...]]:
    """The spec, or None and everything that is wrong with it, in the order of the fields."""
    problems: list[Problem] = []
    top = Fields(value, "spec", problems)
    nodes = top.inner("nodes", required=True)
    mail, bus, failover = top.inner("mail"), top.inner("bus"), top.inner("failover")
    spec = ClusterSpec(
        selector=_selector(nodes.inner("selector", required=True)),
        tolerations=_tolerations(nodes),
        weights=_all(nodes.each("weights"), _weight),
        hostname=top.text("hostname", None),
        networks=_all(top.each("networks"), _topology),
        vips=_all(top.each("vips"), _vip),
        listeners=_all(top.each("listeners"), _listener),
        bindings=_all(top.each("bindings"), _binding),
        mail=_mail(mail),
        bus=_bus(bus),
        failback_delay_s=failover.number("failbackDelaySeconds", None, 0, 86400),
        release_grace_s=failover.number("releaseGraceSeconds", None, 0, 30),
        configuration=top.text("configuration", "") if top.raw("configuration") else "",
        configuration_files=_all(top.each("configurationFiles"), _file),
        deletion_policy=top.text("deletionPolicy", "Keep", among=("Keep", "Purge")),
        deletion_timeout_s=top.number("deletionTimeoutSeconds", 300, 1, 86400),
    )
    for fields in (nodes, mail, bus, failover, top):
        fields.close()
    if not problems:
        problems.extend(together(spec))
    return (None if problems else spec), tuple(problems)


def together(spec: ClusterSpec) -> list[Problem]:
    """What is wrong between fields that are each right by themselves."""
    return [
        *_unique("spec.nodes.weights", "nodeName", (name for name, _ in spec.weights)),
        *_unique("spec.networks", "cidr", (str(entry.network) for entry in spec.networks)),
        *_unique("spec.vips", "name", (vip.name for vip in spec.vips)),
        *_unique("spec.vips", "address", (str(vip.address) for vip in spec.vips)),
        *_unique("spec.listeners", "name", (listener.name for listener in spec.listeners)),
        *_unique("spec.bindings", "name", (binding.name for binding in spec.bindings)),
        *_unique("spec.configurationFiles", "name", (name for name, _ in spec.configuration_files)),
        *_vips_are_usable(spec),
        *_names_are_known(spec),
        *_endpoints_differ(spec),
        *_text_is_short(spec),
    ]


def _vips_are_usable(spec: ClusterSpec) -> Iterable[Problem]:
    used = {name for listener in spec.listeners for name in listener.vips} | {b.vip for b in spec.bindings}
    for index, vip in enumerate(spec.vips):
        path = f"spec.vips[{index}]"
        if spec.topology(vip.address) is None:
            yield Problem(
                f"{path}.address",
                f"{vip.address} is in no network of spec.networks: add one that says which interface it goes to",
            )
        if vip.name not in used:
            yield Problem(
                path,
                f"{vip.name} is used by no listener and no binding: name it there, or remove it",
            )


def _names_are_known(spec: ClusterSpec) -> Iterable[Problem]:
    known = {vip.name for vip in spec.vips}
    for i, listener in enumerate(spec.listeners):
        for j, name in enumerate(listener.vips):
            if name not in known:
                yield Problem(f"spec.listeners[{i}].vips[{j}]", _unknown_vip(name, known))
    for i, binding in enumerate(spec.bindings):
        if binding.vip not in known:
            yield Problem(f"spec.bindings[{i}].vip", _unknown_vip(binding.vip, known))


def _unknown_vip(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), 1)
    return f"there is no {name!r} in spec.vips" + (f"; did you mean {near[0]!r}?" if near else "")


def _endpoints_differ(spec: ClusterSpec) -> Iterable[Problem]:
    owner: dict[tuple[str, int], str] = {}
    for i, listener in enumerate(spec.listeners):
        for j, name in enumerate(listener.vips):
            first = owner.setdefault((name, listener.port), listener.name)
            if first != listener.name:
                yield Problem(
                    f"spec.listeners[{i}].vips[{j}]",
                    f"port {listener.port} of {name} already belongs to listener {first!r}",
                )


def _text_is_short(spec: ClusterSpec) -> Iterable[Problem]:
    size = len(spec.configuration.encode()) + sum(len(text.encode()) for _, text in spec.configuration_files)
    if size > CONFIGURATION_LIMIT_BYTES:
        yield Problem(
            "spec.configuration",
            f"{size} bytes with configurationFiles; {CONFIGURATION_LIMIT_BYTES} (512 KiB) are allowed",
        )


def _unique(path: str, name: str, values: Iterable[str]) -> Iterable[Problem]:
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        before = first.setdefault(value, index)
        if before != index:
            yield Problem(f"{path}[{index}].{name}", f"{value} is already at {path}[{before}].{name}")


def _all(items: Iterable[Fields], build: "Callable[[Fields], Any]") -> tuple[Any, ...]:
    built = []
    for fields in items:
        built.append(build(fields))
        fields.close()
    return tuple(one for one in built if one is not None)


def _selector(fields: Fields) -> tuple[Requirement, ...]:
    labels = fields.raw("matchLabels") or {}
    found = [Requirement(key, "In", (str(labels[key]),)) for key in sorted(labels)]
    for entry in fields.each("matchExpressions"):
        key = entry.text("key", "", required=True)
        operator = entry.text("operator", "", required=True, among=("In", "NotIn", "Exists", "DoesNotExist"))
        values = entry.texts("values")
        if bool(values) != (operator in {"In", "NotIn"}):
            entry.refuse("values", "In and NotIn need values, Exists and DoesNotExist take none")
        entry.close()
        found.append(Requirement(key, operator, values))
    fields.close()
    if not found:
        fields.refuse("", "selects nothing in particular: give matchLabels or matchExpressions")
    return tuple(found)


def _tolerations(nodes: Fields) -> tuple[Mapping[str, Any], ...]:
    return tuple(dict(entry) for entry in nodes.raw("tolerations") or [] if isinstance(entry, Mapping))


def _weight(fields: Fields) -> tuple[str, int]:
    return fields.text("nodeName", "", required=True), fields.number("weight", 1, 1, 100)


def _topology(fields: Fields) -> Topology | None:
    network, interface = fields.network("cidr"), fields.text("interface", "", required=True)
    if network is None:
        fields.raw("prefixLength")
        fields.raw("probeGateway")
        return None
    longest = network.max_prefixlen
    gateway = fields.address("probeGateway") if fields.has("probeGateway") else None
    if gateway is not None and gateway.version != network.version:
        fields.refuse("probeGateway", f"must be of the same family as {network}, not {gateway}")
    return Topology(network, interface, fields.number("prefixLength", longest, 1, longest), gateway)


def _vip(fields: Fields) -> Vip | None:
    name, address = fields.text("name", "", required=True), fields.address("address")
    preferred = fields.texts("preferredNodeNames")
    return Vip(name, address, preferred) if address else None


def _listener(fields: Fields) -> Listener:
    listener = Listener(
        name=fields.text("name", "", required=True),
        port=fields.number("port", 25, 1, 65535),
        vips=fields.texts("vips"),
        backlog=fields.number("backlog", None, 1, 65535),
        clients=_all(fields.each("clients"), _client),
    )
    if not listener.vips:
        fields.refuse("vips", "names no address to listen on")
    return listener


def _client(fields: Fields) -> Client | None:
    network = fields.network("cidr")
    values = {
        "idle_timeout_s": fields.number("idleTimeoutSeconds", None, 0, 86400),
        "banner_hostname": fields.text("bannerHostname", None),
        "max_message_size_bytes": fields.number("maxMessageSizeBytes", None, 0),
        "max_recipients": fields.number("maxRecipientsPerMessage", None, 0),
        "relay": fields.text("relay", None, among=("Open", "Restricted")),
    }
    return Client(network, **values) if network else None  # type: ignore[arg-type]


def _binding(fields: Fields) -> Binding:
    binding = Binding(
        name=fields.text("name", "", required=True),
        vip=fields.text("vip", "", required=True),
        ehlo_hostname=fields.text("ehloHostname", None),
        gateway=fields.text("gateway", None),
        match_domains=fields.texts("matchDomains"),
    )
    if binding.name in RESERVED_BINDINGS:
        fields.refuse("name", f"{binding.name!r} is a name the product uses itself")
    return binding


def _mail(fields: Fields) -> Mail:
    retry = fields.inner("retry")
    mail = Mail(
        relay_networks=fields.texts("relayNetworks", ip_network, "a network in CIDR form, such as 192.0.2.0/24"),
        relay_domains=fields.texts("relayDomains"),
        gateway=fields.text("gateway", None),
        max_message_size_bytes=fields.number("maxMessageSizeBytes", None, 0),
        workers=fields.number("workers", None, 1, 16),
        retry_interval_s=retry.number("intervalSeconds", None, 1, 604800),
        max_retry_interval_s=retry.number("maxIntervalSeconds", None, 1, 604800),
        expiration_s=retry.number("expirationSeconds", None, 1, 2592000),
    )
    retry.close()
    return mail


def _bus(fields: Fields) -> Bus:
    return Bus(
        profile=fields.text("profile", "Fast", among=("Aggressive", "Fast", "Balanced", "Safe")),
        partition_policy=fields.text("partitionPolicy", "Majority", among=("Majority", "AllSides")),
        arbiter=fields.text("arbiter", "Auto", among=("Auto", "None")),
        network=fields.network("networkCIDR", required=False),
    )


def _file(fields: Fields) -> tuple[str, str]:
    name = fields.text("name", "", required=True)
    if name in RESERVED_FILES or "/" in name:
        fields.refuse(
            "name",
            f"{name!r} cannot be used: give a file name without a folder that the operator does not write itself",
        )
    return name, fields.text("content", "")
