"""The pod template of a node: which process may do what, and sees which files.

| container | uid:gid     | capabilities                        | writes                                |
| --------- | ----------- | ----------------------------------- | ------------------------------------- |
| prepare   | 0:10025     | CHOWN FOWNER                        | owner and mode of the host folders    |
| bus       | 0:0         | SYS_NICE IPC_LOCK                   | Corosync's state, libqb's sockets     |
| node      | 0:0         | NET_ADMIN NET_RAW NET_BIND_SERVICE  | addresses, sockets of the pod, flight |
| services  | 10026:10025 | none                                | logs                                  |
| mail      | 10025:10025 | none                                | spool, logs                           |
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from momentum_operator import names
from momentum_operator.settings import Settings
from momentum_operator.spec import ClusterSpec

MAIL_UID = 10025
SERVICES_UID = 10026
MAIL_GID = 10025
DRAIN_SECONDS = (30 + 60 + 5) + 5 + 30 + 10 + 10
"""The worst stop of a node, each part bounded where it is done: addresses handed over, queues moved and the core's end;
sessions; deliveries in hand; the last sync; Corosync, which ends after all others."""
ARBITER_STOP_SECONDS = 15

_SHARED = "/run/momentum/node"
_SPOOL, _LOG, _FLIGHT = "/var/spool/ecelerity", "/var/log/ecelerity", "/var/lib/momentum/flight"
_KEYS = "/etc/momentum/bus-key"
_ALIVE = f'[ "$(( $(date +%s) - $(stat -c %Y {_SHARED}/alive) ))" -lt 10 ]'
_PREPARE = (
    f"set -e; for folder in {_SPOOL} {_LOG}; do chown 0:{MAIL_GID} $folder; chmod 2770 $folder; done; "
    # Sticky: a mail process may connect to the core's socket there, and not put another in its place.
    f"chown 0:{MAIL_GID} {_SHARED}; chmod 3770 {_SHARED}"
)

Json = dict[str, Any]


def pod_template(
    namespace: str, cluster: str, spec: ClusterSpec, settings: Settings, excluded: tuple[str, ...] = ()
) -> Json:
    """The template. Its annotation changes only with what needs new pods; placement does not."""
    pod = _pod(namespace, cluster, spec, settings)
    return {
        "metadata": {"labels": names.labels(cluster, "node"), "annotations": {names.TEMPLATE_ANNOTATION: _digest(pod)}},
        "spec": {**pod, "affinity": _affinity(spec, excluded), "tolerations": [dict(t) for t in spec.tolerations]},
    }


def arbiter_template(namespace: str, cluster: str, node: str, settings: Settings) -> Json:
    """The template of the arbiter: Corosync alone, on one node by name, whatever keeps other pods from it."""
    bus = _bus(settings)
    del bus["restartPolicy"]  # an ordinary container, not one that starts before others
    mounted = {mount["name"] for mount in bus["volumeMounts"]}
    pod = {**_host_pod(settings, ARBITER_STOP_SECONDS), "containers": [bus]}
    pod["volumes"] = [volume for volume in _volumes(namespace, cluster, settings) if volume["name"] in mounted]
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    return {
        "metadata": {
            "labels": names.labels(cluster, "arbiter"),
            "annotations": {names.TEMPLATE_ANNOTATION: _digest(pod)},
        },
        "spec": {
            **pod,
            "affinity": _on_nodes({"matchFields": [field]}),
            "tolerations": [{"operator": "Exists"}],
        },
    }


def _pod(namespace: str, cluster: str, spec: ClusterSpec, settings: Settings) -> Json:
    return {
        **_host_pod(settings, DRAIN_SECONDS),
        "initContainers": [_prepare(settings), _bus(settings)],
        "containers": [_node(settings), _services(settings), _mail(settings)],
        "volumes": _volumes(namespace, cluster, settings),
    }


def _host_pod(settings: Settings, stop_seconds: int) -> Json:
    """What every pod on the host's network has."""
    pod: Json = {
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": stop_seconds,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
    }
    if settings.priority_class:
        pod["priorityClassName"] = settings.priority_class
    if settings.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    return pod


def _affinity(spec: ClusterSpec, excluded: tuple[str, ...]) -> Json:
    term: Json = {
        "matchExpressions": [
            {"key": r.key, "operator": r.operator, **({"values": list(r.values)} if r.values else {})}
            for r in spec.selector
        ]
    }
    if excluded:
        term["matchFields"] = [
            {"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in sorted(excluded)
        ]
    return _on_nodes(term)


def _on_nodes(term: Json) -> Json:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def _digest(pod: Json) -> str:
    return hashlib.sha256(json.dumps(pod, sort_keys=True).encode()).hexdigest()[:16]


def _prepare(settings: Settings) -> Json:
    mounts = {"spool": _SPOOL, "log": _LOG, "shared": _SHARED}
    container = _container("prepare", settings, ["sh", "-c", _PREPARE], mounts)
    container["securityContext"] = _security(0, MAIL_GID, ("CHOWN", "FOWNER"))
    return container


def _bus(settings: Settings) -> Json:
    """Restartable: starts before the node and outlives it. No CPU limit: throttling looks like a dead node."""
    # Corosync locks /run/corosync.pid and does not start when it cannot.
    mounts = {"libqb": "/tmp", "bus-run": "/run", "corosync": "/run/momentum/corosync", "bus-key": _KEYS}  # noqa: S108
    mounts["bus-etc"] = "/etc/corosync"  # the key that is in force: which one, the container decides stage by stage
    container = _container("bus", settings, ["momentum-node", "bus", "--keys", _KEYS], mounts)
    container["restartPolicy"] = "Always"
    container["ports"] = [_port("bus", names.BUS_PORT, "UDP"), _port("rows", names.ROWS_PORT, "UDP")]
    container["securityContext"] = _security(0, 0, ("IPC_LOCK", "SYS_NICE"))
    return container


def _node(settings: Settings) -> Json:
    mounts = {"libqb": "/tmp", "shared": _SHARED, "corosync": "/run/momentum/corosync", "flight": _FLIGHT}  # noqa: S108
    container = _container("node", settings, ["momentum-node", "run", "--role", "node"], mounts)
    container["securityContext"] = _security(0, 0, ("NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW"))
    container["livenessProbe"] = {
        "exec": {"command": ["sh", "-c", _ALIVE]},
        "initialDelaySeconds": 15,
        "periodSeconds": 5,
        "timeoutSeconds": 5,
        "failureThreshold": 2,
    }
    return container


def _services(settings: Settings) -> Json:
    mounts = {"shared": _SHARED, "tls": "/etc/momentum/tls", "log": _LOG, "scratch": "/tmp"}  # noqa: S108
    container = _container("services", settings, ["momentum-node", "run", "--role", "services"], mounts)
    container["securityContext"] = _security(SERVICES_UID, MAIL_GID)
    container["ports"] = [
        _port("cluster", names.CLUSTER_PORT),
        _port("status", names.STATUS_PORT),
        _port("probes", names.PROBE_PORT),
    ]
    container["readinessProbe"] = {**_probe("/readyz"), "periodSeconds": 2, "failureThreshold": 1}
    container["livenessProbe"] = {**_probe("/livez"), "initialDelaySeconds": 15, "periodSeconds": 10}
    return container


def _mail(settings: Settings) -> Json:
    mounts = {"shared": _SHARED, "spool": _SPOOL, "log": _LOG, "scratch": "/tmp"}  # noqa: S108
    container = _container("mail", settings, ["momentum-node", "run", "--role", "mail"], mounts)
    container["securityContext"] = _security(MAIL_UID, MAIL_GID)
    return container


def _container(name: str, settings: Settings, command: list[str], mounts: Mapping[str, str]) -> Json:
    every = {"configuration": "/etc/momentum/config", **mounts} if name != "prepare" else mounts
    read_only = {"configuration", "tls", "bus-key"}
    return {
        "name": name,
        "image": settings.node_image,
        "imagePullPolicy": settings.node_image_pull_policy,
        "command": command,
        "env": [
            {"name": "EC_NODE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
            {"name": "EC_NODE_ADDR", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.hostIP"}}},
        ],
        "resources": dict(settings.resources.get(name, {})),
        "volumeMounts": [
            {"name": volume, "mountPath": path, **({"readOnly": True} if volume in read_only else {})}
            for volume, path in every.items()
        ],
    }


def _security(uid: int, gid: int, capabilities: tuple[str, ...] = ()) -> Json:
    return {
        "runAsUser": uid,
        "runAsGroup": gid,
        "runAsNonRoot": uid != 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], **({"add": list(capabilities)} if capabilities else {})},
    }


def _port(name: str, number: int, protocol: str = "TCP") -> Json:
    return {"name": name, "containerPort": number, "hostPort": number, "protocol": protocol}


def _probe(path: str) -> Json:
    return {
        "httpGet": {"host": "127.0.0.1", "port": names.PROBE_PORT, "path": path, "scheme": "HTTP"},
        "timeoutSeconds": 2,
    }


def _volumes(namespace: str, cluster: str, settings: Settings) -> list[Json]:
    def secret(volume: str, name: str, mode: int) -> Json:
        return {"name": volume, "secret": {"secretName": name, "defaultMode": mode}}

    def host(volume: str, root: str, leaf: str) -> Json:
        path = f"{root}/{namespace}/{cluster}/{leaf}"
        return {"name": volume, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}

    return [
        {"name": "configuration", "configMap": {"name": names.config_map(cluster), "defaultMode": 0o444}},
        secret("bus-key", names.bus_secret(cluster), 0o400),
        # Read by the services' uid, and mounted into no container but that one.
        secret("tls", names.node_secret(cluster), 0o444),
        {"name": "shared", "emptyDir": {}},
        {"name": "libqb", "emptyDir": {"medium": "Memory"}},
        {"name": "bus-run", "emptyDir": {"medium": "Memory"}},
        {"name": "bus-etc", "emptyDir": {"medium": "Memory"}},
        {"name": "scratch", "emptyDir": {}},
        host("corosync", settings.run_path_root, "corosync"),
        host("spool", settings.host_path_root, "spool"),
        host("log", settings.host_path_root, "log"),
        host("flight", settings.host_path_root, "flight"),
    ]
