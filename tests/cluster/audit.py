"""Who wrote what, by the API server's own audit log: only the operator's writes are kept, and no content.

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster.provider import Write

_POD = "authentication.kubernetes.io/pod-name"
"""Tokens of pods are bound to their pod, and the API server says to which (Kubernetes 1.32 and newer)."""


def write_policy(path: Path, namespace: str) -> None:
    """A policy that logs what pods of the namespace write, once each is done."""
    writes = {
        "level": "Metadata",
        "userGroups": [f"system:serviceaccounts:{namespace}"],
        "verbs": ["create", "update", "patch", "delete", "deletecollection"],
        "omitStages": ["RequestReceived"],
    }
    rules = [writes, {"level": "None"}]
    path.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}))


def read_writes(path: Path) -> Iterator[Write]:
    """What was written so far and not refused, in the order in which it was done; a line being written is left out."""
    if path.exists():
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n") and (write := _read(json.loads(line))) is not None:
                yield write


def _read(entry: dict[str, Any]) -> Write | None:
    if entry.get("responseStatus", {}).get("code", 500) >= 400:
        return None
    about = entry["objectRef"]
    pod = entry["user"].get("extra", {}).get(_POD, [""])[0]
    at = dt.datetime.fromisoformat(entry["stageTimestamp"]).timestamp()
    return Write(at, pod, entry["verb"], about["resource"], about.get("namespace", ""), about.get("name", ""))
