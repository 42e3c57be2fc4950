"""The operator's process: the lease, the work loop, the watchers, and a health port."""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import socket
import sys
import time
from typing import Any, Final

import structlog
from aiohttp import web

from momentum_operator import handlers, names
from momentum_operator.handlers import Key
from momentum_operator.kube import Kube, KubeError
from momentum_operator.lease import DURATION_S, RENEW_EVERY_S, Election, Record
from momentum_operator.reconcile import Reconciler
from momentum_operator.settings import Settings

HEALTH_PORT: Final = 8080
RECHECK_S: Final = 15.0
"""Everything is looked at again so often, also when nothing was heard: a lost event must not matter for long."""
SPACING_S: Final = 0.1
"""Between two rounds of one cluster: bursts of events become one round."""
RETRY_S: Final = 2.0

_log = structlog.get_logger("momentum_operator")


class Work:
    """One task for each cluster; `wake` makes it look again soon."""

    def __init__(self, kube: Kube, settings: Settings) -> None:
        self._kube, self._settings = kube, settings
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._wakes: dict[Key, asyncio.Event] = {}

    def wake(self, key: Key) -> None:
        """Look at this cluster again; begins to care for it when it is new."""
        self._wakes.setdefault(key, asyncio.Event()).set()
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._care(key))

    def wake_all(self) -> None:
        """Look at every cluster again."""
        for key in list(self._tasks):
            self.wake(key)

    async def close(self) -> None:
        """Stop all tasks."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _care(self, key: Key) -> None:
        reconciler = Reconciler(self._kube, self._settings, *key, lambda: self.wake(key))
        wake = self._wakes[key]
        try:
            # One that is gone and was woken meanwhile may be there again under the same name.
            while await self._round(key, reconciler, wake) or wake.is_set():
                await asyncio.sleep(SPACING_S)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), RECHECK_S)
        finally:
            await reconciler.close()
            self._tasks.pop(key, None)
            self._wakes.pop(key, None)

    async def _round(self, key: Key, reconciler: Reconciler, wake: asyncio.Event) -> bool:
        """One round; an error is logged and tried again, because the next observation may be another."""
        wake.clear()
        try:
            return await reconciler.reconcile()
        except KubeError as error:
            _log.warning("a round failed; it is tried again", cluster="/".join(key), error=str(error))
        except Exception:
            _log.exception("a round failed; it is tried again", cluster="/".join(key))
        await asyncio.sleep(RETRY_S)
        wake.set()
        return True


async def run(settings: Settings, *, elected: bool = True) -> int:
    """Works until a signal or the loss of the lease. Exit code 0 after a signal, 1 when the lease was lost."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr), processors=_processors())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    kube = await Kube.connect()
    health = await _health()
    try:
        if not elected:
            return await _work(kube, settings, stop)
        return await _work_when_elected(kube, settings, stop)
    finally:
        await kube.close()
        await health.cleanup()


async def guard_uninstall() -> int:
    """Exit code 1 while MomentumClusters exist, with their names."""
    kube = await Kube.connect()
    try:
        left = [f"{c['metadata']['namespace']}/{c['metadata']['name']}" for c in await kube.list("MomentumCluster")]
    except KubeError as error:
        if error.status != 404:
            raise
        left = []  # the CRD is gone, and every resource with it
    finally:
        await kube.close()
    if left:
        print(f"delete these MomentumClusters first: {', '.join(sorted(left))}", file=sys.stderr)  # noqa: T201
    return 1 if left else 0


async def _work(kube: Kube, settings: Settings, stop: asyncio.Event) -> int:
    work = Work(kube, settings)
    try:
        await handlers.watch(work.wake, work.wake_all, stop)
    finally:
        await work.close()
    return 0


async def _work_when_elected(kube: Kube, settings: Settings, stop: asyncio.Event) -> int:
    election = Election(os.environ.get("POD_NAME") or socket.gethostname())
    lost = asyncio.Event()
    renewing = asyncio.create_task(_renew(kube, election, lost))
    try:
        while election.renewed_at is None:
            if stop.is_set():
                return 0
            await asyncio.sleep(0.2)
        _log.info("works", replica=election.me)
        working = asyncio.create_task(_work(kube, settings, stop))
        losing = asyncio.create_task(lost.wait())
        await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
        losing.cancel()
        if not working.done():
            _log.error("lost the lease", replica=election.me)
            return 1  # nothing of ours may go on: the process ends
        return working.result()
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        if not lost.is_set():
            await _release(kube, election)


async def _renew(kube: Kube, election: Election, lost: asyncio.Event) -> None:
    while not lost.is_set():
        try:
            live = await kube.get("Lease", _lease_name(), _namespace())
            if election.look(_record(live), time.monotonic()):
                await _write(kube, election, live, election.me)
                election.wrote(time.monotonic())
        except KubeError as error:
            _log.warning("the lease was not renewed", error=str(error))
        if election.lost(time.monotonic()):
            lost.set()
        await asyncio.sleep(RENEW_EVERY_S)


async def _release(kube: Kube, election: Election) -> None:
    """Lets the next replica begin at once."""
    with contextlib.suppress(KubeError):
        live = await kube.get("Lease", _lease_name(), _namespace())
        record = _record(live)
        if record is not None and record.holder == election.me:
            await _write(kube, election, live, "")


async def _write(kube: Kube, election: Election, live: dict[str, Any] | None, holder: str) -> None:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": DURATION_S, "renewTime": now}
    if live is None:
        metadata = {"name": _lease_name(), "namespace": _namespace()}
        value = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        live = await kube.create(value)
    else:
        live = await kube.replace({**live, "kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "spec": spec})
    election.seen = _record(live)


def _record(live: dict[str, Any] | None) -> Record | None:
    if live is None:
        return None
    spec = live.get("spec") or {}
    return Record(spec.get("holderIdentity") or "", spec.get("renewTime") or "")


def _namespace() -> str:
    return os.environ.get("POD_NAMESPACE", "default")


def _lease_name() -> str:
    return names.FIELD_MANAGER


async def _health() -> web.AppRunner:
    """GET /healthz on every address of the pod: this process' loop runs."""

    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    application = web.Application()
    application.router.add_get("/healthz", alive)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    port = int(os.environ.get("MOMENTUM_OPERATOR_HEALTH_PORT", HEALTH_PORT))
    with contextlib.suppress(OSError):  # outside a pod the port may be somebody else's
        await web.TCPSite(runner, port=port).start()
    return runner


def _processors() -> list[Any]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
