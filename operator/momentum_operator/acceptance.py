"""May this spec run? What the text says when it is read as a node reads it, and what the rest of the world allows.

The files are checked in memory: `include` reaches the resource's own files and nothing else, so that no error message
can show what another file on this machine holds.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_network

from momentum_node.config.corosync import profile_timing
from momentum_node.config.loading import ConfigurationInvalid, load
from momentum_node.config.messages import Message
from momentum_node.config.model import NodeConfiguration, Place, Vip
from momentum_node.errors import ConfigurationError
from momentum_operator.fields import Address, Network, Problem
from momentum_operator.names import MAIN_FILE, TEXT_FILE
from momentum_operator.settings import Settings
from momentum_operator.spec import ClusterSpec


@dataclass(frozen=True)
class Surroundings:
    """What a spec must get along with."""

    namespace: str
    settings: Settings
    node_addresses: Mapping[str, str] = field(default_factory=dict)
    """Address → Kubernetes node that has it as its own."""
    claimed: Mapping[str, str] = field(default_factory=dict)
    """Address → the other MomentumCluster ("namespace/name") that had it first."""
    pod_networks: tuple[str, ...] = ()
    service_networks: tuple[str, ...] = ()
    checks_allowance: bool = True
    """False for `render`, which knows no installation."""


@dataclass(frozen=True)
class Verdict:
    """Problems (none: it may run), the addresses it declares, and what a person should know although it runs."""

    problems: tuple[Problem, ...]
    addresses: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def judge(spec: ClusterSpec, files: Mapping[str, str], around: Surroundings) -> Verdict:
    """Reads `files` as a node would and checks every address that they declare."""
    try:
        configuration = _load(tuple(sorted((n, t) for n, t in files.items() if n not in _NOT_CONFIGURATION)))
    except ConfigurationInvalid as error:
        return Verdict(tuple(Problem(_path(spec, m.place), _told(m)) for m in error.messages))
    except ConfigurationError as error:
        return Verdict((Problem("spec.configuration", str(error)),))
    addresses = tuple(str(vip.address) for vip in configuration.vips)
    fields = {vip.address: f"spec.vips[{index}].address" for index, vip in enumerate(spec.vips)}
    paths = [(fields.get(vip.address, "spec.configuration"), vip) for vip in configuration.vips]
    problems = [problem for path, vip in paths for problem in _address(path, vip, around)]
    problems += _hasty(spec, configuration, files.get("corosync.conf", "").count("nodeid:"))
    return Verdict(tuple(problems), addresses, tuple(configuration.notices))


def _told(message: Message) -> str:
    hint = f"; {message.hint}" if message.hint else ""
    return f"{message.text}{hint} [{message.code}]"


_NOT_CONFIGURATION = frozenset({"nodes.json", "corosync.conf", "revision"})


@lru_cache(maxsize=16)
def _load(files: tuple[tuple[str, str], ...]) -> NodeConfiguration:
    """What the text says; remembered, because it is asked for at each change of anything."""
    return load(MAIN_FILE, _reader(dict(files)), contained=True).node


def _reader(files: Mapping[str, str]) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(2, "include reaches only the names in spec.configurationFiles", path)
        return files[path].encode()

    return read


def _path(spec: ClusterSpec, place: Place) -> str:
    """The place in the resource: line and column are those of the text that the person wrote."""
    where = f"{place.line}:{place.column}"
    if place.file == TEXT_FILE:
        return f"spec.configuration:{where}"
    for index, (name, _) in enumerate(spec.configuration_files):
        if name == place.file:
            return f"spec.configurationFiles[{index}].content:{where}"
    return f"{place.file}:{where} (written from the fields of the spec)"


def _hasty(spec: ClusterSpec, configuration: NodeConfiguration, nodes: int) -> Iterable[Problem]:
    """Nobody may let go while a ring forms without a lost node: each death would be everybody's (failover §5.4)."""
    drop_s = configuration.cluster.duravip_self_drop_s if configuration.cluster else 0.0
    if nodes and 0 < 1000 * drop_s <= (least := profile_timing(spec.bus.profile, nodes).resolver_ms):
        told = f"duravip_self_drop = {drop_s:g} must be above {least / 1000:g} s with profile {spec.bus.profile}, or 0"
        yield Problem("spec.configuration", told)


def _address(path: str, vip: Vip, around: Surroundings) -> Iterable[Problem]:
    address = vip.address
    text = str(address)
    if owner := around.node_addresses.get(text):
        yield Problem(path, f"{text} is the own address of node {owner}; a node's own address cannot move")
    if other := around.claimed.get(text):
        yield Problem(path, f"{text} already belongs to MomentumCluster {other}")
    if around.checks_allowance and not around.settings.may_claim(around.namespace, address):
        yield Problem(path, _not_allowed(text, around))
    if vip.topology is None:
        yield Problem(path, f"{text} is in no network: name its network and interface in spec.networks")
    else:
        yield from _special(path, address, vip.topology.network)
    for users, networks in (("pods", around.pod_networks), ("services", around.service_networks)):
        for network in networks:
            if address in ip_network(network):
                yield Problem(path, f"{text} is in {network}, from which Kubernetes gives {users} their addresses")


def _not_allowed(text: str, around: Surroundings) -> str:
    allowed = around.settings.allowed(around.namespace)
    what = f"allowed are {', '.join(allowed)}" if allowed else "none is allowed"
    ask = "ask who installed the operator to add it to allowedAddresses"
    return f"namespace {around.namespace} may not claim {text} ({what}): {ask}"


def _special(path: str, address: Address, network: Network) -> Iterable[Problem]:
    if network.prefixlen < network.max_prefixlen - 1 and address.version == 4:
        if address == network.network_address:
            yield Problem(path, f"{address} is the address of network {network} itself")
        if address == network.broadcast_address:
            yield Problem(path, f"{address} is the broadcast address of {network}")
