"""The Kubernetes objects of a cluster: one pure builder for each. The pods' own is in `pod.py`.

Every object belongs to the MomentumCluster (ownerReferences), so nothing of ours outlives it.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeAlias

from momentum_operator import names
from momentum_operator.pod import arbiter_template, pod_template
from momentum_operator.settings import Settings
from momentum_operator.spec import ClusterSpec

Object: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which MomentumCluster: what every object of it is named and owned by."""

    namespace: str
    name: str
    uid: str

    @property
    def owner(self) -> Object:
        """The ownerReference to it."""
        return {
            "apiVersion": names.API_VERSION,
            "kind": "MomentumCluster",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def is_of_another(self, value: Object) -> bool:
        """Whether an earlier cluster of this name owns the object: its keys and its memory are that one's. Kubernetes
        collects it some time; until then it counts as missing, and is made anew in its place."""
        owners = value["metadata"].get("ownerReferences") or []
        clusters = {owner["uid"] for owner in owners if owner["kind"] == "MomentumCluster"}
        return bool(clusters) and self.uid not in clusters

    def metadata(self, name: str, component: str) -> Object:
        """Metadata of an object of this cluster."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": names.labels(self.name, component),
            "ownerReferences": [self.owner],
        }


def config_map(who: Identity, files: Mapping[str, str]) -> Object:
    """What every node mounts. `files` holds everything, `revision` too."""
    return _stamped(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": who.metadata(names.config_map(who.name), "configuration"),
            "data": dict(sorted(files.items())),
        }
    )


def state_map(who: Identity, ids: Mapping[str, int], accepted: Mapping[str, Any] | None) -> Object:
    """The operator's memory: bus ids by node name, and the last spec that passed every check."""
    data = {"ids.json": json.dumps(dict(sorted(ids.items())))}
    if accepted is not None:
        data["accepted.json"] = json.dumps(accepted, sort_keys=True)
    return _stamped(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": who.metadata(names.state_map(who.name), "state"),
            "data": data,
        }
    )


def secret(who: Identity, name: str, component: str, content: Mapping[str, bytes]) -> Object:
    """A Secret of ours; not stamped, because its content must not be guessable from an annotation."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": who.metadata(name, component),
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in sorted(content.items())},
    }


def daemon_set(who: Identity, spec: ClusterSpec, settings: Settings, excluded: tuple[str, ...] = ()) -> Object:
    """The node pods: on every node that the selector means, but those `excluded` by name."""
    template = pod_template(who.namespace, who.name, spec, settings, excluded)
    return _daemons(who, names.daemon_set(who.name), "node", template)


def arbiter(who: Identity, node: str, settings: Settings) -> Object:
    """The arbiter's pod, as a DaemonSet of one node: nobody reschedules it elsewhere without a new node list."""
    return _daemons(who, names.arbiter(who.name), "arbiter", arbiter_template(who.namespace, who.name, node, settings))


def _daemons(who: Identity, name: str, component: str, template: Object) -> Object:
    return _stamped(
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": who.metadata(name, component),
            "spec": {
                "selector": {"matchLabels": {names.CLUSTER_LABEL: who.name, names.COMPONENT_LABEL: component}},
                "updateStrategy": {"type": "OnDelete"},
                "revisionHistoryLimit": 3,
                "template": template,
            },
        }
    )


def duravip(who: Identity, address: str) -> Object:
    """The object that tells who owns one address; its status is written apart."""
    return _stamped(
        {
            "apiVersion": names.API_VERSION,
            "kind": "DuraVIP",
            "metadata": who.metadata(names.duravip(who.name, address), "duravip"),
            "spec": {"address": str(ip_address(address)), "clusterName": who.name},
        }
    )


def purge_job(who: Identity, node: str, settings: Settings) -> Object:
    """A job that removes spool and logs of this cluster on one node. The path is ours, never the resource's."""
    container = {
        "name": "purge",
        "image": settings.node_image,
        "imagePullPolicy": settings.node_image_pull_policy,
        "command": ["rm", "-rf", "--", f"/host/{who.name}"],
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["DAC_OVERRIDE", "FOWNER"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "host", "mountPath": "/host"}],
    }
    path = f"{settings.host_path_root}/{who.namespace}"
    job_name = f"{who.name}-purge-{hashlib.sha256(node.encode()).hexdigest()[:10]}"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": who.metadata(job_name, "purge"),
        "spec": {
            "backoffLimit": 3,
            "template": {
                "metadata": {"labels": names.labels(who.name, "purge")},
                "spec": {
                    "nodeName": node,
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "containers": [container],
                    "volumes": [{"name": "host", "hostPath": {"path": path, "type": "DirectoryOrCreate"}}],
                },
            },
        },
    }


def _stamped(built: Object) -> Object:
    """The object with a digest of itself: a live one with the same digest was applied from the same wish."""
    text = json.dumps(built, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {**built, "metadata": {**built["metadata"], "annotations": {names.DIGEST_ANNOTATION: digest}}}
