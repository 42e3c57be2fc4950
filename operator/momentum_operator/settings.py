"""What the installation decides, not the resource: images, host path root, who may claim which addresses.

Comes as one JSON file that the chart writes from its values.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from momentum_operator.fields import Address, Fields, Network, Problem


class SettingsError(Exception):
    """The settings file cannot be used; the text names every field that is wrong."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Resources in these namespaces may claim addresses of these networks."""

    namespaces: tuple[str, ...]
    networks: tuple[Network, ...]


@dataclass(frozen=True)
class Settings:
    """Everything that comes from chart values."""

    node_image: str = "momentum-node"
    node_image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    host_path_root: str = "/var/lib/momentum"
    run_path_root: str = "/run/momentum"
    priority_class: str | None = "system-node-critical"
    allowances: tuple[Allowance, ...] = ()
    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def may_claim(self, namespace: str, address: Address) -> bool:
        """Whether a resource of the namespace may own the address."""
        granted = (network for entry in self.allowances if namespace in entry.namespaces for network in entry.networks)
        return any(address in network for network in granted)

    def allowed(self, namespace: str) -> tuple[str, ...]:
        """The networks of a namespace, as text; empty when it may claim nothing."""
        return tuple(str(n) for entry in self.allowances if namespace in entry.namespaces for n in entry.networks)


def read_settings(text: str) -> Settings:
    """The settings of a JSON text. Raises `SettingsError` with every problem."""
    problems: list[Problem] = []
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"settings are not JSON: {error}") from None
    top = Fields(value, "settings", problems)
    node = top.inner("node")
    settings = Settings(
        node_image=node.text("image", "momentum-node"),
        node_image_pull_policy=node.text("imagePullPolicy", "IfNotPresent", among=("IfNotPresent", "Always", "Never")),
        image_pull_secrets=node.texts("imagePullSecrets"),
        priority_class=node.text("priorityClassName", None) if node.raw("priorityClassName") else None,
        resources=node.raw("resources") or {},
        host_path_root=top.text("hostPathRoot", "/var/lib/momentum"),
        run_path_root=top.text("runPathRoot", "/run/momentum"),
        allowances=tuple(_allowance(entry) for entry in top.each("allowedAddresses")),
    )
    node.close()
    top.close()
    if problems:
        raise SettingsError("; ".join(str(problem) for problem in problems))
    return settings


def _allowance(entry: Fields) -> Allowance:
    texts = entry.texts("cidrs", ip_network, "a network in CIDR form, such as 192.0.2.0/24")
    allowance = Allowance(entry.texts("namespaces"), tuple(ip_network(text) for text in texts))
    entry.close()
    return allowance
