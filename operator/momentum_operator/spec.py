"""The spec of a MomentumCluster as types: what `reading` makes of the resource and everything else works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from momentum_operator.fields import Address, Network


@dataclass(frozen=True, slots=True)
class Topology:
    """On which NIC addresses of a network go."""

    network: Network
    interface: str
    prefix_length: int
    probe_gateway: Address | None = None


@dataclass(frozen=True, slots=True)
class Vip:
    """One address that the cluster owns."""

    name: str
    address: Address
    preferred_nodes: tuple[str, ...] = ()  # the first that is there has it


@dataclass(frozen=True, slots=True)
class Client:
    """What clients of one network may do."""

    network: Network
    idle_timeout_s: int | None = None
    banner_hostname: str | None = None
    max_message_size_bytes: int | None = None
    max_recipients: int | None = None
    relay: str | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Where mail is accepted: one port on the addresses named."""

    name: str
    port: int
    vips: tuple[str, ...]
    backlog: int | None = None
    clients: tuple[Client, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """A source address with queues of its own."""

    name: str
    vip: str
    ehlo_hostname: str | None = None
    gateway: str | None = None
    match_domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    """What all listeners and bindings have in common."""

    relay_networks: tuple[str, ...] = ()
    relay_domains: tuple[str, ...] = ()
    gateway: str | None = None
    max_message_size_bytes: int | None = None
    workers: int | None = None
    retry_interval_s: int | None = None
    max_retry_interval_s: int | None = None
    expiration_s: int | None = None


@dataclass(frozen=True, slots=True)
class Bus:
    """How the nodes agree."""

    profile: str = "Fast"
    partition_policy: str = "Majority"
    arbiter: str = "Auto"
    network: Network | None = None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label of a node."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels meets it."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value in self.values
        if self.operator == "NotIn":  # as Kubernetes reads it: a node without the label passes
            return value not in self.values
        return (value is not None) == (self.operator == "Exists")


@dataclass(frozen=True)
class ClusterSpec:
    """Everything that is wanted. `weights`: nodes that take more addresses than one of weight 1."""

    selector: tuple[Requirement, ...]
    tolerations: tuple[Mapping[str, Any], ...] = ()
    weights: tuple[tuple[str, int], ...] = ()
    hostname: str | None = None
    networks: tuple[Topology, ...] = ()
    vips: tuple[Vip, ...] = ()
    listeners: tuple[Listener, ...] = ()
    bindings: tuple[Binding, ...] = ()
    mail: Mail = field(default_factory=Mail)
    bus: Bus = field(default_factory=Bus)
    failback_delay_s: int | None = None
    release_grace_s: int | None = None
    configuration: str = ""
    configuration_files: tuple[tuple[str, str], ...] = ()
    deletion_policy: str = "Keep"
    deletion_timeout_s: int = 300

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a Kubernetes node with these labels is meant."""
        return all(requirement.holds(labels) for requirement in self.selector)

    def topology(self, address: Address) -> Topology | None:
        """The entry with the longest prefix that contains the address."""
        fitting = [entry for entry in self.networks if address in entry.network]
        return max(fitting, key=lambda entry: entry.network.prefixlen, default=None)

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that a listener of the spec opens, sorted."""
        return tuple(sorted({listener.port for listener in self.listeners}))
