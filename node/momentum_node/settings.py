"""What a node process learns from its environment, read once at its start."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from momentum_node.config.model import Address
from momentum_node.errors import ConfigurationError

MAIL_UID = 10025
SERVICES_UID = 10026
MAIL_GID = 10025


@dataclass(frozen=True, slots=True)
class Settings:
    """Paths and identity. `node_name` is cut at the first dot (cluster §1.1); `node_addr` None = not told."""

    node_name: str
    node_addr: Address | None
    config: Path
    nodes: Path
    run: Path
    tls: Path
    bus: str
    flight: Path

    @property
    def ring(self) -> Path:
        """corosync.conf, mounted beside the configuration."""
        return self.config.parent / "corosync.conf"

    @property
    def worker_socket(self) -> Path:
        """Where the core waits for mail workers."""
        return self.run / "core.sock"

    @property
    def cluster_socket(self) -> Path:
        """Where the services process waits for mail workers that move mail."""
        return self.run / "cluster.sock"

    @property
    def status_socket(self) -> Path:
        """Where the core hands its report to the services process, and to `momentum-node status`."""
        return self.run / "status.sock"


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings of this process. Raises `ConfigurationError` naming the variable that is wrong."""
    return Settings(
        node_name=environ.get("EC_NODE_NAME", socket.gethostname()).partition(".")[0].lower(),
        node_addr=_address(environ, "EC_NODE_ADDR"),
        config=Path(environ.get("MOMENTUM_CONFIG", "/etc/momentum/config/ecelerity.conf")),
        nodes=Path(environ.get("MOMENTUM_NODES", "/etc/momentum/config/nodes.json")),
        run=Path(environ.get("MOMENTUM_RUN", "/run/momentum/node")),
        tls=Path(environ.get("MOMENTUM_TLS", "/etc/momentum/tls")),
        bus=environ.get("MOMENTUM_BUS", "cpg:"),
        flight=Path(environ.get("MOMENTUM_FLIGHT", "/var/lib/momentum/flight")),
    )


def _address(environ: Mapping[str, str], name: str) -> Address | None:
    text = environ.get(name)
    if not text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        raise ConfigurationError(f"{name}={text} is not an IP address") from None
