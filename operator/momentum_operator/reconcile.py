"""Observe → plan → apply for one cluster. The driver of `plan`: reads, asks it, carries out, decides nothing."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Mapping

import structlog

from momentum_operator import keyring, names
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
from momentum_operator.kube import Kube, KubeError, Object
from momentum_operator.objects import Identity
from momentum_operator.observe import Observed, Other, read_other, read_pod
from momentum_operator.plan import plan
from momentum_operator.reports import NodeReports
from momentum_operator.roster import read_node
from momentum_operator.settings import Settings

_log = structlog.get_logger("momentum_operator")


class Reconciler:
    """One cluster, over and over. Not for two tasks at once."""

    def __init__(
        self, kube: Kube, settings: Settings, namespace: str, name: str, on_change: Callable[[], None]
    ) -> None:
        self._kube, self._settings = kube, settings
        self._namespace, self._name = namespace, name
        self._on_change = on_change
        self._reports: NodeReports | None = None
        self._secrets: dict[str, Object] = {}

    async def reconcile(self) -> bool:
        """One round; False when the cluster is gone. Raises `KubeError` when the API server refuses something."""
        resource = await self._kube.get("MomentumCluster", self._name, self._namespace)
        if resource is None:
            await self.close()
            return False
        who = Identity(self._namespace, self._name, resource["metadata"]["uid"])
        observed = await self._observe(who, resource)
        decide = plan_deletion if observed.deleting_for_s is not None else plan
        for action in decide(observed, self._settings):
            await self._do(who, action)
        return True

    async def close(self) -> None:
        """Stop listening to the nodes."""
        if self._reports is not None:
            await self._reports.close()
            self._reports = None

    async def _observe(self, who: Identity, resource: Object) -> Observed:
        now = dt.datetime.now(dt.UTC)
        selector = f"{names.CLUSTER_LABEL}={who.name},{names.COMPONENT_LABEL} in (arbiter, node)"
        nodes, pods, clusters, duravips, services = await asyncio.gather(
            self._kube.list("Node"),
            self._kube.list("Pod", who.namespace, selector),
            self._kube.list("MomentumCluster"),
            self._kube.list("DuraVIP"),
            self._service_networks(),
        )
        config, state, daemons, arbiter = await self._own_objects(who)
        pods_read = tuple(read_pod(pod) for pod in pods if not _is_arbiter(pod))
        await self._listen(who, {names.node_name(p.node): p.address for p in pods_read if p.address})
        deleted_at = resource["metadata"].get("deletionTimestamp")
        mine, claimed = _sorted_vips(who, duravips)
        return Observed(
            who=who,
            resource=resource,
            now=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            nodes=tuple(read_node(node) for node in nodes),
            service_networks=services,
            pods=pods_read,
            arbiter_pods=tuple(read_pod(pod) for pod in pods if _is_arbiter(pod)),
            others=tuple(_others(who, clusters)),
            claimed=claimed,
            reports=dict(self._reports.reports) if self._reports else {},
            config_map=config,
            state_map=state,
            daemon_set=daemons,
            arbiter=arbiter,
            duravips=mine,
            secrets_due=keyring.due(who.name, self._secrets, now),
            bus_key=keyring.bus_key(who.name, self._secrets),
            jobs=await self._jobs(who) if deleted_at else {},
            deleting_for_s=(now - dt.datetime.fromisoformat(deleted_at)).total_seconds() if deleted_at else None,
        )

    async def _service_networks(self) -> tuple[str, ...]:
        """Where Services get their addresses from. Kubernetes tells it since 1.33; an older chart lets us not ask."""
        try:
            found = await self._kube.list("ServiceCIDR")
        except KubeError as error:
            if error.status in {403, 404}:
                return ()
            raise
        return tuple(network for one in found for network in one["spec"]["cidrs"])

    async def _own_objects(self, who: Identity) -> tuple[Object | None, ...]:
        """Our ConfigMaps and DaemonSets; the Secrets are kept for `keyring`. Nothing where we have no rights."""
        if not self._settings.allowed(who.namespace):
            self._secrets = {}
            return None, None, None, None
        own = await asyncio.gather(
            self._own(who, "ConfigMap", names.config_map),
            self._own(who, "ConfigMap", names.state_map),
            self._own(who, "DaemonSet", names.daemon_set),
            self._own(who, "DaemonSet", names.arbiter),
        )
        wanted = (names.bus_secret, names.ca_secret, names.node_secret, names.operator_secret)
        secrets = await asyncio.gather(*(self._own(who, "Secret", named) for named in wanted))
        self._secrets = {secret["metadata"]["name"]: secret for secret in secrets if secret is not None}
        return own

    async def _own(self, who: Identity, kind: str, named: Callable[[str], str]) -> Object | None:
        found = await self._kube.get(kind, named(who.name), who.namespace)
        return None if found is None or who.is_of_another(found) else found

    async def _jobs(self, who: Identity) -> dict[str, Object]:
        if not self._settings.allowed(who.namespace):
            return {}
        found = await self._kube.list("Job", who.namespace, f"{names.CLUSTER_LABEL}={who.name}")
        return {job["metadata"]["name"]: job for job in found}

    async def _listen(self, who: Identity, addresses: Mapping[str, str]) -> None:
        if self._reports is not None and self._reports.cluster_uid != who.uid:
            await self.close()  # another cluster of the same name
        if self._reports is None:
            self._reports = NodeReports(who.uid, self._on_change)
        material = keyring.content(self._secrets.get(names.operator_secret(who.name)))
        await self._reports.watch(addresses, material)

    async def _do(self, who: Identity, action: Action) -> None:
        match action:
            case Apply(value):
                _log.info("applies", kind=value["kind"], name=value["metadata"]["name"], cluster=str(self))
                await self._kube.apply(value)
            case ApplyStatus(value):
                await self._kube.apply(value, subresource="status")
            case IssueSecrets() | RotateKey():
                await self._change_secrets(who, action)
            case SetFinalizer(is_wanted):
                await self._set_finalizer(is_wanted)
            case RefreshPod(name, digest):
                body = {"metadata": {"annotations": {names.REFRESH_ANNOTATION: digest}}}
                await self._kube.merge("Pod", name, who.namespace, body)
            case Delete(kind, name):
                await self._kube.delete(kind, name, who.namespace)
            case Emit():
                await self._emit(who, action)

    async def _change_secrets(self, who: Identity, action: IssueSecrets | RotateKey) -> None:
        now = dt.datetime.now(dt.UTC)
        if isinstance(action, IssueSecrets):
            made = keyring.make(who, action.names, self._secrets, now)
        else:
            _log.info("replaces the bus key", step=action.step, cluster=str(self))
            rotated = keyring.rotated(who, self._secrets, action, now)
            made = [rotated] if rotated else []
        for secret in made:
            await self._kube.apply(secret)

    async def _set_finalizer(self, is_wanted: bool) -> None:
        """Adds or removes ours among others', and only if nobody changed the list meanwhile."""
        resource = await self._kube.get("MomentumCluster", self._name, self._namespace)
        if resource is None:
            return
        metadata = resource["metadata"]
        kept = [name for name in metadata.get("finalizers") or [] if name != names.FINALIZER]
        finalizers = [*kept, names.FINALIZER] if is_wanted else kept
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}}
        await self._kube.merge("MomentumCluster", self._name, self._namespace, body)

    async def _emit(self, who: Identity, event: Emit) -> None:
        _log.info("event", reason=event.reason, message=event.message, cluster=str(self))
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        about = {"apiVersion": names.API_VERSION, "kind": "MomentumCluster", "name": who.name}
        value = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{who.name}.", "namespace": who.namespace},
            "involvedObject": {**about, "namespace": who.namespace, "uid": who.uid},
            "reason": event.reason,
            "message": event.message[:1024],
            "type": "Warning" if event.is_warning else "Normal",
            "source": {"component": names.FIELD_MANAGER},
            "reportingComponent": names.FIELD_MANAGER,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._kube.create(value)
        except KubeError as error:  # an event is a courtesy; what it tells is in the status too
            _log.warning("the event was not taken", error=str(error))

    def __str__(self) -> str:
        return f"{self._namespace}/{self._name}"


def _is_arbiter(pod: Object) -> bool:
    return (pod["metadata"].get("labels") or {}).get(names.COMPONENT_LABEL) == "arbiter"


def _others(who: Identity, clusters: Iterable[Object]) -> Iterable[Other]:
    mine = f"{who.namespace}/{who.name}"
    return (other for other in map(read_other, clusters) if other.name != mine)


def _sorted_vips(who: Identity, duravips: Iterable[Object]) -> tuple[dict[str, Object], dict[str, str]]:
    """This cluster's DuraVIP objects by address, and whose the addresses of the others are."""
    mine: dict[str, Object] = {}
    claimed: dict[str, str] = {}
    for value in duravips:
        spec, namespace = value["spec"], value["metadata"]["namespace"]
        if namespace == who.namespace and spec["clusterName"] == who.name:
            if not who.is_of_another(value):
                mine[spec["address"]] = value
        else:
            claimed[spec["address"]] = f"{namespace}/{spec['clusterName']}"
    return mine, claimed
