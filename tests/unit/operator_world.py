"""A world in memory for the operator's decisions: Kubernetes nodes, objects, pods and what nodes report.

`settle` lets the operator plan and carries its actions out, until it has nothing more to do.
"""

import copy
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from momentum_node.status.report import Report
from momentum_operator import names
from momentum_operator.actions import (
    Action,
    Apply,
    ApplyStatus,
    Delete,
    Emit,
    IssueSecrets,
    RefreshPod,
    RotateKey,
    SetFinalizer,
)
from momentum_operator.deletion import plan_deletion
from momentum_operator.objects import Identity
from momentum_operator.observe import Observed, Other, Pod
from momentum_operator.plan import plan
from momentum_operator.roster import KubeNode
from momentum_operator.rotation import BusKey
from momentum_operator.settings import Allowance, Settings
from tests.support.quietbus import QUIET_BUS

EXAMPLE = Path(__file__).parents[2] / "examples" / "cluster.yaml"
SETTINGS = Settings(allowances=(Allowance(("mail",), (ip_network("198.18.0.0/24"),)),))
START = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
VIP_1, VIP_2 = "198.18.0.41", "198.18.0.42"


def example(**changes: Any) -> dict[str, Any]:
    """The resource of examples/cluster.yaml as the API server returns it; `changes` replace fields of its spec."""
    resource: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    resource["metadata"] |= {
        "namespace": "mail",
        "uid": "5b6f0c1e",
        "generation": 1,
        "creationTimestamp": "2030-01-01T00:00:00Z",
    }
    resource["spec"] |= copy.deepcopy(changes)
    return resource


def node(number: int, **changes: Any) -> KubeNode:
    """Kubernetes node n<number> at 198.18.0.<number> with the label of the example."""
    address = f"198.18.0.{number}"
    values: dict[str, Any] = {"labels": {"mail": "true"}, "internal_addresses": (address,), "addresses": (address,)}
    return KubeNode(f"n{number}", **(values | changes))


def report(
    name: str,
    members: tuple[str, ...],
    vips: Mapping[str, str | None],
    *,
    held: tuple[str, ...] | None = None,
    quorum: tuple[int, int] = (3, 3),
    revision: str = "",
    **changes: Any,
) -> Report:
    """What node `name` says: its view and the owner of each address. It holds what it owns unless `held` says more."""
    mine = tuple(address for address, owner in vips.items() if owner == name) if held is None else held
    value: dict[str, Any] = {
        "revision": 1,
        "node": {
            "name": name,
            "id": int(name[1:]),
            "address": f"198.18.0.{name[1:]}",
            "incarnation": f"{name}-a",
            "version": "0.1.0",
        },
        "state": "RUN",
        "quorate": quorum[0] * 2 > quorum[1],
        "quorum": f"{quorum[0]}/{quorum[1]}",
        "bus": {**QUIET_BUS},
        "members": [{"name": m, "nodeId": int(m[1:]), "mature": True, "draining": False} for m in members],
        "vips": [
            {
                "address": address,
                "owner": owner,
                "reason": f"{owner} is preferred",
                "since": "2030-01-01T00:00:05.000Z",
                "held": address in mine,
                "problem": None,
                "viewStableSince": "2030-01-01T00:00:05.000Z",
                "configurationStableSince": "2030-01-01T00:00:05.000Z",
            }
            for address, owner in vips.items()
        ],
        "transitions": {"plumbed": 2, "conflict": 1},
        "configuration": {"digest": revision, "running": revision, "errors": []},
        "interfaces": [{"name": "eth0", "up": True, "addresses": [f"198.18.0.{name[1:]}/24"]}],
        "mail": {
            "workers": 1,
            "accepting": True,
            "sessions": 0,
            "queued": 0,
            "received": 0,
            "delivered": 0,
            "failed": 0,
        },
        "notices": [],
    }
    return value | changes  # type: ignore[return-value]


@dataclass
class World:
    """Mutable: a test changes something, then settles."""

    resource: dict[str, Any] = field(default_factory=example)
    nodes: list[KubeNode] = field(default_factory=lambda: [node(1), node(2), node(3)])
    settings: Settings = SETTINGS
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    arbiter_pods: dict[str, Pod] = field(default_factory=dict)
    others: tuple[Other, ...] = ()
    service_networks: tuple[str, ...] = ()
    secrets_due: tuple[str, ...] = ("bus", "ca", "node", "operator")
    bus_key: BusKey | None = None
    events: list[Emit] = field(default_factory=list)
    done: list[Action] = field(default_factory=list)
    elapsed_s: float = 0.0
    deleting_since_s: float | None = None

    def observed(self) -> Observed:
        """What the operator sees now."""
        metadata = self.resource["metadata"]
        who = Identity(metadata["namespace"], metadata["name"], metadata["uid"])
        deleting_for_s = None if self.deleting_since_s is None else self.elapsed_s - self.deleting_since_s
        now = START + dt.timedelta(seconds=self.elapsed_s)
        return Observed(
            who=who,
            resource=copy.deepcopy(self.resource),
            now=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            nodes=tuple(self.nodes),
            service_networks=self.service_networks,
            pods=tuple(self.pods.values()),
            arbiter_pods=tuple(self.arbiter_pods.values()),
            others=self.others,
            reports=dict(self.reports),
            config_map=self.objects.get(("ConfigMap", names.config_map(who.name))),
            state_map=self.objects.get(("ConfigMap", names.state_map(who.name))),
            daemon_set=self.objects.get(("DaemonSet", names.daemon_set(who.name))),
            arbiter=self.objects.get(("DaemonSet", names.arbiter(who.name))),
            duravips={v["spec"]["address"]: v for (kind, _), v in self.objects.items() if kind == "DuraVIP"},
            secrets_due=self.secrets_due,
            bus_key=self.bus_key,
            jobs={name: v for (kind, name), v in self.objects.items() if kind == "Job"},
            deleting_for_s=deleting_for_s,
        )

    def plan(self) -> list[Action]:
        """What the operator would do now."""
        return (plan if self.deleting_since_s is None else plan_deletion)(self.observed(), self.settings)

    def settle(self) -> list[Action]:
        """Plan and carry out until there is nothing to do; returns all that was done. Fails when it never ends."""
        done: list[Action] = []
        for _ in range(10):
            actions = self.plan()
            if not actions:
                return done
            done += actions
            for action in actions:
                self._carry_out(action)
        raise AssertionError(f"the operator is never content: {actions}")

    def start_pods(self) -> None:
        """What Kubernetes does with the DaemonSet: a ready pod on each selected node that has none."""
        template = self._template(names.daemon_set("mail"))
        for one in self.nodes:
            name = f"mail-node-{one.name}"
            if one.labels.get("mail") == "true" and name not in self.pods:
                self.pods[name] = Pod(name, one.name, one.addresses[0], True, False, template, "")
        self.arbiter_pods = {}
        if arbiter := self.objects.get(("DaemonSet", names.arbiter("mail"))):
            terms = arbiter["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
            term = terms["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]
            name, node = "mail-arbiter-x", term["matchFields"][0]["values"][0]
            self.arbiter_pods[name] = Pod(name, node, "", True, False, self._template(names.arbiter("mail")), "")

    def _template(self, daemon_set: str) -> str:
        annotations = self.objects["DaemonSet", daemon_set]["spec"]["template"]["metadata"]["annotations"]
        return str(annotations[names.TEMPLATE_ANNOTATION])

    def everybody_reports(self, **owners: str | None) -> None:
        """All nodes with a pod see each other and agree on the owners: `v41="n1"` is 198.18.0.41."""
        vips = {f"198.18.0.{key[1:]}": owner for key, owner in (owners or {"v41": "n1", "v42": "n2"}).items()}
        members = tuple(sorted(pod.node for pod in self.pods.values()))
        quorum = (len(members), len(self.nodes))
        self.reports = {m: report(m, members, vips, quorum=quorum, revision=self.file("revision")) for m in members}

    def running(self) -> "World":
        """The same world with everything up and settled."""
        self.settle()
        self.start_pods()
        self.everybody_reports()
        self.settle()
        return self

    def file(self, name: str) -> str:
        """A file that nodes mount."""
        files: dict[str, str] = self.objects["ConfigMap", names.config_map("mail")]["data"]
        return files[name]

    def condition(self, kind: str) -> tuple[str, str, str]:
        """(status, reason, message) of a condition."""
        found = next(c for c in self.resource["status"]["conditions"] if c["type"] == kind)
        return found["status"], found["reason"], found["message"]

    def vip(self, address: str) -> dict[str, Any]:
        """The status of a DuraVIP object."""
        status: dict[str, Any] = self.objects["DuraVIP", names.duravip("mail", address)]["status"]
        return status

    def _carry_out(self, action: Action) -> None:
        match action:
            case Apply(value):
                key = (value["kind"], value["metadata"]["name"])
                status = self.objects.get(key, {}).get("status")
                self.objects[key] = copy.deepcopy(dict(value)) | ({"status": status} if status else {})
            case ApplyStatus(value) if value["kind"] == "MomentumCluster":
                self.resource["status"] = copy.deepcopy(value["status"])
            case ApplyStatus(value):
                self.objects[value["kind"], value["metadata"]["name"]]["status"] = copy.deepcopy(value["status"])
            case IssueSecrets() | RotateKey():
                self._change_secrets(action)
            case SetFinalizer(is_wanted):
                self.resource["metadata"]["finalizers"] = [names.FINALIZER] if is_wanted else []
            case RefreshPod(name, digest):
                pods = self.pods if name in self.pods else self.arbiter_pods
                pods[name] = replace(pods[name], configuration=digest)
            case Delete("Pod", name):
                (self.pods if name in self.pods else self.arbiter_pods).pop(name)
            case Delete(kind, name):
                self.objects.pop((kind, name), None)
            case Emit():
                self.events.append(action)

    def _change_secrets(self, action: IssueSecrets | RotateKey) -> None:
        """The bus key's life by fingerprints: "old0", then "new0"."""
        if isinstance(action, IssueSecrets):
            self.secrets_due = ()
            return
        assert self.bus_key is not None
        now = (START + dt.timedelta(seconds=self.elapsed_s)).isoformat()
        match action.step:
            case "finish":
                self.bus_key = BusKey(self.bus_key.next or "", wish=action.wish)
            case "abandon":
                self.bus_key = BusKey(self.bus_key.current, wish=action.wish)
            case stage:
                self.bus_key = BusKey(self.bus_key.current, "new0", stage, action.wish, now)
