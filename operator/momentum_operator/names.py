"""Names, labels and ports that more than one module writes into Kubernetes; the node images know the same paths."""

from ipaddress import ip_address
from typing import Final

GROUP: Final = "momentumcluster.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
FIELD_MANAGER: Final = "momentum-operator"
FINALIZER: Final = f"{GROUP}/nodes"

CLUSTER_LABEL: Final = f"{GROUP}/cluster-name"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
DIGEST_ANNOTATION: Final = f"{GROUP}/digest"
"""On every object we apply: digest of what we wanted, so that a field that we no longer want is noticed."""
TEMPLATE_ANNOTATION: Final = f"{GROUP}/template"
"""On every pod: digest of the pod template it was made from, placement aside."""
REFRESH_ANNOTATION: Final = f"{GROUP}/configuration"
"""On every pod, patched after the ConfigMap changed: makes the kubelet refresh the volume at once."""

DRAIN_ANNOTATION: Final = f"{GROUP}/drain"
"""On a Kubernetes node, set by people: it gives all its addresses up, whatever the value, until it is taken off."""

ROTATE_ANNOTATION: Final = f"{GROUP}/rotate-bus-key"
"""On a MomentumCluster, set by people: each new value (a date, say) means one replacement of the bus key."""

STATUS_PORT: Final = 4806
PROBE_PORT: Final = 4807
BUS_PORT: Final = 5405
ROWS_PORT: Final = BUS_PORT + 1
"""Where nodes tell each other which of them they hear (the resolver beside Corosync)."""
CLUSTER_PORT: Final = 4802

MAIN_FILE: Final = "ecelerity.conf"
TEXT_FILE: Final = "configuration.conf"
CONFIGURATION_LIMIT_BYTES: Final = 512 * 1024


def config_map(cluster: str) -> str:
    """What the nodes mount at /etc/momentum/config."""
    return f"{cluster}-config"


def state_map(cluster: str) -> str:
    """What only the operator reads: bus ids ever given, the last spec that was accepted."""
    return f"{cluster}-state"


def bus_secret(cluster: str) -> str:
    """The key of the bus."""
    return f"{cluster}-bus"


def ca_secret(cluster: str) -> str:
    """The cluster's certificate authority; mounted nowhere."""
    return f"{cluster}-ca"


def node_secret(cluster: str) -> str:
    """The certificate of every node."""
    return f"{cluster}-node-tls"


def operator_secret(cluster: str) -> str:
    """The certificate with which the operator asks the nodes."""
    return f"{cluster}-operator-tls"


def daemon_set(cluster: str) -> str:
    """The node pods."""
    return f"{cluster}-node"


def arbiter(cluster: str) -> str:
    """The pod that makes the majority of a cluster of two."""
    return f"{cluster}-arbiter"


def duravip(cluster: str, address: str) -> str:
    """The DuraVIP object of one address, for example `mail-192-0-2-41`."""
    text = str(ip_address(address)).replace(".", "-").replace(":", "-")
    return f"{cluster}-{text}".rstrip("-") if not text.endswith("-") else f"{cluster}-{text}0"


def labels(cluster: str, component: str) -> dict[str, str]:
    """The labels of every object of a cluster."""
    return {
        "app.kubernetes.io/name": "momentum",
        "app.kubernetes.io/instance": cluster,
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        COMPONENT_LABEL: component,
        CLUSTER_LABEL: cluster,
    }


def node_name(kubernetes_name: str) -> str:
    """The name of a node on the bus and in configuration: the Kubernetes name up to the first dot."""
    return kubernetes_name.split(".", 1)[0]
