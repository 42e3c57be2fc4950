"""What wakes the operator: events of resources, nodes and pods. The only module that imports kopf.

`on.event` handlers only name what to look at again: no state of kopf's is kept in the resource, and no finalizer of its
own. Its timers would need one, so re-checking by time is the work loop's.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import Any

import kopf

from momentum_operator import names
from momentum_operator.roster import read_node

Key = tuple[str, str]


async def watch(wake: Callable[[Key], None], wake_all: Callable[[], None], stop: asyncio.Event) -> None:
    """Calls `wake((namespace, name))` or `wake_all()` for each change that may matter, until `stop` is set.

    SIGTERM and SIGINT set `stop` from here on, whatever they did before.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.event(names.GROUP, names.VERSION, "momentumclusters", registry=registry)
    async def cluster_changed(namespace: str | None, name: str | None, **_: Any) -> None:
        wake((namespace or "", name or ""))

    @kopf.on.event("", "v1", "pods", labels={names.CLUSTER_LABEL: kopf.PRESENT}, registry=registry)
    async def pod_changed(namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        wake((namespace or "", labels[names.CLUSTER_LABEL]))

    node_changes = _NodeChanges()

    @kopf.on.event("", "v1", "nodes", registry=registry)
    async def node_changed(body: Mapping[str, Any], **_: Any) -> None:
        if node_changes.matter(body):
            wake_all()

    @kopf.on.login(registry=registry)
    def login(**options: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**options) or kopf.login_with_kubeconfig(**options)

    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # our events are about clusters, not about our log
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = 5
    others = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry, settings=settings, standalone=True, clusterwide=True, stop_flag=stop
    )
    # kopf has just taken the signals for itself: it would end its watches first, and we would hear of it seconds later.
    stop_on_signals(stop)
    await kopf.run_tasks(tasks, ignored=others)


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT set `stop`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


class _NodeChanges:
    """Kubelets write their node's status each few seconds; only some of it concerns us."""

    def __init__(self) -> None:
        self._seen: dict[str, object] = {}

    def matter(self, node: Mapping[str, Any]) -> bool:
        """Whether something of it that we read differs from what was seen last."""
        concern = read_node(node), node["metadata"].get("deletionTimestamp")
        name = node["metadata"]["name"]
        if self._seen.get(name) == concern:
            return False
        self._seen[name] = concern
        return True
